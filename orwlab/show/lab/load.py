"""How many particles and rounds fit between two frames, from what they have cost."""

LEVELS = (1.0, 0.75, 0.5, 0.25, 0.125)  # of the particles
LEAST = 200  # particles
FIXED = 450  # particles that could be pushed in the time that a push takes however few there are
LATER = 10  # frames between changes of plan
EAGER = 4  # frames at the beginning that may change it each time


class Load:
    """Measured costs, and the plan that they allow: the first of these that fits.

    1. Every frame a round, then all particles are pushed.
    2. Every frame a round, then every second particle: each is at most one round old. For this again all of them, or
       fewer and fewer.
    3. The fewest, half of them a frame, and a round in every second frame only.

    Args:
        particles: all there are.
    """

    def __init__(self, particles: int) -> None:
        counts = (max(min(LEAST, particles), round(particles * level)) for level in LEVELS)
        self._plans = [(particles, False), *((n, True) for n in dict.fromkeys(counts))]
        self._plan = 0
        self._frames = 0
        self.turns = False
        """whether rounds take turns with the second halves of the particles"""
        # seconds, running averages; push: of all particles that are drawn now; reading: its share in every round
        self.round = self.push = self.reading = 0.0

    @property
    def shown(self) -> int:
        """Particles to draw."""
        return self._plans[self._plan][0]

    @property
    def halves(self) -> bool:
        """Whether only every second one is pushed for a frame."""
        return self._plans[self._plan][1]

    def note_round(self, seconds: float) -> None:
        """One round of all lanes took this long."""
        self.round += (0.2 if self.round else 1.0) * (seconds - self.round)

    def note_push(self, seconds: float, pushed: int) -> None:
        """Drawing took this long when so many particles of every lane were pushed."""
        seconds *= (self.shown + FIXED) / (pushed + FIXED)
        self.push += (0.2 if self.push else 1.0) * (seconds - self.push)

    def note_reading(self, seconds: float, rounds: int) -> None:
        """Reading all lanes, which happens every so many rounds, took this long."""
        self.reading += (0.2 if self.reading else 1.0) * (seconds / rounds - self.reading)

    @property
    def cost(self) -> float:
        """Seconds that one more round and a frame take."""
        return self._cost(self._plan)

    @property
    def drawing(self) -> float:
        """Seconds that a frame takes without any round."""
        return self.cost - self.round - self.reading

    def adapt(self, budget: float) -> int:
        """Choose the plan for which a round and a frame take ``budget`` seconds; 0: as long as it takes.

        Returns the particles to draw.
        """
        self._frames += 1
        if budget <= 0:
            self._take(0)
            self._frames = 0  # when time is short again, that is to be seen soon
        elif self.push and (self._frames < EAGER or self._frames % LATER == 0):
            # a better plan only with room to spare, lest it flutters
            fits = (k for k in range(len(self._plans)) if self._cost(k) <= budget * (0.9 if k < self._plan else 1.0))
            self._take(next(fits, len(self._plans) - 1))
        last = self._plan == len(self._plans) - 1
        self.turns = last and self._cost(self._plan) > budget * (0.8 if self.turns else 1.0) > 0
        return self.shown

    def _take(self, plan: int) -> None:
        before, self._plan = self.shown, plan
        self.push *= (self.shown + FIXED) / (before + FIXED)

    def _cost(self, plan: int) -> float:
        n, halves = self._plans[plan]
        return self.round + self.reading + self.push * ((n / 2 if halves else n) + FIXED) / (self.shown + FIXED)
