"""The Pocket lab's section "On a line": its markup. ``pocket/line_lab.js`` brings it to life."""

from orwlab.show.lab.controls import BY_NAME

_TARGETS = (("two_modes_1d", "Two modes"), ("three_modes_1d", "Three modes"), ("own", "Draw your own"))
_REWARDS = (("plane", "A line"), ("right", "A line with a ceiling"), ("bump", "A peak"), ("box", "A step"))
_WEIGHTINGS = (("exp", "e^(τ r)"), ("mean_one", "of mean one"), ("clipped", "clipped"))


def _choice(name: str, label: str, options: tuple[tuple[str, str], ...]) -> str:
    inside = "".join(f'<option value="{value}">{text}</option>' for value, text in options)
    return f'<label>{label}<select name="{name}">{inside}</select></label>'


def _slider(name: str, label: str, low: float, high: float, step: float, value: float) -> str:
    return (
        f'<label class="line-slider"><span>{label} <b data-of="{name}"></b></span>'
        f'<input type="range" name="{name}" min="{low}" max="{high}" step="{step}" value="{value}"></label>'
    )


def markup() -> str:
    """Folded until somebody opens it: until then nothing of it is worked out."""
    chosen = "".join(
        (
            _slider("alpha", BY_NAME["alpha"].label, -1.3, 1.3, 0.02, 0),  # its logarithm
            _slider("rounds", "Rounds", 0, 40, 1, 2),
            _slider("tau", BY_NAME["tau"].label, 0, 4, 0.05, 1),
            _choice("weighting", "Weights", _WEIGHTINGS),
            _choice("target", "Target", _TARGETS),
            _choice("reward", "Reward", _REWARDS),
        )
    )
    return f"""<details class="explorable line-lab"><summary>On a line: see all of it at once</summary>
<p>In one dimension a density is a curve, and W₂² is exact. <b>Drag α</b>: the dashed limit moves at once.</p>
<div class="frontier-board"><div class="frontier-side"><div class="line-plot"><svg role="img"
 aria-label="It is being worked out."></svg>
<span class="line-handle" role="slider" tabindex="0" aria-label="The reference's curve" aria-orientation="vertical"
 aria-valuemin="0" aria-valuemax="100" aria-valuenow="0" aria-describedby="line-hint" hidden></span></div>
<p class="line-hint" id="line-hint" hidden>Draw the reference's curve with a finger or a mouse. By keyboard: Tab to the
ring on it; ←&nbsp;→ move the ring, ↑&nbsp;↓ raise or lower the curve there, with Shift farther.</p></div>
<div class="frontier-words"><form>{chosen}<button type="button" class="line-play">Play rounds</button></form>
<p class="line-says" role="status"></p>
<div class="line-numbers"><table><thead><tr><th scope="col">density</th><th scope="col">mean reward</th>
<th scope="col">KL, nats</th><th scope="col">W₂²</th></tr></thead><tbody></tbody></table></div>
<p class="line-formula">A round: with weights <i>w</i> = e<sup>τ r</sup>, τ = <b data-number="tau"></b>, and α =
<b data-number="alpha"></b>, the best velocity is
<span>v* = (E[w u<sub>t</sub>] + α v<sub>ref</sub>) / (E[w] + α)</span>, each mean given x<sub>t</sub>. Noise carried
along it becomes <span>q′ = q · (w + α) / (Z + α) · e<sup>−α&nbsp;c</sup></span>,
where Z = E<sub>q</sub> w, and c, what the penalty corrects, vanishes in the first round. The limit is where q′ = q.</p>
<details><summary>What is exact, and what is not</summary>
<p>All densities live on 128 cells. The rounds are those of a perfect network, computed without one. W₂² follows from
the two quantile functions, ∫₀¹ (Q<sub>q</sub>(s) − Q<sub>ref</sub>(s))² ds, which on a line is exact: pairing in order
is best (proved). The tilt has the most reward of all densities with its KL, the W₂ optimum of all with its W₂² (proved,
up to the cells). Where the optimum jumps, it is a mixture of both sides.</p></details>
</div></div></details>"""
