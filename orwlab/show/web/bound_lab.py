"""The Bound lab: the ladder of bounds on W2^2 while a run goes on, and where in space and time each rung is lost."""

from typing import Any

from orwlab import checks
from orwlab.show.lab import ladders, messages
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.web import bounds_markup, controls
from orwlab.show.web.errands import Errands, of_the_app
from orwlab.show.web.lab_page import LabPage

_EXPLANATION = r"""
The method holds the model's velocity to the reference's by the penalty
$\alpha \int_0^1 \mathbb{E}\,|v_\theta - v_{\text{ref}}|^2\, dt$. The paper says why that holds their *distributions*
together as well. Its Theorem 3 bounds the squared Wasserstein-2 distance,

$$
W_2^2(p_\theta, p_{\text{ref}}) \;\le\; e^{2L} \int_0^1 \mathbb{E}\,|dv_s|^2\, ds,
\qquad dv_s = v_\theta(s, x_s) - v_{\text{ref}}(s, x_s),
$$

with $L$ the Lipschitz constant of $v_{\text{ref}}$. Here you see what is lost on the way from $W_2^2$ to that bound.
Start both flows from the same noise. At time 1 the particles are $x_1$ and $y_1$, and what the difference of velocities
at time $s$ has become by then is $\Phi(1, s)\, dv_s$, with $\Phi$ the Jacobian of the reference's flow:

$$
\begin{aligned}
W_2^2 \;&\le\; \underbrace{\mathbb{E}\,|x_1 - y_1|^2}_{\text{coupled cost}}
\;=\; \mathbb{E}\,\Big|\int \Phi(1, s)\, dv_s\, ds\Big|^2
\;\le\; \underbrace{\mathbb{E}\Big(\int |\Phi(1, s)|\,|dv_s|\, ds\Big)^2}_{\text{flow map}} \\
&\le\; \underbrace{\Big(\int e^{\int_s^1 \mu}\, \sqrt{\mathbb{E}\,|dv_s|^2}\, ds\Big)^2}_{\text{one-sided}}
\;\le\; \Big(\int e^{\int_s^1 L}\, \sqrt{\mathbb{E}\,|dv_s|^2}\, ds\Big)^2 \\
&\le\; \int e^{2\int_s^1 L}\, \mathbb{E}\,|dv_s|^2\, ds \;\le\; e^{2L} \int \mathbb{E}\,|dv_s|^2\, ds .
\end{aligned}
$$

**Proved.** Each rung is at most the next (secant and flow map are not ordered between themselves), if $\mu(t)$ and
$L(t)$ are suprema over all $x$. **Certified** rungs need no supremum: only the error of chance and of the solver stands
between them and a proof. The other bounds are **estimated**: they take $\mu$ and $L$ from sampled points, which makes
both too small.

**Measured.** For eight Gaussians at α = 1 the certified rungs lie within a factor of three of $W_2^2$. The step to
suprema over all space costs some ten powers of ten, and one $L$ for all times another twenty or so. These numbers
jump from one α to the next, by ten powers of ten for Theorem 3: which steep places a sample finds is chance, and twice
the steepest slope stands in the exponent. The penalty itself
moves with $W_2^2$, which is 4 (α = 0.3) to 16 (α = 10) times as large; we have no proof that it must. So the penalty
does hold the distribution; it is the constant in front of it that says nothing. (It is taken along the policy's own
trajectories here, as Theorem 3 has it. The Live lab's is the one that is trained with, at mixtures $x_t$ of fresh noise
and samples: another number, of the same size.)

**The distance itself.** "From samples" is the best pairing of 256 samples with 256 of the reference. The dashed line is
$W_2^2$ between the exact limit, computed on a grid without any network, and the reference, by optimal transport between
the cells; it is right to 4 %.
"""


class Bounds:
    """Answers ``{"what": "ladder", "target", "reward", "weighting", "tau", "from"}``, asked by ``bounds.js`` again and
    again: the ladders of exact limits over alpha, ``{"pieces", "done", "of"}``; the pieces after the first ``from``.

    Args:
        errands: where it is worked out.

    Raises:
        ValueError: a sentence about what was asked; anybody can ask anything.
    """

    def __init__(self, errands: Errands | None = None) -> None:
        self.errands = errands or of_the_app()

    async def answer(self, question: Any) -> dict[str, Any]:
        """One question of a browser."""
        _, asked = messages.question(question, ("ladder",))
        since = checks.integer("from", asked.get("from", 0), low=0)
        place = tuple(BY_NAME[name].check(asked.get(name)) for name in ("target", "reward", "weighting", "tau"))
        return self.errands.look(ladders.over_alpha, *place, since=since) | {"of": len(ladders.ALPHAS)}


PAGE = LabPage(
    path="bounds",
    name="Bound lab",
    lead="How far has fine-tuning carried the model from its reference? Eight answers, from the distance itself to the "
    "paper's bound. Press <b>Play</b>, then a rung of the ladder: below it you see where it is lost.",
    moves=(
        controls.attempt(
            "Where the bound is lost: α = 1",
            "The first four rungs lie close together. Then a supremum over all space comes in, and the bound grows by "
            "some ten powers of ten. Press the rungs one after the other.",
            {"alpha": 1},
        ),
        controls.attempt(
            "Near the reference: α = 10",
            "Little has changed: W₂² is small, and so is the penalty. The constant in front of it stays as vast: "
            "it belongs to the reference and not to α, though its estimate jumps.",
            {"alpha": 10},
        ),
        controls.attempt(
            "Let go: α = 0",
            "Nothing holds the model. W₂², the coupled cost and the penalty rise together: see “over training”. On the "
            "scale of the paper's bound that is next to nothing.",
            {"alpha": 0, "tau": 2},
        ),
        controls.attempt(
            "Two α side by side",
            "Choose a lane above the ladder. From α = 3 to α = 0.3 the tight rungs grow, and the penalty grows with "
            "them.",
            {"alpha": 0.3, "others": [3]},
        ),
    ),
    explanation=_EXPLANATION,
    instrument=bounds_markup.markup(),
    scripts=("bounds.js",),
    styles=("bounds.css",),
    ladder=True,
    answer=Bounds().answer,
)
