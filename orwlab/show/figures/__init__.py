"""Every figure of notebooks, README, reports and app, once: functions from results to plotly figures."""

from orwlab.show.figures.samples import curves_over_rounds, digits_over_alpha, samples_in_panels
from orwlab.show.figures.theory import Curve, bars, curves, densities_on_a_line, learned_against_exact

__all__ = [
    "Curve",
    "bars",
    "curves",
    "curves_over_rounds",
    "densities_on_a_line",
    "digits_over_alpha",
    "learned_against_exact",
    "samples_in_panels",
]
