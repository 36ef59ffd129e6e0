"""How figures look: Okabe and Ito's colours, which people with any colour vision tell apart, and a plotly template."""

from typing import Any

import plotly.graph_objects as go

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
CYCLE = [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK]
GHOST = "#9AA3AF"
"""the reference, behind what is shown"""

_INK, _GRID = "#1B2430", "#E3E6EB"


def template(font_size: int = 15) -> go.layout.Template:
    """The plotly template of every figure: white, thin grid, large type."""
    axis: dict[str, Any] = dict(
        gridcolor=_GRID, linecolor="#8A94A3", zerolinecolor=_GRID, ticks="outside", ticklen=4, automargin=True
    )
    return go.layout.Template(
        layout=go.Layout(
            colorway=CYCLE,
            font=dict(family="DejaVu Sans, Verdana, Arial, sans-serif", size=font_size, color=_INK),
            title=dict(x=0.02, xanchor="left", font=dict(size=font_size + 4)),
            paper_bgcolor="white",
            plot_bgcolor="white",
            xaxis=axis,
            yaxis=axis,
            margin=dict(l=60, r=20, t=60, b=50),
            legend=dict(bgcolor="rgba(255,255,255,0.7)"),
        )
    )
