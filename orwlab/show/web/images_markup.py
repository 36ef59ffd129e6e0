"""What stands on the Images page. ``images.js`` brings it to life."""

from collections.abc import Mapping
from dataclasses import replace

from orwlab.show.lab.controls import Choice
from orwlab.show.lab.image_settings import CONTROLS, ImageSettings
from orwlab.show.web import album_markup, controls
from orwlab.show.web.album_markup import shown

LEAD = (
    "All grids come from the same noise. Press <b>Play</b>, and drag <b>α</b> while it learns. Press an image to see "
    "where it comes from."
)
MOVES = (
    controls.attempt(
        "Let go: α = 0",
        "Nothing holds the images now. Within 60 rounds the reward is above 0.9, and nearly no image is like a real "
        "digit. The classifier is fooled, and for a while the judge with it: watch “Unlike any digit”.",
        {"alpha": 0},
    ),
    controls.attempt(
        "Hold on: α = 0.2",
        "The same training, held to the reference: more of the wanted digits, and all of them digits. Compare an image "
        "with the one in the same place of the reference.",
        {"alpha": 0.2},
        free=("alpha",),
    ),
    controls.attempt(
        "Four α side by side",
        "The same seed and the same noise; only α differs. Each curve has the colour of its images.",
        {"alpha": 0, "others": [0.05, 0.2, 1]},
    ),
    controls.attempt(
        "Only sevens",
        "Sevens alone are paid for. With α = 0.1 images that began as other digits turn into sevens, one by one.",
        {"alpha": 0.1, "wanted": [7]},
    ),
    controls.attempt(
        "Photographs in small files",
        "The reward is minus the size of a JPEG file: it has no gradient, and needs none. A round takes a second or "
        "more. Without α coverage falls with the bytes: soon all is sky, and after 120 rounds all is grain.",
        {"task": "photographs", "alpha": 0},
    ),
)


def markup(path: str, pages: Mapping[str, str]) -> str:
    """See ``album_markup.markup``."""
    more = (
        f"{_task()}{shown('wanted', 'files')}",
        controls.group(CONTROLS["others"].label, shown("others")),
        controls.group("Which α?", _goal()),
        controls.group("Training", shown("seed")),
    )
    return album_markup.markup(path, pages, album_markup.Words(LEAD, MOVES, "", "\n  ".join(more)))


def _task() -> str:
    """Those without words: these have a page of their own."""
    task = CONTROLS["task"]
    assert isinstance(task, Choice)
    offered = {name: words for name, words in task.options.items() if name != "words"}
    return controls.markup(replace(task, options=offered), ImageSettings.task)


def _goal() -> str:
    box = (
        '<input class="typed" type="text" inputmode="decimal" autocomplete="off" value="0.8" aria-label="Goal" '
        'data-goal="value">'
    )
    return f"""<form class="images-goal" novalidate>
<p class="help">No grid can be laid over images, so no exact answer is known. A guess comes from the rewards of the
reference’s own images.</p>
<div class="images-row"><label><span class="images-goal-name">a mean reward of</span> {box}</label>
<button type="submit" title="Which α should come to rest there">Suggest α</button></div>
<p class="images-found" role="status"></p>
{controls.button("Put α there", "The slider goes there", goal="take", kind="images-take", state="hidden")}</form>"""
