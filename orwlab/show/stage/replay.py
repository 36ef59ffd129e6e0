"""A replay: a run's pictures and the stage in one HTML file that needs no network, no server and no Python."""

import html
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orwlab import checks
from orwlab.show.stage import javascript, stylesheet

_FOLDER = Path(__file__).parent
PLACE = "/* the pictures */ null"
"""where a host that packs its own pictures puts their JSON, see ``Recorder.pack`` in ``replay.js``"""

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><link rel="icon" href="data:,"><style>{style}</style></head>
<body><main><h1>{title}</h1><p class="note">{note}</p>
<div class="orw-stage"></div><div class="player"></div>
<p class="foot">Space plays the rounds, F the flow from noise to data. The keys , and . step through the rounds, with
Shift through flow time. The stage zooms as in the lab. Made with orwlab.</p>
</main>
<script type="application/json" id="pictures">{pictures}</script>
<script>{script}
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const recorder = Recorder.unpack(pictures);
let player = null;
const stage = createStage(document.querySelector(".orw-stage"), {{
  command: (name) => {{ ({{ toggle: player.button, flow: player.flowButton }})[name]?.click(); }},
}});
stage.configure({{ revealed: {revealed} }});
player = new Player(document.querySelector(".player"), stage, recorder);
player.show(0);
document.addEventListener("keydown", (event) => {{
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const button = {{ " ": player.button, f: player.flowButton }}[event.key.toLowerCase()];
  if (!player.key(event) && (!button || (event.key === " " && event.target.closest("button")))) return;
  event.preventDefault();
  button?.click();
}});
</script></body></html>
"""


def page(
    values: Iterable[tuple[int, Mapping[str, str]]], title: str = "A replay", note: str = "", revealed: bool = False
) -> str:
    """The HTML file of some pictures.

    Args:
        values: (round, picture) pairs, rounds growing; a picture is a value of ``Session.frame``.
        title: what stands above it.
        note: a sentence below the title.
        revealed: whether the true reward is shown, where there is one. The file holds its numbers all the same.

    Raises:
        ValueError: no pictures, one without a frame, or rounds that do not grow.
    """
    pairs = [(checks.integer("round", at, low=0), value) for at, value in values]
    if not pairs or not all(isinstance(value, Mapping) and value.get("frame") for _, value in pairs):
        raise checks.fail("values", pairs, "at least one (round, value of Session.frame)")
    if any(b <= a for (a, _), (b, _) in itertools.pairwise(pairs)):
        raise checks.fail("values", [at for at, _ in pairs], "rounds that grow")
    return shell(title, note, revealed).replace(PLACE, _json(_packed(pairs)))


def shell(title: str = "A replay", note: str = "", revealed: bool = False) -> str:
    """The same without pictures: ``PLACE`` stands for them."""
    style = stylesheet() + (_FOLDER / "replay.css").read_text(encoding="utf-8")
    return _PAGE.format(
        title=html.escape(title),
        note=html.escape(note),
        style=style,
        pictures=PLACE,
        script=javascript(),
        revealed=json.dumps(revealed),
    )


def _packed(pairs: Sequence[tuple[int, Mapping[str, str]]]) -> dict[str, Any]:
    texts: dict[str, int] = {}
    entries = [
        [at, *(texts.setdefault(value.get(part, ""), len(texts)) for part in ("scene", "exact", "frame", "flow"))]
        for at, value in pairs
    ]
    return {"texts": list(texts), "entries": entries}


def _json(pictures: Mapping[str, Any]) -> str:
    return json.dumps(pictures).replace("<", "\\u003c")  # nothing in it can end the script
