"""The gallery: every scene with its picture and its words, and the link that opens it in the Pocket lab."""

import html
import shutil
from pathlib import Path

from orwlab.show.lab import gallery
from orwlab.show.lab.gallery import Scene
from orwlab.show.web.keep_markup import PICTURES
from pages import pocket
from pages.words import plain

NEED_THE_APP = {"vacuous": "The paper's bound is read off a network."}
"""scenes whose point cannot be seen without networks, beside those that cannot be opened without, and why"""

_TOP = """# Scenes worth seeing

Each scene is a run, up to where its picture was taken. Press a picture: the [Pocket lab](#the-pocket-lab) opens and
repeats the run in your browser, and you go on from there. Drag α, undo the last change, look back.

"""
_FOOT = f"""
## The Pocket lab

It is one file that computes in your browser: no server, no internet, nothing sent anywhere. Most of the pictures were
taken with larger neural networks than the small one that can learn in a page. What the Pocket lab shows of every run is
where perfect ones would be, as a density with contours, and so it differs a little from the picture. A link of a scene
means the same in the [app](two_commands.md), with its networks: put what stands behind its `#` behind the app's
address.

<a href="{pocket.LAB}">Open the Pocket lab at rest</a>
"""


def write(folder: Path) -> list[str]:
    """The page and its pictures."""
    shutil.copytree(PICTURES, folder / "_static/gallery")
    (folder / "gallery.md").write_text(page(), encoding="utf-8")
    return ["gallery"]


def page() -> str:
    """The page in Markdown."""
    return _TOP + "\n\n".join(_scene(scene) for scene in gallery.SCENES) + "\n" + _FOOT


def _scene(scene: Scene) -> str:
    link, title = scene.link.text(), html.escape(scene.title)
    why_not = NEED_THE_APP.get(scene.name) or pocket.why_not(scene.link)
    says = f"The stage at the end of the scene: {title}" if why_not else f"Open the scene: {title}"
    shown = f'<img class="scene" src="_static/gallery/{scene.name}.webp" width="240" height="240" alt="{says}">'
    if why_not:
        way = f"{why_not} {pocket.elsewhere(link)}"
    else:
        shown, way = pocket.way(link, shown), pocket.way(link, "Open it in the Pocket lab")
    return f"## {plain(scene.title)}\n\n{shown}\n\n{plain(scene.caption)}\n\n{way}"
