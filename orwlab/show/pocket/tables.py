"""What the Pocket lab's worker has to know of the lab: controls, sentences and the yardstick, as JSON holds them.

Python is their one source: JavaScript checks by the same table of controls and says the same sentences.
"""

import functools
from dataclasses import asdict
from typing import Any

from orwlab.methods.run import Diverged
from orwlab.show.lab import banners, controls, digits, exact, limits, measures, readouts, steered, yardstick
from orwlab.show.lab.settings import FROM_THE_START, VIEWS, Settings
from orwlab.show.lab.story import ON_THE_WAY

NETWORKS = (
    "This is the exact answer: methods that race, other couplings and faults need the app, in which this page's link "
    "shows them."
)
WITHOUT = {
    "phone": "This is the exact answer: on a phone this page trains no networks. On a computer it does, and so does "
    "the app.",
    "slow": "This is the exact answer: a round of these networks takes longer than 150 ms here. Try fewer α or fewer "
    "gradient steps and press Reset, or open this page's link in the app.",
}
"""why the page trains no networks where it could"""
COARSE = "This device is slow: the exact answer is worked out on 48 × 48 cells. Read its numbers as rough ones."
_READ = 256  # of the yardstick's points, which the page's networks are read on
_GRAINS = 2**31
"""what the yardstick's uniform numbers are whole multiples of, see ``yardstick.LEAST``"""


@functools.cache
def plain() -> dict[str, Any]:
    """The tables that ``settings.js`` loads."""
    return {
        "defaults": asdict(Settings()),
        "controls": {control.name: _control(control) for control in controls.TABLE},
        "views": list(VIEWS),
        "fromTheStart": list(FROM_THE_START),
        "onTheWay": list(ON_THE_WAY),
        "hints": readouts.HINTS,
        "spent": readouts.SPENT,
        "banners": _banners(),
        "limits": _limits(),
        "networks": NETWORKS,
        "coarse": COARSE,
        "without": WITHOUT,
        "readOn": {how: said.replace(str(yardstick.SIZE), str(_READ)) for how, said in readouts.READ_ON.items()},
        "learnedRate": steered.RATES["learned"],
        "noKl": steered.NO_KL,
        "modeNames": {digits.PLANE: list(digits.TEN)},
        "yardstick": _yardstick(),
    }


def _control(control: controls.Control) -> dict[str, Any]:
    """How a control checks what it is given."""
    small = controls.small(control.label)
    made: dict[str, Any] = {"kind": type(control).__name__, "called": small}
    if isinstance(control, controls.Number | controls.Whole):
        made |= {"low": control.low, "high": control.high}
    if isinstance(control, controls.Number):
        made |= {"called": control.said or small, "allowed": f"a number {_span(control)}"}
    elif isinstance(control, controls.Whole):
        made |= {"allowed": f"a whole number {_span(control)}"}
    elif isinstance(control, controls.Choice):
        made |= {"called": control.name, "options": list(control.options)}
    elif isinstance(control, controls.Lineup):
        made |= {"called": control.said, "options": list(control.options)}
    elif isinstance(control, controls.Several):
        of = _control(control.of)
        made |= {"called": control.said, "of": of | {"called": f"a {control.said}"}, "most": len(control.rows)}
    elif isinstance(control, controls.Switch):
        made |= {"called": control.name}
    return made


def _span(control: controls.Number | controls.Whole) -> str:
    return f"from {controls.plainly(control.low)} to {controls.plainly(control.high)}"


def _banners() -> dict[str, Any]:
    """Those of exact lanes; of advice one for rewards with a ceiling and one for those without."""
    ways = {"ceiling": Settings(reward="right"), "unbounded": Settings(reward=banners.UNBOUNDED[0])}

    def seen(problem: str, settings: Settings) -> dict[str, str]:
        found = banners.beyond_the_grid({problem: ""}, settings)
        assert found is not None
        return found.plain()

    return {
        "collapsed": banners.COLLAPSED.plain(),
        "collapsedOutside": "It has collapsed, outside the data.",
        "left": banners.LEFT.plain(),
        "failed": banners.failed(ValueError("{what}")).plain(),
        "spike": exact.SPIKE.plain(),
        "unbounded": list(banners.UNBOUNDED),
        "advice": {way: banners.advice(settings) for way, settings in ways.items()},
        "runsAway": {way: seen("domain", settings) for way, settings in ways.items()},
        "finer": seen("mass", ways["ceiling"]),
        "finerYet": banners.FINER_YET,
        "lost": banners.LOST.plain(),
        "few": {"plain": _few("exp"), "clipped": _few("clipped")},
        "fewShare": banners.FEW,
        "diverged": {way: _diverged(settings) for way, settings in ways.items()},
        "usualLr": banners.USUAL_LR,
    }


def _few(weighting: str) -> dict[str, str]:
    """That few samples decide, with words for how many of how many."""
    found = banners.few_decide(1, 10**9, weighting)
    assert found is not None
    said = found.plain()
    return said | {"text": said["text"].replace("about 1 of 1000000000", "about {ess} of {drawn}")}


def _diverged(settings: Settings) -> dict[str, dict[str, str]]:
    """That a network diverged, at the usual learning rate and at a larger one."""
    error = Diverged("{what}", 0, "")
    rates = {"usual": banners.USUAL_LR, "fast": 2 * banners.USUAL_LR}
    return {name: banners.diverged(error, settings.changed(lr=lr)).plain() for name, lr in rates.items()}


def _limits() -> dict[str, Any]:
    return {
        "pending": limits.PENDING,
        "failed": limits.FAILED,
        "steered": exact.why_never(Settings(), None),
        "coupled": exact.why_never(Settings(coupling="ot"), 1.0),
        "free": exact.why_never(Settings(), 0.0),
        "small": exact.why_never(Settings(), exact.SMALLEST_ALPHA / 2),
        "smallest": exact.SMALLEST_ALPHA,
        "finer": exact.NEVER_FINE,
        "leaves": exact.NEVER_INSIDE,
        "unbounded": exact.NO_CEILING,
        "moving": exact.STILL_MOVING,
    }


def _yardstick() -> dict[str, Any]:
    """``u``: the points in the unit square, in grains; ``x0`` and ``t``: where velocities are compared; flat lists."""
    x0, t = yardstick.crossings()
    return {
        "grains": _GRAINS,
        "u": [round(value) for value in (yardstick.uniform() * _GRAINS).flatten().tolist()],
        "noise": [float(f"{value:.7g}") for value in yardstick.noise()[:_READ].flatten().tolist()],
        "x0": [float(f"{value:.7g}") for value in x0.flatten().tolist()],
        "t": [float(f"{value:.7g}") for value in t.tolist()],
        "transport": measures.TRANSPORT,
    }
