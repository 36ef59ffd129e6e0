"""How many particles and rounds fit between two frames, from what they have cost."""

LEVELS = (1.0, 0.5, 0.25, 0.125)  # of the particles
LEAST = 200  # particles
LATER = 10  # frames between changes of level
EAGER = 4  # frames at the beginning that may change it each time


class Load:
    """Measured costs, and the number of particles to draw.

    Args:
        particles: all there are.
    """

    def __init__(self, particles: int) -> None:
        self.all = particles
        self.shown = particles
        self.round = self.push = 0.0  # seconds, running averages; push: of the particles that are drawn now
        self._frames = 0

    def note_round(self, seconds: float) -> None:
        """One round of all lanes took this long."""
        self.round += (0.2 if self.round else 1.0) * (seconds - self.round)

    def note_push(self, seconds: float) -> None:
        """Drawing and measuring the particles of all lanes took this long."""
        self.push += (0.2 if self.push else 1.0) * (seconds - self.push)

    @property
    def cost(self) -> float:
        """Seconds that one more round and a frame take."""
        return self.round + self.push

    def adapt(self, budget: float) -> int:
        """How many particles to draw so that a round and a frame take ``budget`` seconds; 0: all of them."""
        self._frames += 1
        if budget <= 0:
            self._take(self.all)
        elif self.push and (self._frames < EAGER or self._frames % LATER == 0):
            wanted = next((n for n in self._counts() if self._cost(n) <= budget), self._counts()[-1])
            # more only with room to spare, lest the number flutters
            if wanted < self.shown or self._cost(wanted) <= 0.75 * budget:
                self._take(wanted)
        return self.shown

    def _take(self, n: int) -> None:
        self.push *= n / self.shown
        self.shown = n

    def _counts(self) -> list[int]:
        return [max(min(LEAST, self.all), round(self.all * level)) for level in LEVELS]

    def _cost(self, n: int) -> float:
        return self.round + self.push * n / self.shown
