"""What stands in the Arena beside its stage. ``arena.js`` brings it to life; ``arena.css`` says what it looks like."""

import html
import json

from orwlab import methods
from orwlab.show.web import controls

AGAINST = {
    "kl": "KL",
    "w2": "W₂²",
    "evaluations": "evaluations",
    "rewards": "reward calls",
    "seconds": "seconds",
}
FIRST = "kl"

ROWS = {
    "needs": ("needs", "What the method asks of the reward and of the sampler."),
    "reward": ("mean reward", "Of the model as it is now, on fixed, evenly spread samples."),
    "exact": ("exact answer", "The mean reward of where the method goes, by a formula or the oracle."),
    "look": ("looked at in round", "The four below are of the newest look at the model."),
    "strength": (
        "achieved strength",
        "The slope of log p / p_ref over the reward: the inverse temperature that was reached.",
    ),
    "r2": ("r² of it", "How far the model is a tilt: 1 for an exact one."),
    "kl": ("KL", "To the reference, in nats, from exact densities along the flow."),
    "w2": ("W₂²", "To the reference's samples."),
    "evaluations": ("evaluations a round", "Points that go once through a network; a way back counts as two more."),
    "rewards": ("reward calls a round", "Samples that the reward is asked for."),
    "slopes": ("of these, slopes", "Samples at which the reward's gradient is taken."),
    "seconds": ("ms a round", "As measured here, without drawing and reading."),
}
"""key -> what a row of the table is called, and what it means"""


def markup() -> str:
    """The chart, the table, and the card of one method."""
    cards = {name: methods.card(name) for name in methods.names()}
    about = {
        name: {
            **{key: getattr(card, key) for key in ("short", "title", "idea", "dial", "goes_to", "source", "settles")},
            "needs": [*needs_in_short(card)],
            "gradient": card.gradient,
        }
        for name, card in cards.items()
    }
    data = html.escape(json.dumps(about, ensure_ascii=False))
    rows = "".join(
        f'<tr data-row="{key}"><th scope="row" title="{html.escape(says)}">{word}</th></tr>'
        for key, (word, says) in ROWS.items()
    )
    return f"""<div class="arena" data-cards="{data}">
<div class="arena-head"><h2 id="arena-title">Mean reward against</h2>
<fieldset class="arena-pick"><legend class="own-unseen">What the reward is drawn against</legend>
{controls.segments("arena-against", FIRST, AGAINST)}</fieldset></div>
<p class="arena-when"></p>
<div class="arena-chart"></div>
<div class="arena-table" role="region" aria-label="What each needs, pays and reaches" tabindex="0"><table>
<thead><tr><td></td></tr></thead><tbody>{rows}</tbody></table></div>
<section class="arena-card" aria-live="polite" hidden><h3></h3><p></p><dl></dl></section>
</div>"""


def needs_in_short(card: methods.cards.Card) -> list[str]:
    """What a method needs, in words that fit a narrow column."""
    found = ["its slope" if card.gradient else "values"]
    found += ["noisy steps"] if card.steps else []
    return found + ([] if card.online else ["fixed data"])
