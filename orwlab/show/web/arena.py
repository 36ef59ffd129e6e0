"""The Arena: methods side by side, from the same reference, seed and noise, and what each needs, pays and reaches."""

from orwlab import methods
from orwlab.show.web import arena_markup, controls
from orwlab.show.web.lab_page import LabPage

_EXPLANATION = r"""
Every method here starts from the same pretrained flow and wants more reward. What differs is **where its samples come
from**, **what weighs them**, and **what pulls it back** to the reference. They can be compared because each has one
dial, its *strength*: the inverse temperature that it aims at.

**What they are held to.** With a price on KL, the best law of all is the tilt

$$
p^*(x) \;=\; \frac{p_{\text{ref}}(x)\, e^{b\, r(x)}}{Z}, \qquad b = \text{strength}.
$$

The dashed curve is the reward of such tilts, from $b = 0$ on: **no law has more reward for its KL** (proved).
Against $W_2^2$ it is that of the W2-proximal optima, which move every point $x$ to where $r(y) - \lambda |y - x|^2$ is
largest. A ring is where a method goes, exactly. Some aim at the tilt itself; others, such as ORW-CFM-W2, have a limit
of their own; and those without a ring go on to the best point that they can find, or nobody knows where they go.

**Equal means equal in something.** The same strength is not the same distance: one method may stay close to the
reference and another go far. So compare at equal KL, at equal $W_2^2$, or at equal cost, by choosing what the reward is
drawn against. An evaluation is one point that goes once through a network; a way back counts as two more. Seconds are
those of this computer, for these small networks.

**Achieved strength.** For samples $x$ of a model, $\log p(x)/p_{\text{ref}}(x)$ is drawn against $r(x)$, and a line is
laid through it. Its slope is the inverse temperature that was reached, and $r^2$ says how far the model is a tilt. In
the first rounds a network may move more than its loss asks for, and a way make a loop: Adam's first steps have their
full length however small the gradient is (expected).

---

"""

_CARD = """**{title}.** {idea}

$$
{formula}
$$

*Strength*: {dial}. *Goes to*: {goes_to}. *Needs*: {needs}. *Source*: {source}; read {read}.
"""


def _cards() -> str:
    found = (methods.card(name) for name in methods.names())
    return "\n".join(_CARD.format(**vars(card), needs=card.needs) for card in found)


PAGE = LabPage(
    path="arena",
    name="Arena",
    lead="Four ways to fine-tune one flow with one reward, from the same noise. <b>Predict</b> who has most reward "
    "after a hundred rounds, and who is still spread out. Press <b>Play</b>. Then change what the reward is drawn "
    "<b>against</b>.",
    moves=(
        controls.attempt(
            "Who stops, and who goes on?",
            "Best of K learns its best samples again and again: its reward passes all others, and its variety goes. "
            "The two with a ring are held: ORW-CFM-W2 rests near its own, Flow-GRPO short of it (see notebook 11).",
            {"methods": ["orw_cfm_w2", "raft", "flow_grpo"], "mode": "both"},
            free=("strength",),
        ),
        controls.attempt(
            "One goal, three ways",
            "All three aim at the same tilt, the contours. RW-CFM weighs fixed samples; the others draw their own. Who "
            "is nearest for the same evaluations, reward calls, seconds? (Flow-GRPO stops short: notebook 11.)",
            {"methods": ["rw_cfm", "flow_grpo", "adjoint_matching"], "mode": "both"},
            free=("strength",),
        ),
        controls.attempt(
            "A reward without a slope",
            "In or out: the box pays one or nothing. Those that follow the reward's slope are shut out, and say so; "
            "those that need only its values go on.",
            {"methods": ["orw_cfm_w2", "raft", "draft", "adjoint_matching"], "reward": "box", "mode": "both"},
            free=("strength",),
        ),
        controls.attempt(
            "Held, and let go",
            "The paper's method with the W2 term and without. Strength 2 is α = 0.5 for the first, and τ = 2 for the "
            "second, which nothing holds.",
            {"methods": ["orw_cfm_w2", "orw_cfm"], "mode": "both"},
            free=("strength",),
        ),
    ),
    story="Four races. Each sets every control and says what to watch.",
    explanation=_EXPLANATION + _cards(),
    instrument=arena_markup.markup(),
    lineup=True,
    scripts=("arena.js",),
    styles=("arena.css",),
    begin={"methods": ("orw_cfm_w2", "raft", "flow_grpo", "adjoint_matching"), "mode": "both"},
)
