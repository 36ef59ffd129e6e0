"""Words and boxes for one's own data and rewards. ``own.js`` and ``paint.js`` bring them to life."""

import html

from orwlab.show.lab import digits, formula, painting
from orwlab.show.web import controls

EXAMPLES = ("exp(-x^2) * sin(3*y)", "-abs(r - 2)", "step(x)")

_SIZES = ("small", "medium", "large", "very large")
_STRENGTHS = ("full strength", "half strength", "faint")
_SYMMETRIES = {
    "none": "no symmetry",
    "left_right": "left = right",
    "up_down": "up = down",
    "both": "left = right, up = down",
    "quarters": "four quarters",
    "eighths": "eight parts",
}


def panels() -> str:
    """The panels: hidden, until one is put below the control it belongs to."""
    return _paint() + _points() + _formula() + _digits()


def fitting() -> str:
    """What is said on the stage while a network learns somebody's data."""
    cancel = controls.button("Cancel", "Back to the data before")
    return f"""<div class="own-fitting" hidden><p><span class="own-share"></span>
<span class="own-meanwhile">Meanwhile you see the exact answer.</span></p>{cancel}</div>"""


def _paint() -> str:
    tools = _segments("Tool", "tool", {"paint": "Paint", "eraser": "Eraser"}, 0)
    sizes = _segments(
        "Size",
        "size",
        {
            str(k): f'<i class="own-dot" style="--dot:{6 + 5 * k}px"></i><b class="own-unseen">{word}</b>'
            for k, word in enumerate(_SIZES)
        },
        1,
    )
    strengths = _list("Strength", "strength", {str(k): word for k, word in enumerate(_STRENGTHS)})
    assert len(painting.SIZES) == len(_SIZES)
    assert len(painting.STRENGTHS) == len(_STRENGTHS)
    assert [*painting.SYMMETRIES] == [*_SYMMETRIES]
    buttons = (
        controls.button("Undo", "The last stroke (Ctrl + Z)", paint="undo", state="disabled"),
        controls.button("Redo", "The stroke again (Ctrl + Y)", paint="redo", state="disabled"),
        controls.button("Clear", "All strokes; undo brings them back", paint="clear", state="disabled"),
        controls.button("Done", "The painting stays (Esc)", kind="primary", close="paint"),
    )
    return f"""<section class="own" id="own-paint" aria-labelledby="own-paint-title" hidden>
<h2 id="own-paint-title">Paint</h2><p class="own-tell" role="status"></p>
<div class="own-tools">{tools}{sizes}{strengths}{_list("Symmetry", "symmetry", _SYMMETRIES)}</div>
<div class="own-buttons">{"".join(buttons)}</div>
<p class="help own-keys" id="own-paint-keys">By keyboard: Shift + Tab to the picture; there arrows move the
brush, with Shift far, space stamps, + and − change its size.</p></section>"""


def _points() -> str:
    return f"""<section class="own" id="own-points" aria-labelledby="own-points-title" hidden>
<h2 id="own-points-title">Your own points</h2>
<p class="help" id="own-points-help">Paste a table with two columns of numbers, one point a line, or choose a CSV file,
or drop one on the page. The points are sent to this app's server and are not kept there.</p>
<textarea rows="5" spellcheck="false" autocomplete="off" aria-label="The table" aria-describedby="own-points-help"
placeholder="x, y&#10;0.5, 1.2&#10;−1, 0.3"></textarea>
<label class="own-file">Or a file <input type="file" accept=".csv,.tsv,.txt,.dat,text/csv,text/plain"></label>
<p class="own-problem" role="alert"></p>
<div class="own-found"><ul class="own-report" role="status"></ul>
<canvas width="220" height="220" role="img" aria-label="The points as the lab has them" hidden></canvas></div>
<div class="own-buttons"><button type="button" data-use disabled><span class="word">Use them</span></button>
{controls.button("Close", "Close (Esc)", close="points")}</div></section>"""


def _formula() -> str:
    examples = "".join(controls.button(html.escape(text), "Try it", example=text) for text in EXAMPLES)
    functions = ", ".join(formula.FUNCTIONS)
    return f"""<section class="own" id="own-formula" aria-labelledby="own-formula-title" hidden>
<h2 id="own-formula-title">A reward as a formula</h2>
<label class="own-box" for="own-formula-box">r(x, y) =</label>
<input id="own-formula-box" type="text" maxlength="{formula.LONGEST}" spellcheck="false" autocomplete="off"
autocapitalize="off" aria-describedby="own-formula-wrong own-formula-help">
<pre class="own-place" aria-hidden="true"></pre><p class="own-problem own-wrong" id="own-formula-wrong"></p>
<p class="help" id="own-formula-help">With x, y, r (how far from the middle), angle, pi, e, numbers, + − * / ^ and
{functions}.</p>
<div class="own-buttons own-examples" role="group" aria-label="Examples">{examples}</div>
<div class="own-buttons">{controls.button("Done", "The formula stays (Esc)", kind="primary", close="formula")}</div>
</section>"""


def _digits() -> str:
    return f"""<section class="own" id="own-digits" aria-labelledby="own-digits-title" hidden>
<h2 id="own-digits-title">Wanted digits</h2>
<fieldset aria-describedby="own-digits-help own-digits-wrong"><legend class="own-unseen">Wanted digits</legend>
{controls.chips(digits.TEN)}</fieldset>
<p class="own-problem own-wrong" id="own-digits-wrong" role="alert"></p>
<p class="help" id="own-digits-help">A place pays the probability that its picture shows one of these.</p>
<div class="own-buttons">{controls.button("Done", "The digits stay (Esc)", kind="primary", close="digits")}</div>
</section>"""


def _segments(label: str, name: str, options: dict[str, str], chosen: int) -> str:
    """Words or signs side by side, one of them chosen."""
    entries = "".join(
        f'<label><input type="radio" name="own-{name}" value="{value}" data-brush="{name}"'
        f"{' checked' if k == chosen else ''}><span>{words}</span></label>"
        for k, (value, words) in enumerate(options.items())
    )
    named = f'<legend class="own-unseen">{label}</legend>'
    return f'<fieldset class="own-row">{named}<div class="options">{entries}</div></fieldset>'


def _list(label: str, name: str, options: dict[str, str]) -> str:
    entries = "".join(f'<option value="{value}">{words}</option>' for value, words in options.items())
    return f'<select data-brush="{name}" aria-label="{label}">{entries}</select>'
