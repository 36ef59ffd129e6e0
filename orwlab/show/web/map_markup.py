"""What stands on the Trade-off map beside its stage. ``map.js`` brings it to life."""

import html
import json
from collections.abc import Iterable, Sequence

from orwlab.show.web import controls

QUANTITIES = {
    "reward": ("Reward", "mean reward", "mean reward E r"),
    "diversity": ("Diversity", "diversity", "diversity E|x − x′|, in units of the plane"),
    "kl": ("KL", "KL", "KL to the reference, in nats"),
    "w2": ("W₂²", "W₂²", "W₂² to the reference, in squared units of the plane"),
}
"""name -> the word on its button, what it is called in a sentence, and what it is with its unit"""
_COSTS = ("diversity", "kl", "w2")


def markup(alphas: Sequence[float], taus: Sequence[float]) -> str:
    """The map, the curve beside it, a goal, and networks."""
    words = {name: {"short": short, "long": long} for name, (_, short, long) in QUANTITIES.items()}
    learn = controls.button(
        "Make it learn this", "A network begins at the reference and learns this cell", learn="cell"
    )
    return f"""<div class="map" data-words="{html.escape(json.dumps(words, ensure_ascii=False))}">
<div class="map-side">
  <div class="map-head"><h2 id="map-title">Map</h2>{_radios("The map shows", "shows", QUANTITIES, "reward")}</div>
  {_board(alphas, taus)}
  <div class="map-scale"><div class="map-bar" aria-hidden="true"></div><p class="map-unit"></p></div>
  <p class="map-state" role="status"></p>
  <div class="map-cell"><p class="map-line"></p>{learn}</div>
</div>
<div class="map-side">
  <div class="map-head"><h2 id="curve-title">Curve</h2>{_radios("Reward against", "against", _COSTS, "diversity")}</div>
  <div class="map-curve"><svg role="img" aria-labelledby="curve-title" aria-describedby="curve-said"></svg></div>
  <p id="curve-said" class="map-key"></p>
  <div>{_goal()}{_networks()}{_table()}</div>
</div></div>"""


def _board(alphas: Sequence[float], taus: Sequence[float]) -> str:
    """Cells with tau upwards and alpha to the right; the columns' names are the last row."""
    cells = {tau: "".join(_cell(alpha, tau) for alpha in alphas) for tau in sorted(taus, reverse=True)}
    rows = "".join(
        f'<div role="row"><span role="rowheader">{_unseen("τ = ")}{tau:g}</span>{row}</div>'
        for tau, row in cells.items()
    )
    names = "".join(f'<span role="columnheader">{_unseen("α = ")}{alpha:g}</span>' for alpha in alphas)
    feet = f'<div role="row" class="map-feet"><span role="columnheader">{_unseen("τ and α")}</span>{names}</div>'
    return f"""<div class="map-board"><p class="map-tau" aria-hidden="true">τ ↑</p>
<div class="map-grid" role="grid" aria-labelledby="map-title" aria-describedby="map-keys"
  style="--columns: {len(alphas)}">{rows}{feet}</div>
<svg class="map-over" aria-hidden="true"></svg>
<p class="map-alpha" aria-hidden="true">α: how tightly it is held to the reference →</p>
<p class="own-unseen" id="map-keys">Arrow keys go from cell to cell, Enter takes the stage there.</p></div>"""


def _cell(alpha: float, tau: float) -> str:
    return f'<div role="gridcell" tabindex="-1" data-alpha="{alpha:g}" data-tau="{tau:g}"></div>'


def _goal() -> str:
    options = "".join(f'<option value="{name}">{short}</option>' for name, (_, short, _) in QUANTITIES.items())
    box = (
        '<input class="typed" type="text" inputmode="decimal" autocomplete="off" value="0.6" aria-label="Goal" '
        'data-goal="value">'
    )
    find = '<button type="submit" title="Look for the α whose exact limit has it">Find α</button>'
    form = f"""<form class="map-goal" novalidate>
<div class="map-row"><select data-goal="quantity" aria-label="Quantity">{options}</select>
<label>of {box}</label><span>at τ = <b class="map-now">1</b></span>{find}</div>
<p class="map-found" role="status"></p>{controls.button("Show it", "The stage goes there", goal="show")}</form>"""
    return controls.group("Which α reaches …?", form, unfolded=True)


def _networks() -> str:
    button = controls.button
    buttons = (
        button("Train at the marked cell", "Two networks, 200 rounds each", train="cell"),
        button("Train along this τ", "Two networks for every α, 200 rounds each", train="row"),
        button("Cancel", "No more networks", train="stop"),
    )
    row = f'<div class="map-row">{"".join(buttons)}</div><p class="map-progress" role="status"></p>'
    return controls.group("Networks beside the exact answer", row)


def _table() -> str:
    button = controls.button
    buttons = (
        button("Points (CSV)", "All points of networks on the curve, as a file", points="save"),
        button("Remove the points", "From this map", points="clear"),
    )
    about = (
        "Points of networks trained elsewhere. The first line has the names alpha, tau and reward, and perhaps seed, "
        "diversity and w2. Drop a file here, choose one, or paste."
    )
    return controls.group(
        "Points as a table",
        f"""<p class="help">{about}</p>
<label class="own-file">A file <input type="file" accept=".csv,.tsv,.txt,text/csv"></label>
<label class="own-box">or paste <textarea rows="3" spellcheck="false"
placeholder="alpha,tau,seed,reward,diversity,w2"></textarea></label>
<div class="map-row">{"".join(buttons)}</div><p class="map-report" role="status"></p>""",
    )


def _radios(legend: str, name: str, options: Iterable[str], chosen: str) -> str:
    words = {option: QUANTITIES[option][0] for option in options}
    entries = controls.segments(f"map-{name}", chosen, words)
    return f'<fieldset><legend class="own-unseen">{legend}</legend>{entries}</fieldset>'


def _unseen(words: str) -> str:
    return f'<span class="own-unseen">{words}</span>'
