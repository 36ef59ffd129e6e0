"""Three optima of one reward, by the name that notebooks use: see ``exact.optima``."""

from orwlab.exact.optima import (
    EffectiveTemperature,
    MixtureLimit,
    Optimum,
    Proximal,
    effective_temperature,
    kl_tilt,
    mixture_limit,
    relative_entropy,
    w2_proximal,
)

__all__ = [
    "EffectiveTemperature",
    "MixtureLimit",
    "Optimum",
    "Proximal",
    "effective_temperature",
    "kl_tilt",
    "mixture_limit",
    "relative_entropy",
    "w2_proximal",
]
