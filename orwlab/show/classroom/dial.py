"""The exact dial: where fine-tuning ends for every alpha of a scene, worked out once for any number of phones.

A fan of pictures, one an alpha, all placed from the same numbers: a dot is the same dot in each, and moves a little
when alpha does. Whoever has the fan needs no server any more.
"""

import gzip
import hashlib
import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from orwlab import checks
from orwlab.show.classroom import truths
from orwlab.show.classroom.lesson import READINGS
from orwlab.show.lab import digits, exact, own, readouts, yardstick
from orwlab.show.lab.exact import Exact
from orwlab.show.lab.link import Link
from orwlab.show.lab.settings import Settings
from orwlab.show.stage import scenes
from orwlab.show.stage.readouts import Number, signed, significant

ALPHAS = (
    0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 70.0, 100.0,
)  # fmt: skip
"""places of the dial; a scene's own alpha is one more"""
PARTICLES = 400
BACKDROP = 96  # points a side, of what is behind the particles: phones are small
ROUGH = "rough: nearly finer than the grid"
AGAIN = 5.0  # seconds until what failed by a fault is tried again
KEPT = 12  # fans that are held ready

Piece = dict[str, Any]
Look = Callable[..., dict[str, Any]]
"""as ``Errands.look``"""


# The fan --------------------------------------------------------------------------------------------------------------


def pieces(link: str) -> Iterator[Piece]:
    """The fan of a scene's link, as an errand: see ``web.errands``.

    First ``{"scene", "alphas", "alpha"}``: the backdrop, the dial's places from small to large, and where it begins.
    Then for each place, soon from end to end and finer and finer, ``{"alpha", "frame", "exact", "reading", "why"}``:
    what the stage draws of the exact limit, and its numbers. Where there is none, the picture is "" and the reading
    None, and ``why`` says why; beside a reading, ``why`` says that it is a rough one.

    Raises:
        ValueError: it is no link, or its scene has no exact limits, in plain words.
    """
    settings = settings_of(link)
    places = places_of(settings)
    backdrop = _Backdrop(settings)
    start = min(places, key=lambda alpha: abs(alpha - settings.alpha))
    yield {"scene": backdrop.scene(), "alphas": list(places), "alpha": start}
    for k, alpha in enumerate(in_turn(places, start)):
        yield _piece(settings, alpha, backdrop, k)


def settings_of(link: str) -> Settings:
    """The settings of a scene that has a dial.

    Raises:
        ValueError: it is no link, or its scene has none, in plain words.
    """
    settings = Link.read(link).story.settings
    if settings.methods:
        raise checks.fail("methods", ", ".join(settings.methods), "no race, where a dial of α is to be turned")
    if settings.coupling != "independent":
        raise checks.fail(
            "coupling", settings.coupling, "'independent': of other pairs the exact limit is not known, nor its dial"
        )
    return settings


def places_of(settings: Settings) -> tuple[float, ...]:
    """The dial's alphas from small to large: ``ALPHAS``, and the scene's own if it lies among them."""
    among = ALPHAS[0] <= settings.alpha <= ALPHAS[-1]
    return tuple(sorted({*ALPHAS, settings.alpha} if among else ALPHAS))


def in_turn(places: tuple[float, ...], start: float) -> list[float]:
    """``places`` from ``start`` on, next always the one that is farthest from all before it: a few span the dial."""
    done, left = [start], [alpha for alpha in places if alpha != start]
    while left:
        done.append(max(left, key=lambda alpha: min(abs(math.log(alpha / other)) for other in done)))
        left.remove(done[-1])
    return done


class _Backdrop:
    """What all pictures of a fan have in common.

    Args:
        settings: the scene's.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.target = own.target(settings.target)
        self.u = yardstick.even_uniform(PARTICLES)  # (n, 2): 400 of them know a mean ten times better than random ones
        reference = exact.dynamics(settings, 1.0)
        self.first = exact.place(exact.density(reference), reference.cells.extent, self.u)  # (n, 2)
        self.size = scenes.view_for(self.first)  # for all: a picture that zooms cannot be compared

    def scene(self) -> str:
        """What the stage has behind the particles. A dot's colour is the mode at which the reference has it."""
        settings = self.settings
        return scenes.scene(
            self.target,
            own.reward(settings.reward),
            self.size,
            self.target.mode_of(self.first),
            grid=BACKDROP,
            truth=own.reward(settings.truth) if settings.truth else None,
            pictures=digits.atlas() if settings.target == digits.PLANE else None,
        )


def _piece(settings: Settings, alpha: float, backdrop: _Backdrop, number: int) -> Piece:
    limit = exact.limit(settings, alpha)
    if limit is None:
        return {"alpha": alpha, "frame": "", "exact": "", "reading": None, "why": exact.why_none(settings, alpha)}
    lane = {
        "alpha": alpha,
        "label": f"α = {alpha:g}",
        "round": 0,
        "banner": None,
        "limit": {"state": "there", "text": ""},
        "numbers": _numbers(limit),
    }
    meta = {
        "run": "dial", "seq": number, "round": 0, "alpha": alpha, "tau": settings.tau, "state": "paused",
        "mode": "both", "t": 1, "numbers": [], "lanes": [lane],
    }  # fmt: skip
    x = exact.place(limit.density, limit.extent, backdrop.u)
    density, extent = _in_view(limit, backdrop.size)
    return {
        "alpha": alpha,
        "frame": scenes.frame(meta, x, backdrop.size, [], []),
        "exact": scenes.exact([density], extent, limit.resolved),
        "reading": {name: round(value, 6) for name, value in reading(limit).items()},
        "why": "" if limit.resolved else ROUGH,
    }


def reading(limit: Exact) -> dict[str, float]:
    """What is read off a limit, by the names that lessons have for it."""
    return {name: truths.reading(limit, name) for name in READINGS}


def _numbers(limit: Exact) -> list[Number]:
    about = "" if limit.resolved else "≈ "
    said = [
        ("reward", "mean reward", "reward", signed(limit.reward)),
        ("diversity", "diversity", "diversity", signed(limit.diversity)),
        ("w2", "distance W₂²", "W₂²", significant(limit.w2)),
        ("ess", "effective samples", "effective", readouts.per_cent(limit.ess)),
    ]
    return [Number(key, name, short, f"{about}{value}", hint=readouts.hint(key)) for key, name, short, value in said]


def _in_view(limit: Exact, size: float) -> tuple[Tensor, float]:
    """The limit's cells on show, with one more all around, and half the side of their square. The rest is not sent."""
    cells = len(limit.density)
    left_out = max(0, math.floor((limit.extent - size) / (2 * limit.extent / cells)) - 1)
    kept = limit.density[left_out : cells - left_out, left_out : cells - left_out]
    return kept, limit.extent * len(kept) / cells


# For many phones ------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Fan:
    of: str
    pieces: list[bytes] = field(default_factory=list)
    """as JSON"""
    done: bool = False
    error: str = ""
    again: float = -math.inf
    """when what failed may be asked for again"""
    packed: dict[int, bytes] = field(default_factory=dict)
    """the answers to whoever has so many pieces"""


class Fans:
    """What phones are told of dials: each piece is put into words once, and packed once for all who lack the same.

    Can be used from any thread.

    Args:
        look: ``Errands.look``, which works them out.
        work: what is looked for.
        clock: seconds.
    """

    def __init__(
        self,
        look: Look,
        work: Callable[[str], Iterator[Piece]] = pieces,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._work, self._clock = look, work, clock
        self._lock = threading.Lock()
        self._fans: OrderedDict[str, _Fan] = OrderedDict()  # the last asked for at the end

    def answer(self, link: str, since: int) -> bytes:
        """``{"pieces", "done", "of"}`` as JSON in gzip: the fan's pieces after the first ``since``; ``of`` another text
        for another link. What cannot be has ``"error"``, a sentence.
        """
        with self._lock:
            fan = self._fans.pop(link, None) or _Fan(hashlib.sha256(link.encode()).hexdigest()[:12])
            self._fans[link] = fan
            while len(self._fans) > KEPT:
                self._fans.popitem(last=False)
            if not fan.done and self._clock() >= fan.again:
                self._go_on(fan, link)
            have = min(since, len(fan.pieces))
            if have not in fan.packed:
                fan.packed[have] = _packed(fan, have)
            return fan.packed[have]

    def _go_on(self, fan: _Fan, link: str) -> None:
        found = self._look(self._work, link, since=len(fan.pieces))
        error = found.get("error", "")
        failed = bool(found.get("again"))
        if failed:
            fan.again = self._clock() + AGAIN
        done = found["done"] and not failed
        if found["pieces"] or (done, error) != (fan.done, fan.error):
            fan.packed.clear()
        fan.pieces += [json.dumps(piece).encode() for piece in found["pieces"]]
        fan.done, fan.error = done, error


def _packed(fan: _Fan, have: int) -> bytes:
    rest = {"done": fan.done, "of": fan.of, **({"error": fan.error} if fan.error else {})}
    text = b'{"pieces": [' + b", ".join(fan.pieces[have:]) + b"], " + json.dumps(rest).encode()[1:]
    return gzip.compress(text, 6, mtime=0)
