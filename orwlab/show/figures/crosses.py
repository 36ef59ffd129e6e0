"""Which of several things each of a list has: a table of dots."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from orwlab import checks
from orwlab.show import theme
from orwlab.show.figures import given, layout

ROW = 30  # pixels from one row to the next
COLUMN = 120


def dots_in_a_table(rows: Mapping[str, Sequence[str]], columns: Sequence[str], *, title: str = "") -> go.Figure:
    """A row for each name, from the top down, with a dot in each of its columns.

    Args:
        rows: the columns in which each row has its dots, by the row's name.
        columns: their names, from left to right.
        title: above the table.

    Raises:
        ValueError: no rows, no columns, or a dot in a column that is not there.
    """
    heads = _texts("columns", columns)
    named = given.by_name("rows", rows, "at least one row, its columns by its name")
    dots = {name: _texts(f"rows[{name!r}]", found, empty=True) for name, found in named.items()}
    for name, found in dots.items():
        given.among(f"rows[{name!r}]", dict.fromkeys(found), dict.fromkeys(heads))
    names = list(dots)
    figure = go.Figure()
    for k, head in enumerate(heads):
        y = [row for row, found in enumerate(dots.values()) if head in found]
        if not y:
            continue
        colour = theme.CYCLE[k % len(theme.CYCLE)]
        figure.add_trace(go.Scatter(x=[k] * len(y), y=y, mode="markers", marker=dict(size=15, color=colour)))
    left = int(max(layout.width_of(name, 15) for name in names)) + 20
    room = max(COLUMN, int(max(layout.width_of(head, 15) for head in heads)) + 16)
    figure.update_traces(hoverinfo="skip")
    figure.update_xaxes(
        side="top", tickvals=list(range(len(heads))), ticktext=heads, range=[-0.6, len(heads) - 0.4], zeroline=False
    )
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6], zeroline=False
    )
    return layout.finished(
        figure,
        title,
        width=left + room * len(heads) + 20,
        height=ROW * len(names) + 130,
        top=(110, 60),
        bottom=15,
        showlegend=False,
        margin=dict(l=left, r=20),
    )


def _texts(name: str, values: Any, *, empty: bool = False) -> list[str]:
    allowed = "names in a list" if empty else "at least one name, in a list"
    if isinstance(values, str | Mapping) or not isinstance(values, Sequence) or not (values or empty):
        raise checks.fail(name, values, allowed)
    if not all(isinstance(value, str) for value in values):
        raise checks.fail(name, values, allowed)
    return list(values)
