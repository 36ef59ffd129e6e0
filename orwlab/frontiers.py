"""The frontiers of E[r], by the name that notebooks use: see ``exact.frontiers``."""

from orwlab.exact.frontiers import Frontier, Frontiers, Placement, w2_distance_squared

__all__ = ["Frontier", "Frontiers", "Placement", "w2_distance_squared"]
