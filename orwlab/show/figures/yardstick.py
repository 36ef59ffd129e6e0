"""What a reading owes to the noise that it is read on, and what to the policy that is read."""

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given
from orwlab.show.figures.given import Numbers, Values
from orwlab.show.figures.theory import Curve, ticks
from orwlab.show.figures.weighting import Band, bands


def readings_over_particles(
    readings: Mapping[str, Values], particles: Numbers, *, within: float = 0.02, title: str = ""
) -> go.Figure:
    """Readings minus the exact value, over the number of particles they were read on.

    A line is their mean, the band around it one standard deviation to either side. A line off zero is the policy's
    fault, or the method's; the width of the band is chance, of the noise or of the training.

    Args:
        readings: (m, k) by the name of how they were made: k of them for each number of particles, such as those of
            several seeds and rounds.
        particles: (m,), growing, > 0.
        within: half the height of the grey strip in which a reading is as good as the exact value.
        title: above the figure.

    Raises:
        ValueError: nothing to draw, shapes that do not fit, numbers that are not finite or do not grow.
    """
    x = given.line("particles", particles, positive=True)
    if (np.diff(x) <= 0).any():
        raise checks.fail("particles", particles, "growing numbers")
    within = checks.number("within", within, above=0.0)
    estimates = []
    for name, values in given.by_name("readings", readings, "at least one series by its name").items():
        found = given.field(f"readings[{name!r}]", values, (len(x), None))  # (m, k)
        mean, spread = found.mean(1), found.std(1)
        estimates.append(Band(name, x, mean, mean - spread, mean + spread))
    truth = Curve("exact", x, np.zeros_like(x))
    edges = (-1.2 * within, 1.2 * within)  # both of the strip are to be seen
    figure = bands(estimates, truth, xlabel="particles", ylabel="reading − exact", title=title, show=edges)
    ends = [float(np.log10(x[0])), float(np.log10(x[-1]))]
    figure.update_xaxes(type="log", range=ends, **ticks(*ends))
    figure.add_hrect(-within, within, fillcolor=theme.GHOST, opacity=0.18, line_width=0, layer="below")
    return figure
