"""alpha found while it runs: dual ascent on a budget, the other way round of choosing alpha and looking what comes.

Whoever knows how far the policy may go, rather than what alpha means, asks for

    least E[ w(x1) |v(t, x_t) - u_t|^2 ]    such that    P(v) = E|v(t, x_t) - v_ref(t, x_t)|^2 <= budget.

Its Lagrangian ``fit(v) + alpha (P(v) - budget)`` is the method's loss but for a constant: **alpha is the multiplier of
that constraint**. For a given draw both terms are quadratic in v, and ``v = v_ref`` is strictly inside, so there is no
duality gap. The dual function, ``g(alpha) = min_v fit + alpha (P - budget)``, is concave with the slope
``g'(alpha) = P(v_alpha) - budget`` (the envelope theorem): alpha has to grow while more is spent than the budget.

Proved, for a given draw and the minimiser ``v_alpha = (E[w u_t | x_t] + alpha v_ref) / (E[w | x_t] + alpha)``: it lies
``(E[w u_t | x_t] - E[w | x_t] v_ref) / (E[w | x_t] + alpha)`` from v_ref, so P falls as alpha grows, and at most one
alpha > 0 spends the budget. Where none does, the constraint is slack and alpha goes to its lower end.

Only measured: that it still holds when every round draws from the policy of the last one, and when a network takes a
few gradient steps towards ``v_alpha``; and that ``KL(q | p_ref)``, whose multiplier alpha is not, falls as alpha grows
and so can be steered in the same way.
"""

import math

from orwlab import checks

LOW, HIGH = 0.01, 100.0  # that alpha stays between
RATE = 0.03


class Steering:
    """The alpha that spends a budget: dual ascent in ``log alpha``, one step a round.

        alpha <- alpha exp(2 rate (spent - budget) / (spent + budget)),  kept from ``LOW`` to ``HIGH``.

    The step is that of ``rate log(spent / budget)`` near the budget, and bounded far from it: a run begins with nothing
    spent. In the logarithm a step means the same at any alpha, and alpha stays above 0. All it remembers is ``alpha``::

        steering = Steering(budget=0.5)
        for snapshot in run.rounds(500):
            run.alpha = steering.update(snapshot.penalty)

    Args:
        budget: what may be spent, > 0, in the unit of what is measured.
        alpha: to begin with, >= 0; brought between ``LOW`` and ``HIGH``.
        rate: how far a step goes, > 0. Steps that are long beside what the policy needs to follow swing.

    ``budget`` and ``alpha`` may be set between rounds.

    Raises:
        ValueError: any argument out of range, named.
    """

    def __init__(self, budget: float, alpha: float = 1.0, *, rate: float = RATE) -> None:
        self.budget, self.alpha = budget, alpha
        self.rate = checks.number("rate", rate, above=0.0)

    @property
    def budget(self) -> float:
        """What may be spent."""
        return self._budget

    @budget.setter
    def budget(self, value: float) -> None:
        self._budget = checks.number("budget", value, above=0.0)

    @property
    def alpha(self) -> float:
        """For the next round."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = min(HIGH, max(LOW, checks.number("alpha", value, low=0.0)))

    def update(self, spent: float) -> float:
        """``alpha`` for the next round, after one that has ``spent`` so much, >= 0."""
        spent = checks.number("spent", spent, low=0.0)
        share = spent / self.budget  # both may be large: their sum is not formed
        off = 1.0 if math.isinf(share) else (share - 1) / (share + 1)
        self.alpha = min(HIGH, self.alpha * math.exp(min(2 * self.rate * off, 700.0)))
        return self.alpha
