"""The trade-off that alpha sets, by the name that notebooks use: see ``exact.sweep``."""

from orwlab.exact.sweep import FewSamplesWarning, Map, alpha_for, alpha_from_rewards, limits, mean_distance

__all__ = ["FewSamplesWarning", "Map", "alpha_for", "alpha_from_rewards", "limits", "mean_distance"]
