"""The curves of a run, in bounded memory however long it goes on."""

from dataclasses import replace

from orwlab.show.stage.scenes import Curve

CAPACITY = 400  # points a curve, about one a pixel
CHANGES = 60  # marks kept
ONE_MOVE = 8  # rounds: changes closer than this are one move of a hand, marked where it ended


class History:
    """Mean reward and diversity over rounds. Beyond ``CAPACITY`` points every second one is dropped."""

    def __init__(self) -> None:
        self.rounds: list[int] = []
        self.reward: list[float] = []
        self.diversity: list[float] = []
        self.changes: list[int] = []
        self._every = 1
        self._first = (0.0, 0.0)

    def add(self, round: int, reward: float, diversity: float) -> None:
        """The values after ``round``; the first ones given are the reference's."""
        if not self.rounds:
            self._first = (reward, diversity)
        while self.rounds and self.rounds[-1] >= round:  # the run went back to its last good state
            self._drop(slice(-1, None))
        if len(self.rounds) > 1 and self.rounds[-1] % self._every:  # the newest point is always kept, its elder not
            self._drop(slice(-1, None))
        for series, value in zip((self.rounds, self.reward, self.diversity), (round, reward, diversity)):
            series.append(value)  # type: ignore[attr-defined]
        if len(self.rounds) > CAPACITY:
            self._every *= 2
            self._drop(slice(1, None, 2))

    def _drop(self, which: slice) -> None:
        for series in (self.rounds, self.reward, self.diversity):
            del series[which]

    def mark(self, round: int) -> None:
        """Somebody moved a control at ``round``."""
        earlier = self.changes[:-1] if self.changes and round - self.changes[-1] < ONE_MOVE else self.changes
        self.changes = [*earlier[1 - CHANGES :], round]

    def curves(self, exact: tuple[float, bool] | None = None) -> list[Curve]:
        """The panels of the stage; ``exact`` is the reward's exact limit and whether the grid resolved it."""
        reward = Curve("reward", "Mean reward", self.reward, self._first[0], span=0.4)
        if exact is not None:
            name = "exact limit" if exact[1] else "exact limit, about"
            reward = replace(reward, exact=exact[0], exact_name=name)
        return [reward, Curve("diversity", "Diversity", self.diversity, self._first[1], span=1.0)]
