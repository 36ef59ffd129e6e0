"""What the read-outs and curves of a session say, with their exact counterparts and a sentence that explains each."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from orwlab.show.lab import measures, yardstick
from orwlab.show.lab.exact import Exact
from orwlab.show.lab.history import WINDOW, History
from orwlab.show.stage.readouts import SUPERSCRIPTS, Curve, Number, signed, significant

LARGEST = 600.0  # natural logarithm of what a curve is clipped at
LEAST_SHARE = 1e-12  # less is rounding

HINTS = {
    "reward": "Mean reward E r(x₁) of the model's samples: what fine-tuning is asked to increase.",
    "truth": "Mean true reward of the model's samples: what was wanted. Nothing is trained on it.",
    "alpha": "The W2 weight, steered: it grows while the model strays farther than the budget allows.",
    "diversity": "Mean distance between two samples: near 0 when all of them are alike.",
    "w2": "W₂², the least mean squared distance over which the reference's samples can be carried to the model's.",
    "coupled": "E|x₁ − y₁|² between the policy's and the reference's samples from the same noise: never below W₂².",
    "penalty": "E|v − v_ref|² on the way from noise to the model's samples: what α multiplies in the loss.",
    "ess": "The share of a draw that counts, (E w)²/E w²: near 0 when few samples carry all the weight.",
    "secant": "An upper bound on the coupled cost from how fast the reference pulls each pair apart; no supremum.",
    "bound": "An estimate of the paper's bound on W₂²: e²ᴸ times the penalty, with L the steepest slope of the "
    "reference found where its own samples pass.",
    "moved": "How much of the mass the last exact round moved; near 0 it has reached its limit.",
    "evaluations": "Points that have gone through a network so far; a way back counts as two evaluations more.",
    "rewards": "How many samples the reward was asked for so far.",
    "seconds": "How long its rounds took so far, without drawing and reading.",
    "round": "Rounds of fine-tuning: each draws samples, weighs them by their reward, and learns from them.",
    "speed": "Rounds of fine-tuning a second, as measured.",
    "drawn": "Particles drawn for each α{why}. They are the newest network's; no number depends on how many there are.",
}
READ_ON = {
    "average": f"Read on {yardstick.SIZE} fixed, evenly spread samples of the network's running average, which follows "
    "the dots some rounds later and wanders less",
    "iterate": f"Read on {yardstick.SIZE} fixed, evenly spread samples of the newest network, which made the dots too",
}
SPENT = {"w2": "penalty of the round", "kl": "KL"}
"""what a budget is of"""
SPREAD = f"± is the standard deviation over the last {WINDOW} rounds"


def hint(key: str, measured: str | None = None, *, spread: bool = False, **words: object) -> str:
    """What explains a read-out; with the network it was ``measured`` on, if it was."""
    how = [READ_ON[measured], *[SPREAD] * spread] if measured else []
    return " ".join([HINTS[key].format(**words), *[f"{'; '.join(how)}."] * bool(how)])


def per_cent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share < LEAST_SHARE else f"{100 * share:.1f} %"


def power_of_ten(log: float) -> str:
    """``e^log`` as a number of ordinary size or as a power of ten."""
    if log == -math.inf:
        return "0"
    exponent = log / math.log(10)
    return significant(math.exp(log)) if exponent < 3 else "10" + f"{exponent:.0f}".translate(SUPERSCRIPTS)


def _exactly(limit: Exact | None, name: str, say: str = "") -> str | None:
    if limit is None:
        return None
    value = float(getattr(limit, name))
    text = per_cent(value) if say == "%" else significant(value) if say == "s" else signed(value)
    return text if limit.resolved else f"about {text}"


class _Lane:
    """The read-outs of a network's lane, one by one."""

    def __init__(self, history: History, lane: int, limit: Exact | None, measured: str) -> None:
        self.history, self.lane, self.limit, self.measured = history, lane, limit, measured

    def last(self, name: str) -> float:
        """The newest value."""
        return float(self.history.last(name)[self.lane])

    def around(self, name: str, say: Callable[[float], str]) -> str | None:
        """Its spread."""
        spread = self.history.spread(name, self.lane)
        return None if spread is None else f"±{say(spread)}"

    def linear(self, key: str, name: str) -> Number:
        """With two decimals."""
        said = hint(key, self.measured, spread=True)
        around = self.around(key, thousandths)
        return Number(key, name, key, signed(self.last(key)), _exactly(self.limit, key), said, around)

    def distance(self, key: str, name: str, short: str) -> Number:
        """With two digits."""
        value = significant(self.last(key)) if self.last(key) > 0 else "–"
        exact = _exactly(self.limit, "w2", "s") if key == "w2" else None
        said = hint(key, self.measured, spread=True)
        return Number(key, name, short, value, exact, said, self.around(key, significant))

    def first(self) -> list[Number]:
        """What is read off every network."""
        return [
            self.linear("reward", "mean reward"),
            self.linear("diversity", "diversity"),
            self.distance("w2", "distance W₂²", "W₂²"),
            self.distance("coupled", "coupled cost", "coupled"),
            self.distance("penalty", "distance penalty", "penalty"),
        ]


def learned_numbers(
    history: History, lane: int, limit: Exact | None, measured: str, steepness: float | None
) -> list[Number]:
    """The read-outs of a network's lane, the average's or the iterate's as ``measured`` says."""
    of = _Lane(history, lane, limit, measured)
    last = of.last
    effective = _exactly(limit, "ess", "%")
    known = last("penalty") > 0 and steepness is not None  # else a bound of 0 would be said, below W2^2
    bound = power_of_ten(measures.log_bound(last("penalty"), steepness)) if known else "–"
    secant = significant(last("secant")) if last("secant") > 0 else "–"
    return [
        *of.first(),
        Number(
            "ess", "effective samples", "effective", per_cent(last("effective")), effective, hint("ess", measured)
        ),
        Number("secant", "secant bound", "secant", secant, None, hint("secant", measured)),
        Number("bound", "the paper's bound", "bound", bound, None, hint("bound", measured)),
    ]  # fmt: skip


def racing_numbers(history: History, lane: int, limit: Exact | None, measured: str) -> list[Number]:
    """The read-outs of a method's lane, and what its rounds have spent so far."""
    of = _Lane(history, lane, limit, measured)
    spent = of.last("evaluations"), of.last("rewards")
    return [
        *of.first(),
        Number("evaluations", "evaluations", "evals", thousands(spent[0]), None, hint("evaluations")),
        Number("rewards", "reward calls", "rewards", thousands(spent[1]), None, hint("rewards")),
        Number("seconds", "seconds", "seconds", f"{of.last('seconds'):.1f}", None, hint("seconds")),
    ]


def thousands(value: float) -> str:
    """A count as people read it: 640, 64 k, 6.4 M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def thousandths(value: float) -> str:
    """Three decimals, of a spread; two digits or a power of ten where it is large."""
    return f"{value:.3f}" if value < 10 else significant(value)


def exact_numbers(history: History, lane: int, limit: Exact | None) -> list[Number]:
    """The read-outs of a lane of the population dynamics: the present round's, with the limit beside it."""
    reward, diversity, w2, effective, moved = (
        float(history.last(name)[lane]) for name in ("reward", "diversity", "w2", "effective", "moved")
    )
    return [
        Number("reward", "mean reward", "reward", signed(reward), _exactly(limit, "reward"), hint("reward")),
        Number("diversity", "diversity", "diversity", signed(diversity), _exactly(limit, "diversity"),
               hint("diversity")),
        Number("w2", "distance W₂²", "W₂²", significant(w2) if w2 > 0 else "–", _exactly(limit, "w2", "s"),
               hint("w2")),
        Number("ess", "effective samples", "effective", per_cent(effective), _exactly(limit, "ess", "%"),
               hint("ess")),
        Number("moved", "moved a round", "moved", per_cent(moved), None, hint("moved")),
    ]  # fmt: skip


def truth_number(history: History, lane: int, limit: float | None, measured: str | None) -> Number:
    """The read-out of the true reward of one lane."""
    value, spread = float(history.last("truth")[lane]), history.spread("truth", lane)
    said = None if limit is None else signed(limit)
    return Number(
        "truth", "true reward", "true", "–" if math.isnan(value) else signed(value), said,
        hint("truth", measured, spread=bool(measured)),
        None if spread is None or not measured else f"±{thousandths(spread)}",
    )  # fmt: skip


def alpha_number(alpha: float) -> Number:
    """The read-out of an alpha that is steered."""
    return Number("alpha", "steered α", "α", significant(alpha), None, hint("alpha"))


def session_numbers(round: int, speed: float | None, drawn: int, all_of_them: int) -> list[Number]:
    """The read-outs that belong to the whole session."""
    why = "" if drawn == all_of_them else f"; fewer than {all_of_them:,} because the computer is busy"
    return [
        Number("round", "round", "round", f"{round:,}", None, hint("round")),
        Number("speed", "rounds a second", "rounds/s", "–" if speed is None else f"{speed:.0f}", None, hint("speed")),
        Number("drawn", "particles", "particles", f"{drawn:,}", None, hint("drawn", why=why)),
    ]


def curves(
    history: History,
    limits: Sequence[Exact | None],
    measured: str | None,
    steepness: float | None,
    truths: Sequence[float | None] | None = None,
    steering: Mapping[str, Any] | None = None,
) -> list[Curve]:
    """The panels: reward, diversity, and one logarithmic panel of distances to the reference.

    ``measured`` on the "average" or the "iterate" of networks; None for the population dynamics. The paper's bound
    needs the reference's ``steepness``, which may become known late. With ``truths``, what the true reward is in each
    limit, it has a panel; and so has an alpha that is steered, as ``steering`` says.
    """
    names = ["exact limit" if limit is None or limit.resolved else "exact limit, about" for limit in limits]

    def linear(series: str, title: str, span: float) -> Curve:
        exact = [None if limit is None else float(getattr(limit, series)) for limit in limits]
        said = hint(series, measured)
        return Curve(series, title, history.series(series), history.first[series], exact, names, span=span, hint=said)

    names_of = {"w2": "W₂²"}
    values = [history.series("w2")]  # (lanes, R) each
    if measured:
        names_of |= {"coupled": "coupled cost", "penalty": "penalty"}
        values += [history.series("coupled"), history.series("penalty")]
    if measured and "evaluations" not in history:  # beside other methods it would say little of any
        names_of |= {"bound": "the paper's bound"}
        values.append(_bounds(values[-1], steepness))
    exact = [None if limit is None else limit.w2 for limit in limits]
    return [
        linear("reward", "Mean reward", 0.4),
        *([] if truths is None else [_truth(history, truths, names, measured)]),
        *([_steered(history, steering)] if steering and not steering["why"] else []),
        linear("diversity", "Diversity", 1.0),
        Curve(
            list(names_of), "Distances", np.stack(values), None, exact, names, hint=hint("w2", measured),
            log=True, names=list(names_of.values()), span=1.0,
        ),
    ]  # fmt: skip


def _truth(history: History, limits: Sequence[float | None], names: Sequence[str], measured: str | None) -> Curve:
    """What was wanted, from where it was chosen."""
    rounds, values = _known(history, "truth")
    said = hint("truth", measured)
    first = history.first["truth"]
    return Curve(
        "truth", "True reward", values, None if math.isnan(first) else first, list(limits), names, span=0.4, hint=said,
        rounds=rounds,
    )  # fmt: skip


def _steered(history: History, steering: Mapping[str, Any]) -> Curve:
    """Alpha, and what it is steered by, from where that began; the dashed line is the budget."""
    rounds, _ = _known(history, "spent", 1)
    kept = np.isin(history.rounds, rounds)
    values = np.nan_to_num(np.stack([history.series("alpha")[:, kept], history.series("spent")[:, kept]]))
    lanes, budget = values.shape[1], float(steering["budget"])
    said = f"{HINTS['alpha']} The dashed line is the budget of the first lane, for the {SPENT[steering['kind']]}."
    return Curve(
        ["alpha", "spent"], "Steered α", values, None, [budget, *[None] * (lanes - 1)], "budget", hint=said, log=True,
        names=["α", SPENT[steering["kind"]]], span=1.0,
        rounds=rounds,
    )  # fmt: skip


def _known(history: History, name: str, lanes: int | None = None) -> tuple[list[int], np.ndarray]:
    """The rounds at which a series is known in the first ``lanes``, by default all, and its values there."""
    values = history.series(name)
    kept = np.isfinite(values[:lanes]).all(0)
    return [round for round, keep in zip(history.rounds, kept) if keep], values[:, kept]


def _bounds(penalty: np.ndarray, steepness: float | None) -> np.ndarray:
    """The paper's bound for each penalty, 0 where there is none."""
    if steepness is None:
        return np.zeros_like(penalty)
    logs = np.log(penalty, out=np.full_like(penalty, -np.inf), where=penalty > 0)
    return np.exp(np.minimum(2 * steepness + logs, LARGEST))
