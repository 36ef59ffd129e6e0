"""Distances between samples and the ladder of bounds: see ``measure.distances`` and ``measure.ladder``."""

from orwlab.measure.distances import sinkhorn_w2_squared, sliced_w2_squared, w2_squared, w2_squared_gaussian
from orwlab.measure.ladder import Ladder, Rung, bounds

__all__ = ["Ladder", "Rung", "bounds", "sinkhorn_w2_squared", "sliced_w2_squared", "w2_squared", "w2_squared_gaussian"]
