"""The trade-off that alpha sets, by the name that notebooks use: see ``exact.sweep``."""

from orwlab.exact.sweep import Map, alpha_for, alpha_from_rewards, limits, mean_distance

__all__ = ["Map", "alpha_for", "alpha_from_rewards", "limits", "mean_distance"]
