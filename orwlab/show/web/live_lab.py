"""The Live lab: steer a fine-tuning run while it happens."""

from orwlab.show.web import controls
from orwlab.show.web.lab_page import LabPage

_EXPLANATION = r"""
A flow model has learned the grey contours: it turns noise into samples of them. Now it is being **fine-tuned**. In
every round it draws samples $x_1$, each is weighted by how much the reward likes it, $w(x_1) = e^{\tau\, r(x_1)}$,
and the model takes one gradient step to imitate its own weighted samples:

$$
\begin{aligned}
\mathcal{L}(\theta) = \mathbb{E}\Big[\;
& \underbrace{w(x_1)\,\big\|v_\theta(t, x_t) - u_t\big\|^2}_{\text{do more of what pays}} \\
+\;& \alpha\, \underbrace{\big\|v_\theta(t, x_t) - v_{\text{ref}}(t, x_t)\big\|^2}_{\text{stay close to the reference}}
\;\Big]
\end{aligned}
$$

**Why it collapses.** The next round draws from the model that has just been pulled towards the reward. Weights are
multiplied on weights: without the second term, and if every round learned its weighted samples perfectly, the samples
after $N$ rounds would have density $\propto w(x_1)^N\, q_0(x_1)$, and all of it ends where the reward is best.

**What α does.** The second term holds the model's velocity $v_\theta$ to the reference's, and with it the distance
between their distributions. A large α gives the reference again; τ says how strongly the weights prefer good samples.

**α as a price.** Whoever knows how far the model may go, rather than what α means, sets a budget: the first term as
small as can be such that $\mathbb{E}\|v_\theta - v_{\text{ref}}\|^2 \le$ budget. α is the multiplier of that
constraint. *Set α* (in *Training*) lets it find itself: it rises while more is spent than the budget, and falls while
less is.

**A true reward.** What is paid for is often only a proxy of what is wanted. *True reward* (in *View*) is read off every
model and trains none; it is shown once somebody reveals it.

**The exact answer.** The dashed lines, and beside a network the orange-red contours, are where a perfect network would
settle. *Exact* shows how it would get there: the density of each round in orange over the ground, with samples of it.
All of that is computed on a grid, without any network. There a control that is moved while all is paused is followed to
its end: the rounds go on by themselves until they come to rest, 300 at most, and the picture says *settling*.
"""

PAGE = LabPage(
    path="",
    name="Live lab",
    lead="A flow model has learned these data. Press <b>Play</b>: it is trained on its own samples, and violet ground "
    "pays more. Watch the dots move there and the <b>diversity</b> fall. Then drag <b>α</b>.",
    moves=(
        controls.attempt(
            "Let go: α = 0",
            "Nothing holds the samples now. The model imitates its own best samples, round after round: the reward "
            "rises, the variety goes, and everything ends in one place, even outside the data.",
            {"alpha": 0, "tau": 2},
        ),
        controls.attempt(
            "Hold on: α = 1",
            "Held to the reference, the same training comes to rest: near the dashed line, where a perfect network "
            "would.",
            {"alpha": 1},
        ),
        controls.attempt(
            "The exact answer",
            "The contours show the distribution that a perfect network would end in. No network was needed to compute "
            "it. Drag α and watch both.",
            {"alpha": 1, "mode": "both"},
            free=("alpha", "tau"),
        ),
        controls.attempt(
            "Four α side by side",
            "The same seed and the same noise; only α differs. Small α: high reward, little variety. Large α: the "
            "reference again.",
            {"alpha": 0, "others": [0.3, 1, 3]},
        ),
    ),
    explanation=_EXPLANATION,
)
"""Each move is a whole state: what it does not name has its default, whatever was there before."""
