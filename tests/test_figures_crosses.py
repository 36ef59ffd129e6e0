"""A table of dots: each where it belongs, and a column that is not there is named."""

import pytest

from orwlab.show import figures


def test_every_dot_stands_in_its_row_and_column():
    rows = {"first": ["b"], "second": [], "third": ["a", "b"]}
    figure = figures.dots_in_a_table(rows, ["a", "b", "c"], title="t")
    dots = {(x, y) for trace in figure.data for x, y in zip(trace.x, trace.y)}
    heads, names = figure.layout.xaxis.ticktext, figure.layout.yaxis.ticktext
    assert {(names[y], heads[x]) for x, y in dots} == {("first", "b"), ("third", "a"), ("third", "b")}
    assert figure.layout.yaxis.range[0] > figure.layout.yaxis.range[1], "the first row is on top"
    assert len({trace.marker.color for trace in figure.data}) == 2


def test_a_dot_in_a_column_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"rows\['first'\] is \['d'\]; allowed: .*'a', 'b'"):
        figures.dots_in_a_table({"first": ["a", "d"]}, ["a", "b"])
    with pytest.raises(ValueError, match="columns is"):
        figures.dots_in_a_table({"first": []}, [])
