"""What stands in the Bound lab beside its stage. ``bounds.js`` brings it to life; ``bounds.css`` says what it looks
like.
"""

import html
import json
from typing import NamedTuple

from orwlab.show.lab import ladders
from orwlab.show.web import controls


class Words(NamedTuple):
    """What the page says of a rung."""

    label: str
    formula: str
    assumes: str
    loses: str
    beside: str
    """the rung that its value is compared with"""


_SUPREMUM = "The supremum is looked for at sampled points, so it comes out too small, and the bound may too."

RUNGS = {
    "empirical": Words(
        "W₂² from samples",
        "the least mean of |x − y|² over all ways to pair the samples",
        "Nothing about the flows. It is an estimate from samples, a little too large.",
        "It is the distance itself, as well as samples know it.",
        "",
    ),
    "coupled": Words(
        "coupled cost",
        "E |x₁ − y₁|²",
        "Both flows start from the same noise.",
        "That is one way to pair the samples, and W₂² is the least over all ways.",
        "empirical",
    ),
    "secant": Words(
        "secant",
        "E ( ∫ e^∫m |dv| ds )² with m = ⟨x − y, v_ref(x) − v_ref(y)⟩ / |x − y|²",
        "v_ref is continuous. It is asked how fast it pulls each pair apart, with no supremum.",
        "Differences of velocity that would cancel are added up: their directions are forgotten.",
        "coupled",
    ),
    "flow_map": Words(
        "flow map",
        "E ( ∫ |Φ(1, s)| |dv| ds )² with Φ the Jacobian of the reference's flow from s to 1",
        "v_ref has a derivative. It is taken where each particle is, with no supremum.",
        "What dv becomes is bounded by the stretch of the worst direction, not of its own, and nothing cancels. It "
        "may lie above or below the secant.",
        "coupled",
    ),
    "one_sided": Words(
        "one-sided μ(t)",
        "( ∫ e^∫μ √E|dv|² ds )² with μ(t) the fastest that v_ref pulls any two points apart",
        f"Nowhere does v_ref pull points apart faster than μ(t). {_SUPREMUM}",
        "Everybody is stretched as much as whoever is stretched most. Between the modes the field of the reference is "
        "steep, and only few particles pass there.",
        "flow_map",
    ),
    "minkowski": Words(
        "L(t), one integral",
        "( ∫ e^∫L √E|dv|² ds )² with L(t) the steepest slope of v_ref",
        f"v_ref is L(t)-Lipschitz in x. {_SUPREMUM}",
        "Where v_ref pulls points together, that counts as stretching too.",
        "one_sided",
    ),
    "time_varying": Words(
        "L(t), squares",
        "∫ e^(2∫L) E|dv|² ds",
        f"v_ref is L(t)-Lipschitz in x. {_SUPREMUM}",
        "The integral of the square stands in for the square of the integral (Jensen).",
        "minkowski",
    ),
    "global_lipschitz": Words(
        "Theorem 3: global L",
        "e^(2L) ∫ E|dv|² ds",
        f"v_ref is L-Lipschitz at all times: the theorem of the paper. {_SUPREMUM}",
        "The steepest moment counts as if it lasted from beginning to end.",
        "time_varying",
    ),
}
assert tuple(RUNGS) == ladders.NAMES

FIRST = "global_lipschitz"
_VIEWS = {"now": "now", "training": "over training", "alpha": "over α"}
_SPANS = {"all": "all rungs", "tight": "tight rungs"}
_COLUMNS = ("Rung", "Bound on W₂²", "Kind", "Most of it from")
_SIGN = '<i class="sign" aria-hidden="true"></i>'


def markup() -> str:
    """The ladder, its two charts, and what is told of one rung."""
    about = html.escape(json.dumps({name: words._asdict() for name, words in RUNGS.items()}, ensure_ascii=False))
    rows = "".join(_rung(k, name, words) for k, (name, words) in enumerate(RUNGS.items(), start=1))
    last, head = len(RUNGS) + 1, "".join(f'<th scope="col">{word}</th>' for word in _COLUMNS)
    return f"""<div class="bounds" data-rungs="{about}">
<div class="bounds-head">
  <h2>Bounds on W₂², tight to loose</h2>
  {_segments("Lane", "lane", {"0": "α"}, "0", hidden=True)}
  {_segments("Show the ladder", "view", _VIEWS, "now")}
  {_segments("The axis shows", "span", _SPANS, "all")}
</div>
<p class="bounds-when"></p>
<div class="bounds-board" data-view="now">
  <fieldset class="rungs"><legend class="own-unseen">Rungs: choose one to see where it is lost</legend>
  {rows}
  <p class="rung penalty" style="grid-row:{last}"><span class="name">penalty ∫E|dv|²</span>
  <span class="kind">{_SIGN}no bound</span>
  <span class="track"><i class="dot"></i></span><span class="value">–</span></p>
  <div class="rungs-lines" style="grid-row:1 / span {last}" aria-hidden="true"></div>
  <div class="rungs-axis" style="grid-row:{last + 1}" aria-hidden="true"></div>
  </fieldset>
  <div class="bounds-chart"></div>
</div>
<p class="bounds-legend"><span class="exact-line"></span><span class="exact-word"></span></p>
<section class="rung-told" aria-labelledby="rung-title">
  <h3 id="rung-title"></h3>
  <p class="rung-formula"></p>
  <p class="rung-words"></p>
  <div class="rung-where">
    <figure class="rung-time"><figcaption>Where in time: shares of the bound</figcaption><div></div></figure>
    <figure class="rung-space"><figcaption>Where in space: by where particles end</figcaption>
    <canvas role="img"></canvas>
    <div class="rung-scale" aria-hidden="true"><span>0</span><i></i><span class="most"></span></div></figure>
  </div>
  <p class="rung-half"></p>
</section>
<details class="bounds-table group"><summary>The ladder as a table</summary><div><table>
<thead><tr>{head}</tr></thead><tbody></tbody></table></div></details>
</div>"""


def _rung(place: int, name: str, words: Words) -> str:
    chosen = " checked" if name == FIRST else ""
    return f"""<label class="rung" data-rung="{name}" style="grid-row:{place}">
<input type="radio" name="rung" value="{name}"{chosen}><span class="name">{words.label}</span>
<span class="kind">{_SIGN}<span class="word">–</span></span>
<span class="track"><i class="bar"></i><i class="dot"></i></span><span class="value">–</span></label>"""


def _segments(legend: str, name: str, words: dict[str, str], chosen: str, *, hidden: bool = False) -> str:
    options = controls.segments(f"bounds-{name}", chosen, words)
    unseen = " hidden" if hidden else ""
    return f"""<fieldset class="bounds-pick" data-pick="{name}"{unseen}><legend class="own-unseen">{legend}</legend>
{options}</fieldset>"""
