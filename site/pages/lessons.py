"""Lessons: what each asks, its handout to print, its file to change; and the sheet for predictions."""

import html
import json
import shutil
from pathlib import Path

from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom.lesson import Lesson, Scene
from orwlab.show.web import classroom_assets, handout_markup, preview
from pages import chapters, pocket
from pages.words import plain

_TOP = """# Lessons

A lesson is a few scenes in five to ten minutes: everybody predicts, then one run is watched, then the exact answer is
shown over all guesses. In the app's *Classroom* they run by themselves, with phones: [A class](a_class.md)
says how. Without it, print a handout and project the scenes from this page. The answers are on the handout's last
part, to be cut off; here they are not.

- <a href="notebooks/prediction_sheet.html">A sheet for predictions</a> has a question for every notebook, to print.
- [Teaching](notebooks/teaching.md) has a class of 90 minutes, a course of three weeks, answers and rubrics.
- A lesson is a YAML file. Download one, change it, and open it on the Classroom's page *Write a lesson*; its format is
  <a href="lessons/schema.json" download>a JSON schema</a> that editors understand.

"""


def write(folder: Path) -> list[str]:
    """The page, the handouts with their style and script, and the files."""
    (folder / "lessons.md").write_text(page(), encoding="utf-8")
    place = folder / "extra/lessons"
    place.mkdir(parents=True)
    for name in lessons.names():
        (place / f"{name}.yaml").write_text(lessons.text_of(name), encoding="utf-8")
        (place / f"{name}.html").write_text(printed(name), encoding="utf-8")
    (place / "schema.json").write_text(json.dumps(lessons.schema(), indent=1), encoding="utf-8")
    for kind in ("css", "js"):
        address = classroom_assets.address("handout", kind)
        found = classroom_assets.asset(Path(address).name)
        assert found is not None
        (place / address).parent.mkdir(parents=True, exist_ok=True)
        (place / address).write_text(found[1], encoding="utf-8")
    shutil.copy(preview.ICON, place / "favicon.ico")
    return ["lessons", "notebooks/teaching", *chapters.write_some(folder, chapters.TEACH)]


def page() -> str:
    """The page in Markdown."""
    listed = "\n\n".join(_lesson(name, lessons.read(lessons.text_of(name))) for name in lessons.names())
    return _TOP + listed + "\n"


def printed(name: str) -> str:
    """A lesson's handout as a page beside ``lessons.html``."""
    read = lessons.read(lessons.text_of(name))
    return handout_markup.handout(read, "", ("../lessons.html", "Back to the lessons"))


def _lesson(name: str, lesson: Lesson) -> str:
    title = html.escape(lesson.title)
    scenes = "\n".join(f"{k}. {_scene(scene)}" for k, scene in enumerate(lesson.scenes, 1))
    files = f'<a href="lessons/{name}.html">Handout: {title}</a>, to print; <a href="lessons/{name}.yaml" download>'
    return (
        f"## {plain(lesson.title)}\n\n{plain(lesson.about)} {lesson.minutes} minutes.\n\n{scenes}\n\n"
        f"{files}the lesson's file</a>, to change."
    )


def _scene(scene: Scene) -> str:
    link, why_not = scene.seen.text(), pocket.why_not(scene.seen)
    stop = "" if scene.title.endswith(("?", "!", ".")) else "."
    asked = "" if scene.ask is None else f" {plain(scene.ask.prompt)}"
    rounds = f", {scene.rounds} rounds" if scene.rounds else ""
    way = (
        f"it needs the app: {why_not[0].lower()}{why_not[1:-1]}" if why_not else pocket.way(link, "Pocket lab") + rounds
    )
    return f"**{plain(scene.title)}{stop}**{asked} ({way})"
