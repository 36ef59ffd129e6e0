"""What samples look like, by the name that notebooks use: see ``measure.samples``."""

from orwlab.measure.samples import (
    DataRegion,
    collapsed,
    coverage,
    energy_distance,
    mean_pairwise_distance,
    mode_mass,
    precision_and_recall,
    vendi_score,
)

__all__ = [
    "DataRegion",
    "collapsed",
    "coverage",
    "energy_distance",
    "mean_pairwise_distance",
    "mode_mass",
    "precision_and_recall",
    "vendi_score",
]
