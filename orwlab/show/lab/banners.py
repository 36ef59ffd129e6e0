"""Sentences over the picture: what happened, and what to try."""

from dataclasses import asdict, dataclass, replace

from torch import Tensor

from orwlab.measure import samples
from orwlab.methods.orw import Diverged
from orwlab.show.lab import own
from orwlab.show.lab.settings import Settings

OUTSIDE = 0.3  # of the samples: then it is said that they leave the data
FEW = 0.05  # of the draw: with a smaller effective share it is said that few samples decide
USUAL_LR = 1e-3  # a learning rate above this is the first thing to doubt
UNBOUNDED = ("plane",)  # rewards without a ceiling, besides formulas that have none


@dataclass(frozen=True)
class Banner:
    """``kind`` is "warning" or "stopped"; ``title`` says what happened, ``text`` what to try."""

    kind: str
    title: str
    text: str

    def plain(self) -> dict[str, str]:
        """As it travels in a frame."""
        return asdict(self)


COLLAPSED = Banner(
    "warning",
    "It has collapsed.",
    "Nearly all samples are in one place: the reward is high, the variety is gone. Try a larger α, or press Reset.",
)
RACED = replace(
    COLLAPSED,
    text="Nearly all samples are in one place: the reward is high, the variety is gone. Nothing in this method holds "
    "it, or not enough: its card says where it goes.",
)
LEFT = Banner("warning", "It is leaving the data.", "Many samples lie where there were never any data.")
LOST = Banner(
    "warning", "It is about to diverge.", "Some samples are too far out for a number: the last good ones are shown."
)
RESTARTED = Banner(
    "warning",
    "The computation had to be started again.",
    "Something broke on our side. Your run is repeated, with all your changes. There is nothing you need to do.",
)


def unbounded(reward: str) -> bool:
    """Whether the reward has no ceiling."""
    return reward in UNBOUNDED or getattr(own.reward(reward), "unbounded", False)


def advice(settings: Settings, *, also: bool = False) -> str:
    """What usually helps against running away; ``also``: besides something else."""
    if settings.methods:
        ceiling = " or a reward with a ceiling" if unbounded(settings.reward) else ""
        return f"{'It also helps to take' if also else 'Try'} a smaller strength{ceiling}."
    ceiling = ", or a reward with a ceiling" if unbounded(settings.reward) else ""
    return f"{'It also helps to take' if also else 'Try'} a larger α{',' if ceiling else ' or'} a smaller τ{ceiling}."


def look(x: Tensor, first: Tensor, region: samples.DataRegion, settings: Settings) -> Banner | None:
    """Whether the samples ``x`` (n, 2), which began as ``first``, have collapsed or are leaving the data."""
    collapsed = samples.collapsed(x, first)
    ended = RACED if settings.methods else COLLAPSED
    outside = region.fraction_outside(x) > OUTSIDE
    if collapsed and outside:
        return replace(ended, title="It has collapsed, outside the data.")
    if outside:
        zoom = " Zoom out if you do not see them." if settings.methods else ""
        return replace(LEFT, text=f"{LEFT.text}{zoom} {advice(settings)}")
    return ended if collapsed else None


def few_decide(ess: float, drawn: int, weighting: str) -> Banner | None:
    """Whether few samples carry the weight: ``ess`` effective ones of ``drawn``."""
    if ess >= FEW * drawn:
        return None
    clipped = "" if weighting == "clipped" else ", or clipped weights"
    return Banner(
        "warning",
        "A few samples decide everything.",
        f"Only about {max(1, round(ess))} of {drawn} samples carry the weight, so every step copies those few and is "
        f"mostly chance. Try a smaller τ{clipped}.",
    )


def diverged(error: Diverged, settings: Settings) -> Banner:
    """A run whose numbers stopped being finite."""
    title = f"It has diverged: the {error.what} stopped being finite."
    slower = f"Try a smaller learning rate, such as {USUAL_LR:g}. " if settings.lr > USUAL_LR else ""
    go_on = "Play goes on from the last good round, Reset begins again."
    return Banner("stopped", title, f"{slower}{advice(settings, also=bool(slower))} {go_on}")


def failed(error: Exception) -> Banner:
    """Anything that nobody foresaw."""
    what = str(error).rstrip(".")
    return Banner("stopped", "This round failed.", f"{what}. Press Reset, or choose another target or reward.")


def no_network(error: Exception) -> Banner:
    """A target of one's own that no network could learn."""
    what = str(error).rstrip(".")
    return Banner("warning", "No network could learn this target.", f"{what}. What you see is the exact answer.")


FINER_YET = 1.5
"""times as much of an exact density as of the data varies from cell to cell, until that is worth a sentence"""


def beyond_the_grid(problems: dict[str, str], settings: Settings) -> Banner | None:
    """What the exact dynamics report about their own grid, in plain words."""
    if "domain" in problems or "tail" in problems:
        return Banner(
            "warning",
            "The exact density runs away.",
            f"It has reached places that the grid does not hold, so there is no limit to show. {advice(settings)}",
        )
    if "coarse" in problems or "mass" in problems:
        return Banner(
            "warning",
            "The exact density is now finer than the grid.",
            "Parts of it are smaller than the cells can hold: read its numbers as rough ones. A larger α spreads it.",
        )
    return None
