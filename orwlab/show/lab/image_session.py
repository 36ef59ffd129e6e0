"""Fine-tuning on images that one can watch and steer: lanes of the same seed, and the same noise behind all images.

It knows no host. ``advance`` works for a while, ``frame`` says what is new since the host last looked.
"""

import math
import time
import warnings
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from orwlab import checks, flow, tradeoff
from orwlab.methods.orw import Diverged, FineTuning
from orwlab.show.lab import exhibits, messages
from orwlab.show.lab.exhibits import Exhibit, Read
from orwlab.show.lab.image_settings import CONTROLS, ImageSettings, ImageStory

PATH = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # flow times t on the way from noise to an image
PATH_STEPS = 24
POINTS = 400  # of the curves, at most
SEEN = 40  # pairs of alpha and mean reward that a run has shown
PRESSES = ("play", "pause", "toggle", "step", "reset")
MOST_STEPS = 100  # that wait
_NETWORKS = {"digits": "the digits", "photographs": "the photographs", "words": "the flow of captions"}


class ImageLane:
    """One run, and what was last seen of it."""

    def __init__(self, exhibit: Exhibit, settings: ImageSettings, alpha: float) -> None:
        self.run: FineTuning = exhibit.begin(alpha, settings.seed)
        self.since = 0  # its round when its alpha was set
        self.round = 0  # of its pictures
        self.sheet = ""
        self.numbers: Read = {}
        self.said = self.stopped = ""
        self.unseen = ""  # why its newest images cannot be shown, if so: that stops nothing

    @property
    def alpha(self) -> float:
        """Its W2 weight."""
        return self.run.alpha

    def steer(self, alpha: float) -> None:
        """Its alpha from its next round on. A run that had stopped goes on from its last good state."""
        if alpha != self.run.alpha:
            self.run.alpha, self.since, self.stopped = alpha, self.run.round, ""

    def do_round(self) -> None:
        """One round, unless it has stopped."""
        if self.stopped:
            return
        try:
            next(iter(self.run.rounds(1)))
        except Diverged as error:
            self.stopped = (
                f"It has diverged: the {error.what} stopped being finite. Choose a larger α, and it goes on from its "
                "last good round."
            )


class ImageSession:
    """A run that one can steer. Used by one thread at a time.

    Args:
        story: what it begins with; if it went further than round 0 it is repeated first.
        running: whether it goes on by itself.
        notice: a sentence for whoever looks.
    """

    def __init__(self, story: ImageStory | None = None, *, running: bool = False, notice: str = "") -> None:
        self.seq = 0
        self.begin(ImageStory() if story is None else story, "running" if running else "paused")
        self.notice = notice

    # What one can do ------------------------------------------------------------------------------------------------

    def begin(self, story: ImageStory, state: str = "paused") -> None:
        """Start again from the reference with a whole story, and repeat it as far as it went."""
        self.state, self.story, self._goal = state, story, story.round
        self.notice = self.doing = ""
        self.round, self._steps = 0, 0
        self._held = self._broken = False
        self.exhibit: Exhibit | None = None
        self.lanes: list[ImageLane] = []
        self._points: list[list[Any]] = []
        self._seen: dict[float, float] = {}
        self._noise: Tensor | None = None
        self._reference = self._plain = ""
        self._first: Read = {}
        self._guided: Read = {}
        self._under_way = False
        self._looked = -1  # the round of the newest numbers
        self.seq += 1
        self.begun = self.seq
        self._shown = story.settings  # by these the reference on show is drawn
        self._pieces: deque[tuple[str, Callable[[], None]]] = deque(
            [(f"Loading {_NETWORKS[story.start.task]} and their networks", self._load)]
        )
        self._show_reference()

    @property
    def settings(self) -> ImageSettings:
        """As they are now."""
        return self.story.settings

    def control(self, **changes: Any) -> None:
        """Change settings; under way it takes effect with the next round.

        Raises:
            ValueError: in plain words; nothing is changed then.
        """
        settings = self.settings.changed(**changes)
        if settings.starts_again(self.settings):
            self.begin(ImageStory(settings), self.state)
            return
        at = max(self.round + self._under_way, self._goal)  # what is being repeated comes first
        for name in changes:
            if getattr(settings, name) != getattr(self.settings, name):
                self.story = self.story.changed(at, name, getattr(settings, name))
        self.seq += 1  # captions say it at once

    def play(self) -> None:
        """Go on by itself."""
        self.state, self._held = "running", False

    def pause(self) -> None:
        """Rest after the round that is under way. If it runs and still repeats a story, ``play`` goes on with that."""
        self._held = self._held or (self.state == "running" and self.replaying)
        self.state, self._steps = "paused", 0

    def toggle(self) -> None:
        """Play, or pause."""
        self.pause() if self.state == "running" else self.play()

    def step(self) -> None:
        """One round, then rest."""
        self.state = "paused"
        self._steps = min(self._steps + 1, MOST_STEPS)

    def reset(self) -> None:
        """Back to the reference with the present settings, paused."""
        self.begin(ImageStory(self.settings))

    def obey(self, order: Any) -> None:
        """Do what a browser asks for: ``{"press": action}``, ``{"name", "value"}``, or ``{"scene", "log", "round",
        "state"}``, a whole story.

        Raises:
            ValueError: it is no such order, or cannot be; in plain words. Nothing is changed then.
        """
        kinds = [kind for kind in ("press", "scene", "name") if isinstance(order, dict) and kind in order]
        if len(kinds) != 1:
            raise checks.fail("order", order, "a press, a scene, or the name and value of a control")
        if not self.replaying and not self._broken:
            self.notice = ""  # it has been read
        if kinds == ["press"]:
            getattr(self, checks.choice("press", order["press"], PRESSES))()
        elif kinds == ["name"]:
            self.control(**{checks.choice("control", order["name"], CONTROLS): order.get("value")})
        else:
            story = ImageStory.read(order)
            self.begin(story, checks.choice("state", order.get("state", "paused"), ("paused", "running")))

    # What happens ---------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do until somebody asks for something."""
        return not self._pieces and not self._due and self._looked == self.round and not self._stale

    @property
    def _due(self) -> bool:
        """Whether another round is."""
        asked = self.state == "running" or self._steps > 0 or (self.replaying and not self._held)
        return asked and not self._broken

    @property
    def _stale(self) -> bool:
        """Whether somebody has asked for another view since the reference was drawn."""
        return self._shown.view != self.settings.view and not self._broken

    @property
    def replaying(self) -> bool:
        """Whether it repeats a story."""
        return self.round < self._goal

    def advance(self, budget: float = math.inf) -> bool:
        """Work until it has nothing to do, or ``budget`` seconds have gone; at least one piece: part of a round, or a
        look at one lane. While it runs it needs a budget. Returns whether there is something new to draw.
        """
        before, until = (self.seq, self.round), time.monotonic() + budget
        while not self.idle:
            if not self._pieces:
                self._plan()
            self.doing, piece = self._pieces[0]
            try:
                piece()
            except ValueError as error:
                self._stop(f"{error}.")
                break
            except Exception:
                self._stop("Something went wrong in the computation. Reset begins again.")
                raise
            self._pieces.popleft()
            if time.monotonic() >= until:
                break
        self.doing = self._pieces[0][0] if self._pieces else self._next()
        return (self.seq, self.round) != before

    def _stop(self, notice: str) -> None:
        """For good, until it begins again: what was under way cannot be gone on with."""
        self._broken, self.state, self.notice = True, "paused", notice
        self._pieces.clear()
        self._looked = self.round
        self.seq += 1

    def _next(self) -> str:
        """What comes when somebody asks again; it is not planned yet, so that an alpha that moves meanwhile counts."""
        return f"Round {self.round + 1}: learning at α = {self.settings.alpha:g}" if self._due else ""

    def _plan(self) -> None:
        """The pieces of another view; of the next round; or, before it rests, a look at this one."""
        if self._stale:
            self._turn()
            return
        if not self._due:
            self._look(self.round, self._going)
            return
        exhibit, settings, number = self._there, self.story.at(self.round), self.round + 1
        for lane, alpha in zip(self.lanes, settings.alphas):
            lane.steer(alpha)
        self._under_way = True
        for lane in self.lanes:
            self._pieces.append((f"Round {number}: learning at α = {lane.alpha:g}", lane.do_round))
        self._pieces.append((f"Round {number}", self._end_round))
        if number % exhibit.measured_every == 0:
            self._look(number, self._going)
        elif number % exhibit.drawn_every == 0 and not self.replaying:
            for lane in self._going:
                self._pieces.append((f"Round {number}: drawing at α = {lane.alpha:g}", partial(self._draw, lane)))

    def _look(self, number: int, lanes: list[ImageLane]) -> None:
        for lane in lanes:
            self._pieces.append((f"Round {number}: the judge looks at α = {lane.alpha:g}", partial(self._read, lane)))
        self._pieces.append((f"Round {number}", self._note))

    @property
    def _going(self) -> list[ImageLane]:
        """Lanes that have not stopped: of the others there is nothing new to see."""
        return [lane for lane in self.lanes if not lane.stopped]

    def _end_round(self) -> None:
        asked = self._held or not self.replaying  # it was done because somebody asked for it
        self.round += 1
        if self.state == "running":
            self._steps = 0
        elif asked:
            self._steps = max(0, self._steps - 1)
        self._under_way = False

    @property
    def _there(self) -> Exhibit:
        if self.exhibit is None:
            raise RuntimeError("the session has not begun")
        return self.exhibit

    def _load(self) -> None:
        settings = self.story.start
        self.exhibit = exhibits.of(self._shown)
        self._noise = self.exhibit.noise(settings.seed)
        self.lanes = [ImageLane(self.exhibit, settings, alpha) for alpha in settings.alphas]

    def _turn(self) -> None:
        """The pieces of another sentence, or another guidance, from the same noise."""
        before, self._shown = self._shown, self.settings
        if self._shown.prompt == before.prompt:
            self._show_guided()
            return
        self._pieces.append(("Reading the sentence", self._read_sentence))
        self._show_reference()
        if self.round > 0:
            for lane in self.lanes:
                self._pieces.append((f"Drawing at α = {lane.alpha:g}", partial(self._draw, lane)))
            self._look(self.round, self.lanes)

    def _read_sentence(self) -> None:
        """The runs stay; what was seen was of another sentence."""
        self.exhibit = exhibits.of(self._shown)
        self._points, self._seen = [], {}
        self.seq += 1

    def _show_reference(self) -> None:
        self._pieces.append(("The reference draws", self._draw_reference))
        self._pieces.append(("The judge looks at the reference", self._measure_reference))
        if self._shown.guidance != 1:
            self._show_guided()

    def _show_guided(self) -> None:
        self._pieces.append((f"The reference draws with guidance {self._shown.guidance:g}", self._draw_guided))
        self._pieces.append(("The judge looks at the guided reference", self._measure_guided))

    def _draw_reference(self) -> None:
        """Before the first round every lane is the reference."""
        assert self._noise is not None
        exhibit = self._there
        x = exhibit.task.push(exhibit.task.reference, self._noise[: exhibit.shown])
        self._reference = self._plain = exhibit.sheet(x)
        for lane in self._untouched:
            lane.sheet = self._plain
        self.seq += 1

    def _measure_reference(self) -> None:
        assert self._noise is not None
        exhibit = self._there
        self._first = exhibit.read(exhibit.task.push(exhibit.task.reference, self._noise))
        self._guided = {}
        for lane in self._untouched:
            lane.numbers, lane.said = self._first, exhibit.verdict(self._first, self._first)
        if self.round == 0:
            self._note()
        else:
            self.seq += 1

    def _draw_guided(self) -> None:
        """The reference's own images again, if there is no guidance."""
        assert self._noise is not None
        exhibit, v = self._there, self._there.reference(self._shown)
        guided = v is not exhibit.task.reference
        self._reference = exhibit.sheet(exhibit.task.push(v, self._noise[: exhibit.shown])) if guided else self._plain
        self.seq += 1

    def _measure_guided(self) -> None:
        assert self._noise is not None
        exhibit, v = self._there, self._there.reference(self._shown)
        guided = v is not exhibit.task.reference
        self._guided = exhibit.read(exhibit.task.push(v, self._noise)) if guided else {}
        self.seq += 1

    @property
    def _untouched(self) -> list[ImageLane]:
        """Lanes that have not learned yet."""
        return [lane for lane in self.lanes if lane.run.round == 0]

    def _pushed(self, lane: ImageLane, n: int) -> Tensor | None:
        """The first ``n`` images of its running average, as they are now; None if they are not finite."""
        assert self._noise is not None
        x = self._there.task.push(lane.run.average, self._noise[:n])
        if not checks.all_finite(x):
            lane.unseen = "Its images are too far out for a number: the last good ones are shown. Choose a larger α."
            return None
        lane.round, lane.sheet, lane.unseen = lane.run.round, self._there.sheet(x[: self._there.shown]), ""
        return x

    def _draw(self, lane: ImageLane) -> None:
        self._pushed(lane, self._there.shown)
        self.seq += 1

    def _read(self, lane: ImageLane) -> None:
        exhibit, x = self._there, self._pushed(lane, self._there.judged)
        if x is None:
            return
        lane.numbers = exhibit.read(x)
        lane.said = exhibit.verdict(lane.numbers, self._first)
        if lane.alpha > 0 and lane.run.round - lane.since >= exhibit.near_rest:
            self._seen.pop(lane.alpha, None)
            self._seen[lane.alpha] = lane.numbers[exhibit.numbers[0].key]
            while len(self._seen) > SEEN:
                del self._seen[next(iter(self._seen))]

    def _note(self) -> None:
        """The numbers of a round are all there: a point on every curve."""
        paid, judge = (words.key for words in self._there.numbers[:2])
        self.seq += 1
        values = [[_short(lane.numbers[key]) for lane in self.lanes] for key in (paid, judge)]
        self._points.append([self.seq, self.round, *values])
        if len(self._points) > POINTS:
            self._points = [*self._points[:-1:2], self._points[-1]]
        self._looked = self.round

    # What one sees --------------------------------------------------------------------------------------------------

    def frame(self, have: int = 0) -> dict[str, Any]:
        """What is new since ``have``, the ``seq`` of the frame before; JSON can hold it.

        Always: "seq", "begun" (frames with a smaller ``seq`` are of another run), "state", "round", "idle", "settings",
        "story", and "doing" and "notice", sentences or "". If anything was drawn since: "exhibit"; "reference", with
        "sheet" (a PNG of its images) and "numbers", and with guidance "when" and "said"; "lanes", each with these and
        "alpha", "round", "said" and "stopped"; "points" of the curves, ``[seq, round, what is paid for, judge]``, the
        last two a number for each lane.
        """
        repeats = self.replaying and self._due
        found: dict[str, Any] = {
            "seq": self.seq,
            "begun": self.begun,
            "state": self.state,
            "round": self.round,
            "doing": f"Repeating your changes, to round {self._goal}. {self.doing}" if repeats else self.doing,
            "idle": self.idle,
            "settings": self.settings.plain(),
            "notice": self.notice,
        }
        if self._reference and (have < self.seq):
            found["lanes"] = [
                {
                    "alpha": alpha,
                    "round": lane.round,
                    "sheet": lane.sheet,
                    "numbers": {key: _short(value) for key, value in lane.numbers.items()},
                    "said": lane.stopped or lane.unseen or lane.said,
                    "stopped": bool(lane.stopped or lane.unseen),
                }
                for lane, alpha in zip(self.lanes, self.settings.alphas)
            ]
            found["points"] = [point for point in self._points if point[0] > have]
            found["exhibit"] = self._there.plain()
            found["reference"] = {
                "sheet": self._reference,
                "numbers": {key: _short(value) for key, value in (self._guided or self._first).items()},
                **self._there.guided(self._shown, self._guided, self._first),
            }
        # a change may be of the round under way, and a story that is repeated goes farther than it has come
        found["story"] = {**self.story.plain(), "round": max(self.round, self.story.round)}
        return found

    def path(self, lane: Any, k: Any) -> dict[str, Any]:
        """How image ``k`` comes out of its noise, in a lane and in the reference.

        Returns:
            "times"; and "lane" and "reference", each with "sheet", the images at these times in a row, "said", and
            "table", see ``Exhibit.table``.

        Raises:
            ValueError: there is no such lane or image, or it has not begun.
        """
        if self.exhibit is None or self._noise is None or not self._reference:
            raise checks.fail("lane", lane, "one that has been drawn: nothing has yet")
        lane = checks.integer("lane", messages.count(lane), low=0, high=len(self.lanes) - 1)
        k = checks.integer("k", messages.count(k), low=0, high=self.exhibit.shown - 1)
        x0, found = self._noise[k : k + 1], {}
        networks = {"lane": self.lanes[lane].run.average, "reference": self.exhibit.reference(self._shown)}
        for name, v in networks.items():
            with torch.no_grad():
                x = flow.trajectory(self.exhibit.bound(v), x0, PATH, method="midpoint", steps=PATH_STEPS)[:, 0]
            if not checks.all_finite(x):
                raise checks.fail("lane", lane, "one whose images are finite: choose a larger α")
            found[name] = {
                "sheet": exhibits.sheet(x, len(PATH)),
                "said": self.exhibit.view(x[-1:]),
                "table": self.exhibit.table(v, x0),
            }
        return {"times": list(PATH), "k": k, "of": lane, "round": self.round, "alpha": self.lanes[lane].alpha, **found}

    def suggest(self, goal: Any) -> dict[str, Any]:
        """Which alpha should come to rest at ``goal``, a mean of the first number: ``{"alpha", "said"}``.

        Raises:
            ValueError: it has not begun, or no alpha gives that.
        """
        exhibit = self.exhibit
        if exhibit is None:
            raise checks.fail("goal", goal, "a number, once the networks are loaded")
        goal, words = checks.number("goal", goal), exhibit.numbers[0]
        r, wanted = exhibit.rewards, exhibit.reward_of(goal)
        if not float(r.mean()) < wanted < float(r.max()):
            unit = exhibit.reward_of(1.0)
            ends = [_said(float(end) / unit, words.kind) for end in (r.mean(), r.max())]
            raise checks.fail("goal", goal, f"between {ends[0]}, the reference's mean, and {ends[1]}, its best image")
        seen = [(alpha, exhibit.reward_of(value)) for alpha, value in self._seen.items()]
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            alpha = tradeoff.alpha_from_rewards(r, wanted, exhibit.task.plan.tau, "mean_one", seen=seen)
        alpha = float(f"{min(max(alpha, 0.0), 100.0):.2g}")
        few = any(issubclass(doubt.category, tradeoff.FewSamplesWarning) for doubt in doubts)
        return {"alpha": alpha, "said": _honestly(alpha, list(self._seen), few)}


def _honestly(alpha: float, seen: list[float], few: bool) -> str:
    """A suggestion with what is known of its error."""
    if seen:
        shown = ", ".join(f"{one:g}" for one in seen[-3:])
        error = f"It rests on the reference’s rewards and on what this run has shown at α = {shown}."
    else:
        error = (
            "It rests on the reference’s rewards alone. Measured where the answer is known: between 0.7 and 6 times "
            "the α that is needed in the plane, 3 to 11 times for digits: mostly too much. Let it run there for a "
            "while and ask again: it learns from that."
        )
    doubt = " Few of the reference’s images are that good, so this is a rough guess." if few else ""
    return f"About α = {alpha:g}. {error}{doubt}"


def _said(value: float, kind: str) -> str:
    return f"{value:.0f}" if kind == "count" else f"{value:.2f}"


def _short(value: float) -> float:
    return round(float(value), 4)
