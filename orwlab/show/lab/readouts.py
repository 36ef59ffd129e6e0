"""What the read-outs and curves of a session say, with their exact counterparts and a sentence that explains each."""

import math
from collections.abc import Sequence

import numpy as np

from orwlab.show.lab.exact import Exact
from orwlab.show.lab.history import History
from orwlab.show.stage.readouts import SUPERSCRIPTS, Curve, Number, signed, significant

LARGEST = 600.0  # natural logarithm of what a curve is clipped at

HINTS = {
    "reward": "Mean reward E r(x₁) of the samples on show: what fine-tuning is asked to increase.",
    "diversity": "Mean distance between two samples: near 0 when all of them are alike.",
    "w2": "W₂², the least mean squared distance over which the reference's samples can be carried to these; measured "
    "on {n} of them now and then, which makes it a little too large.",
    "coupled": "E|x₁ − y₁|² between the policy's and the reference's samples from the same noise: never below W₂².",
    "penalty": "E|v − v_ref|² in the last round: what α multiplies in the loss.",
    "ess": "The share of the draw that counts, (Σw)²/Σw² over its size: near 0 when few samples carry all the weight.",
    "secant": "An upper bound on the coupled cost from how fast the reference pulls each pair apart; no supremum.",
    "bound": "The paper's bound on W₂², e²ᴸ ∫E|v − v_ref|² dt, with L the steepest slope of the reference found "
    "on its own samples.",
    "moved": "How much of the mass the last exact round moved; near 0 it has reached its limit.",
    "round": "Rounds of fine-tuning: each draws samples, weighs them by their reward, and learns from them.",
    "speed": "Rounds of fine-tuning a second, as measured.",
    "drawn": "Particles drawn for each α{why}.",
}


def hint(key: str, **words: object) -> str:
    """The sentence that explains a read-out."""
    return HINTS[key].format(**words)


def per_cent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %" if share >= 0.1 or share == 0 else f"{100 * share:.1f} %"


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


def learned_numbers(
    history: History, lane: int, limit: Exact | None, subset: int, ess: float | None, log_bound: float
) -> list[Number]:
    """The read-outs of a network's lane."""

    def last(name: str) -> float:
        return float(history.last(name)[lane])

    def seen(name: str) -> str:
        return significant(last(name)) if last(name) > 0 else "–"

    return [
        Number("reward", "mean reward", "reward", signed(last("reward")), _exactly(limit, "reward"), hint("reward")),
        Number(
            "diversity", "diversity", "diversity", signed(last("diversity")),
            _exactly(limit, "diversity"), hint("diversity"),
        ),
        Number("w2", "distance W₂²", "W₂²", seen("w2"), _exactly(limit, "w2", "s"), hint("w2", n=subset)),
        Number("coupled", "coupled cost", "coupled", seen("coupled"), None, hint("coupled")),
        Number("penalty", "distance penalty", "penalty", seen("penalty"), None, hint("penalty")),
        Number(
            "ess", "effective samples", "effective", "–" if ess is None else per_cent(ess),
            _exactly(limit, "ess", "%"), hint("ess"),
        ),
        Number("secant", "secant bound", "secant", seen("secant"), None, hint("secant")),
        Number("bound", "the paper's bound", "bound", power_of_ten(log_bound) if seen("penalty") != "–" else "–", None,
               hint("bound")),
    ]  # fmt: skip


def exact_numbers(
    history: History, lane: int, limit: Exact | None, subset: int, ess: float, moved: float
) -> list[Number]:
    """The read-outs of a lane of the population dynamics: the present round's, with the limit beside it."""
    reward, diversity, w2 = (float(history.last(name)[lane]) for name in ("reward", "diversity", "w2"))
    return [
        Number("reward", "mean reward", "reward", signed(reward), _exactly(limit, "reward"),
               hint("reward")),
        Number("diversity", "diversity", "diversity", signed(diversity),
               _exactly(limit, "diversity"), hint("diversity")),
        Number("w2", "distance W₂²", "W₂²", significant(w2) if w2 > 0 else "–",
               _exactly(limit, "w2", "s"), hint("w2", n=subset)),
        Number("ess", "effective samples", "effective", per_cent(ess), _exactly(limit, "ess", "%"),
               hint("ess")),
        Number("moved", "moved a round", "moved", per_cent(moved), None, hint("moved")),
    ]  # fmt: skip


def session_numbers(round: int, speed: float | None, drawn: int, all_of_them: int) -> list[Number]:
    """The read-outs that belong to the whole session."""
    why = "" if drawn == all_of_them else f"; fewer than {all_of_them:,} because the computer is busy"
    return [
        Number("round", "round", "round", f"{round:,}", None, hint("round")),
        Number("speed", "rounds a second", "rounds/s", "–" if speed is None else f"{speed:.0f}", None, hint("speed")),
        Number("drawn", "particles", "particles", f"{drawn:,}", None, hint("drawn", why=why)),
    ]


def curves(history: History, limits: Sequence[Exact | None], learned: bool, subset: int) -> list[Curve]:
    """The panels: reward, diversity, and one logarithmic panel of distances to the reference."""
    names = ["exact limit" if limit is None or limit.resolved else "exact limit, about" for limit in limits]

    def linear(series: str, title: str, span: float) -> Curve:
        exact = [None if limit is None else float(getattr(limit, series)) for limit in limits]
        return Curve(
            series, title, history.series(series), history.first[series], exact, names, span=span, hint=hint(series)
        )

    distances = {"w2": "W₂²"}
    if learned:
        distances |= {"coupled": "coupled cost", "penalty": "penalty", "bound": "the paper's bound"}
    values = np.stack([history.series(name) for name in distances])  # (series, lanes, R)
    exact = [None if limit is None else limit.w2 for limit in limits]
    return [
        linear("reward", "Mean reward", 0.4),
        linear("diversity", "Diversity", 1.0),
        Curve(
            list(distances), "Distances", values, None, exact, names, hint=hint("w2", n=subset),
            log=True, names=list(distances.values()), span=1.0,
        ),
    ]  # fmt: skip
