"""The Trade-off map: exact limits over alpha and tau, which alpha reaches a goal, and networks beside them."""

import asyncio
from typing import Any

from orwlab import checks
from orwlab.show.lab import messages, point_table, tradeoffs
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.web import controls, map_markup
from orwlab.show.web.errands import Errands, of_the_app
from orwlab.show.web.lab_page import LabPage

MOST_NETWORKS = len(tradeoffs.ALPHAS)  # alphas in one order

_EXPLANATION = r"""
Fine-tuning pulls two ways: towards **reward**, and back to the **reference**. With $w(x) = e^{\tau\, r(x)}$, $\tau$
says how strongly good samples are preferred, and $\alpha$ how tightly the model's velocity is held to the
reference's. For a pair $(\alpha, \tau)$ the exact rounds of a perfect network, wherever they come to rest, have a limit
$p_{\alpha,\tau}$. The map shows four of its numbers:

- **Mean reward** $\mathbb{E}\, r(x)$.
- **Diversity** $\mathbb{E}\,|x - x'|$: how far two independent draws are apart.
- **KL** $\int p \log (p / p_{\text{ref}})$, in nats: how much more its samples surprise the reference than $p$.
- **W₂²** $= \min \mathbb{E}\,|x - y|^2$: how far the mass has moved from the reference, in squared units of the plane.

**How it is computed.** On a grid of 96 × 96 cells, without any network; each search starts where its neighbour's
ended. W₂² is read off 256 evenly spread points, as it is for networks. Hatched cells are not to be trusted: the limit
is finer than the grid, the search has not come to rest, or there is no limit.

**By keyboard.** Tab leads to the map, arrow keys from cell to cell, Enter takes the stage there. The ring is where the
stage is now.

**What is proved, and what is measured.** A large $\alpha$ gives the reference back: that is proved of the
velocity that one round learns. That the reward falls and the diversity rises as $\alpha$ grows is what we measure; we
know no theorem that says it for every reward. With weights divided by their mean, $\alpha$ counts beside a mean weight
of 1, so the same cell means another pull.

**The curve.** Beside the map each cell is a point: what it costs against what it earns. Dashed lines join the cells
of one $\tau$. They lie close together (measured: with the first data and reward, to within 0.02 in mean reward): a
strong preference, held tightly, ends near where a weak one does that is held loosely. Networks are blue dots, two seeds
each, after 200 rounds. They scatter around the exact point; where $\alpha$ is small they have not arrived yet. The
blue line is the way of the network on the stage.
"""


class TradeOffs:
    """Answers ``{"what": ...}``, asked by ``map.js``. What takes long is asked again, ``from`` what is there:

    - "map", with ``target``, ``reward`` and ``weighting``: ``{"pieces", "done", "of"}``, cells,
    - "goal", with ``tau``, ``quantity`` and ``goal`` as well: the same, with one cell,
    - "networks", with ``tau`` and ``alphas`` as well: the same, with how far it is, and points,
    - "points", with ``text``, somebody's table: ``{"points", "report"}``.

    Args:
        errands: where it is worked out.

    Raises:
        ValueError: a sentence about what was asked; anybody can ask anything.
    """

    def __init__(self, errands: Errands | None = None) -> None:
        self.errands = errands or of_the_app()

    async def answer(self, question: Any) -> dict[str, Any]:
        """One question of a browser."""
        what, asked = messages.question(question, ("map", "goal", "networks", "points"))
        if what == "points":
            points, report = await asyncio.to_thread(point_table.parse, asked.get("text"))  # a long one takes a while
            return {"points": points, "report": report}
        since = checks.integer("from", asked.get("from", 0), low=0)
        place = tuple(BY_NAME[name].check(asked.get(name)) for name in ("target", "reward", "weighting"))
        if what == "map":
            found = self.errands.look(tradeoffs.cells, *place, since=since)
            return found | {"of": len(tradeoffs.ALPHAS) * len(tradeoffs.TAUS)}
        tau = BY_NAME["tau"].check(asked.get("tau"))
        if what == "goal":
            quantity = checks.choice("quantity", asked.get("quantity"), tradeoffs.MEASURES)
            goal = checks.number("goal", asked.get("goal"), low=-1e9, high=1e9)
            return self.errands.look(tradeoffs.reaching, *place, tau, quantity, goal, since=since)
        given = checks.numbers("alphas", asked.get("alphas"), low=0.0, high=tradeoffs.LARGEST)
        if len(given) > MOST_NETWORKS:
            raise checks.fail("alphas", len(given), f"at most {MOST_NETWORKS} of them")
        return self.errands.look(tradeoffs.networks, *place, tau, given, since=since)


PAGE = LabPage(
    path="map",
    name="Trade-off map",
    lead="Every cell is the exact answer for one α and one τ. Press a cell: the stage goes there. "
    "<b>Make it learn this</b> trains a network, and you see how close it comes.",
    moves=(
        controls.attempt(
            "Held loosely: α = 0.1",
            "At the left edge of the map: much reward, little variety. The network runs along the curve on the right "
            "until it is near the exact point.",
            {"alpha": 0.1, "mode": "both"},
        ),
        controls.attempt(
            "Held tightly: α = 5",
            "Right of the middle: already close to the reference. Little reward is won and nearly no variety is lost.",
            {"alpha": 5, "mode": "both"},
        ),
        controls.attempt(
            "Another way there: α = 5, τ = 4",
            "A much stronger preference, held much more tightly, ends nearly where α = 0.1 with τ = 1 does: "
            "compare the two cells. On this curve α and τ can stand in for each other.",
            {"alpha": 5, "tau": 4, "mode": "both"},
        ),
        controls.attempt(
            "Weights divided by their mean",
            "The same α now holds differently: only its size beside the weights counts, and their mean is 1 here. "
            "The curve stays, its cells move along it.",
            {"alpha": 1, "weighting": "mean_one", "mode": "both"},
        ),
    ),
    explanation=_EXPLANATION,
    instrument=map_markup.markup(tradeoffs.ALPHAS, tradeoffs.TAUS),
    scripts=("map.js",),
    styles=("map.css",),
    begin={"mode": "both"},
    answer=TradeOffs().answer,
)
