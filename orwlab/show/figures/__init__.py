"""Every figure of notebooks, README, reports and app, once: functions from results to plotly figures."""

# ruff: noqa: F401  the imports are the list of exports: a new module adds its own lines, in alphabetical order

from orwlab.show.figures.alt_text import described
from orwlab.show.figures.bound import coupled_paths, ladder_over_alpha, pairings, penalty_against_distance
from orwlab.show.figures.crosses import dots_in_a_table
from orwlab.show.figures.flow import arrows_in_panels, paths_in_time, trajectories_in_panels, velocities_at_a_point
from orwlab.show.figures.online import labelled_curves
from orwlab.show.figures.optima import densities_in_panels, under_frontiers
from orwlab.show.figures.samples import (
    curves_over_rounds,
    digits_over_alpha,
    images_in_rows,
    images_over_alpha,
    samples_in_panels,
)
from orwlab.show.figures.sweep import sweep_maps, sweep_over_alpha
from orwlab.show.figures.theory import Curve, bars, curves, densities_on_a_line, learned_against_exact
from orwlab.show.figures.tradeoff import (
    Patient,
    maps_over_alpha_and_tau,
    readings_table,
    reward_against_diversity,
    seeds_over_alpha,
    ward,
)
from orwlab.show.figures.weighting import Band, bands, weighted_regression, weighted_samples
from orwlab.show.figures.yardstick import readings_over_particles
