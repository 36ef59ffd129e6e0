"""How often somebody may do something: a bucket of tokens for everybody, which fills again with time."""

import time
from collections import OrderedDict
from collections.abc import Callable

from orwlab import checks

KEPT = 10_000  # buckets; who has not been heard of for longest begins with a full one again


class Throttle:
    """One kind of thing.

    Args:
        burst: how many times at once.
        rate: and then so many a second.
        clock: seconds.
    """

    def __init__(self, burst: float, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst = checks.number("burst", burst, low=1)
        self.rate = checks.number("rate", rate, above=0)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # who -> tokens, and when

    def allows(self, who: str, spend: bool = True) -> bool:
        """Whether ``who`` may do it now; if so, and if it is to be counted, it is."""
        now = self._clock()
        tokens, at = self._left.pop(who, (self.burst, now))
        tokens = min(self.burst, tokens + self.rate * (now - at))
        allowed = tokens >= 1
        self._left[who] = (tokens - (allowed and spend), now)
        while len(self._left) > KEPT:
            self._left.popitem(last=False)
        return allowed
