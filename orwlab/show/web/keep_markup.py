"""Words and boxes for sharing and keeping, and the gallery. ``keep.js`` brings them to life."""

import base64
import functools
import html
from pathlib import Path

from orwlab.show.lab import gallery
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.link import SAY
from orwlab.show.web import controls

PICTURES = Path(__file__).parent / "gallery"
"""where the gallery's pictures are, NAME.webp"""

_KEPT = (
    ("png", "Picture (PNG)", "The stage with all its words, as it is now."),
    ("gif", "Film (GIF)", "All rounds so far."),
    ("replay", "Replay (HTML)", "One file to scrub through, without network and server."),
    ("curves", "Curves (CSV)", "Every curve, round by round."),
    ("samples", "Samples (CSV)", "The particles on show."),
    ("cell", "Notebook cell", "Python that repeats this run and prints its numbers."),
    ("state", "State file", "The link as a file; drop it on the page to open it."),
)
_PARTS = (
    *("alpha", "tau", "mode", "target", "reward", "others", "weighting", "coupling", "steps_per_round", "lr", "seed"),
)


def dialog() -> str:
    """The dialog “Share and keep”."""
    kept = "".join(
        f"<li>{controls.button(word, title, keep=what)}<span>{title}</span></li>" for what, word, title in _KEPT
    )
    parts = "".join(
        f'<label><span>{BY_NAME[name].label}</span><select data-part="{name}"><option value="">free</option>'
        f'<option value="lock">locked</option><option value="hide">hidden</option></select></label>'
        for name in _PARTS
    )
    return f"""<dialog id="lab-keep" aria-labelledby="keep-title"><h2 id="keep-title">Share and keep</h2>
<div class="keep-link"><label for="keep-link">A link to all of this: settings, changes and round.</label>
<div><input id="keep-link" type="text" readonly>{controls.button("Copy link", "Copy the link", keep="link")}</div>
<p class="keep-many" hidden>For many people at once: <a>the same in the Pocket lab</a>, which runs in each browser and
needs no server.</p></div>
<details class="keep-class"><summary>For a class: a text of your own, controls locked or hidden</summary>
<label class="keep-say"><span>Your text, above the stage</span>
<textarea data-part="say" rows="2" maxlength="{SAY}"></textarea></label><div class="keep-parts">{parts}</div></details>
<ul class="keep-list">{kept}</ul>
<p class="keep-status" role="status"></p>
<textarea id="keep-cell" rows="10" readonly hidden aria-label="The notebook's cell"></textarea>
<div class="keep-foot"><label class="keep-open">Open a state file
<input type="file" accept=".json,application/json"></label>
<form method="dialog"><button>Close</button></form></div></dialog>"""


def scenes() -> str:
    """The gallery: cards, each a link."""
    cards = "".join(
        f'<li><a href="#{html.escape(scene.link.text())}">{_picture(scene.name)}<strong>{scene.title}</strong>'
        f"<span>{html.escape(scene.caption)}</span></a></li>"
        for scene in gallery.SCENES
    )
    return f"""<section class="lab-gallery" aria-labelledby="gallery-title">
<h2 id="gallery-title">Scenes worth seeing</h2>
<p>Each is a link: press one, and the lab repeats the run up to where the picture was taken.</p>
<ul>{cards}</ul></section>"""


@functools.cache
def _picture(name: str) -> str:
    file = PICTURES / f"{name}.webp"
    data = base64.b64encode(file.read_bytes()).decode()
    return f'<img src="data:image/webp;base64,{data}" width="240" height="240" alt="" loading="lazy">'
