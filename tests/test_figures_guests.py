"""Whatever somebody has at hand goes into a figure: the same picture, or an error that names it; never another one."""

import inspect
from functools import cache

import numpy as np
import plotly.graph_objects as go
import pytest
import torch

from orwlab import rewards, targets
from orwlab.exact.frontiers import Frontiers
from orwlab.exact.sweep import Map
from orwlab.oracle import PopulationDynamics
from orwlab.show import figures
from orwlab.show.figures import Band, Curve, Patient
from orwlab.show.figures.bound import WORDS
from orwlab.sweep import Row, Table
from orwlab.tasks.images import Outcome

# numbers that every floating type holds exactly
T = torch.tensor([0.0, 0.25, 0.5, 1.0])
ROW = torch.tensor([0.5, 1.0, 2.0, 4.0])
PLANE = torch.tensor([[0.0, 1.0], [-1.0, 0.5], [2.0, -2.0], [1.0, 1.0]])
SQUARE = torch.tensor([[0.0, 1.0, 0.0, 0.5], [1.0, 2.0, 1.0, 0.25], [0.0, 1.0, 0.0, 0.5], [0.5, 0.0, 0.25, 1.0]])
WAYS = torch.stack([PLANE, PLANE + 0.5, PLANE + 1.0, PLANE + 2.0])
IMAGES = (SQUARE / 2).reshape(1, 1, 4, 4).repeat(3, 1, 1, 1)
NUMBERS = {"judge": 0.5, "off_data": 0.5, "diversity": 1.0}
LABELS = dict(xlabel="x", ylabel="y")
FIELDS = torch.rand(3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
TABLE = Table((Row(target="a", reward="b", method="c", alpha=0.5, tau=1.0, seed=0, strength=2.0, kl=0.5),))
EXACT = Map(ROW.double(), ROW[:3].double(), *FIELDS, torch.ones(4, 3).bool())


@cache
def frontiers():
    limit = PopulationDynamics(targets.get("two_modes_1d"), rewards.get("right"), axis=64)
    both = Frontiers(limit.cells, limit.reference_density, limit.reward_values)
    limit.fixed_point()
    return both, {"one": both.place(limit.density)}


GOOD = {
    "pairings": lambda: dict(panels=[("a", PLANE, PLANE, torch.tensor([1.0, 0.0, 3.0, 2.0]))]),
    "coupled_paths": lambda: dict(times=T, x=WAYS[..., :1], y=WAYS[..., 1:], names=("a", "b")),
    "ladder_over_alpha": lambda: dict(rungs={1.0: dict.fromkeys(WORDS, 2.0)}, penalty={1.0: 0.5}, start=1.0),
    "penalty_against_distance": lambda: dict(runs={"a": PLANE.abs() + 1}),
    "paths_in_time": lambda: dict(panels=[("a", T, SQUARE)], density=(T, ROW, SQUARE), mark=(0.5, 1.0)),
    "velocities_at_a_point": lambda: dict(drawn=ROW, grid=ROW, density=ROW, mean=1.0, bins=3),
    "arrows_in_panels": lambda: dict(panels=[("a", PLANE, PLANE)], points=PLANE, extent=3.0, length=0.5),
    "trajectories_in_panels": lambda: dict(panels=[("a", WAYS)], extent=3.0),
    "labelled_curves": lambda: dict(
        lines=[Curve("a", ROW, ROW)], log_x=True, log_y=True, y_range=(0.5, 8.0), room=100, **LABELS
    ),
    "densities_in_panels": lambda: dict(panels=[("a", SQUARE)], domain=4.0, extent=2.0, reward=SQUARE),
    "under_frontiers": lambda: dict(both=frontiers()[0], placed=frontiers()[1]),
    "samples_in_panels": lambda: dict(
        panels=[("a", PLANE)], reference=PLANE, contours=[(ROW, SQUARE)], reward=rewards.get("right"), extent=4.0
    ),
    "curves_over_rounds": lambda: dict(series={"a": ROW}, exact={"a": 2.0}, ylabel="y"),
    "digits_over_alpha": lambda: dict(outcomes=[Outcome(1.0, IMAGES, 0.5, NUMBERS)], columns=2, wanted="odd"),
    "images_over_alpha": lambda: dict(
        outcomes=[Outcome(1.0, IMAGES, 0.5, NUMBERS)], said={"judge": "{:.1f}"}, columns=2
    ),
    "images_in_rows": lambda: dict(rows=[("a", "b", IMAGES)], columns=2),
    "seeds_over_alpha": lambda: dict(alphas=[0.0, None], numbers={"a": SQUARE[:2]}, ylabel="y", y_range=(-1.0, 3.0)),
    "dots_in_a_table": lambda: dict(rows={"a": ["u"], "b": []}, columns=["u", "v"]),
    "bars": lambda: dict(groups={"a": {"u": 1.0, "v": 2.0}}, log_y=True, **LABELS),
    "curves": lambda: dict(lines=[Curve("a", ROW, ROW, "markers", "red")], log_x=True, log_y=True, **LABELS),
    "densities_on_a_line": lambda: dict(x=ROW, densities={"a": ROW}, reference=ROW),
    "learned_against_exact": lambda: dict(groups={"a": (ROW, ROW)}),
    "maps_over_alpha_and_tau": lambda: dict(exact=EXACT, points=[(0.5, 1.0, 0.25, 2.0)], collapse=0.5),
    "readings_table": lambda: dict(chart={"a": {"u": 1.0, "v": 2.0}}),
    "reward_against_diversity": lambda: dict(alphas=ROW, exact=(ROW, ROW), learned={1.0: PLANE.abs()}, collapse=0.5),
    "sweep_maps": lambda: dict(table=TABLE, what="kl"),
    "sweep_over_alpha": lambda: dict(table=TABLE, tau=1.0, what="kl"),
    "ward": lambda: dict(patients=[Patient("a", PLANE, ROW)], reference=PLANE, extent=3.0),
    "bands": lambda: dict(
        estimates=[Band("a", ROW, ROW, ROW / 2, ROW * 2)], truth=Curve("b", ROW, ROW), log_y=True, show=ROW, **LABELS
    ),
    "weighted_regression": lambda: dict(x_t=ROW, u_t=ROW, w=ROW, curves=[Curve("a", ROW, ROW)], **LABELS),
    "readings_over_particles": lambda: dict(readings={"a": SQUARE}, particles=ROW, within=0.25),
    "weighted_samples": lambda: dict(
        panels=[("a", PLANE, ROW, PLANE)], contours=[(ROW, SQUARE)], extent=3.0, centre=(1.0, 0.0)
    ),
}

SAME = {  # what holds the same numbers
    "float64": torch.Tensor.double,
    "bf16": torch.Tensor.bfloat16,
    "numpy": torch.Tensor.numpy,
    "numpy, reversed twice": lambda x: x.numpy()[::-1].copy()[::-1],
    "list": torch.Tensor.tolist,
    "with a gradient": lambda x: x.clone().requires_grad_(),
    "not contiguous": lambda x: torch.stack([x, x], -1)[..., 0],
}


def changed(value, change):
    """Every tensor in a value, however deep, changed."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Curve | Band | Patient | Outcome):
        return type(value)(**{name: changed(part, change) for name, part in vars(value).items()})
    if isinstance(value, dict):
        return {name: changed(part, change) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(changed(part, change) for part in value)
    return value


def alike(a, b):
    """Two figures that show the same."""
    for one, other in zip(a.data, b.data, strict=True):
        for name in ("x", "y", "z"):
            left, right = getattr(one, name, None), getattr(other, name, None)
            if left is not None and not isinstance(left[0], str):
                assert np.allclose(np.asarray(left, float), np.asarray(right, float), atol=1e-6, equal_nan=True)
    assert a.layout.to_plotly_json().keys() == b.layout.to_plotly_json().keys()
    assert [note.text for note in a.layout.annotations] == [note.text for note in b.layout.annotations]


def figure_functions():
    return {
        name: f
        for name, f in vars(figures).items()
        if inspect.isfunction(f) and name != "described" and not name.startswith("_")
    }


def test_every_figure_is_tried_here():
    functions = figure_functions()
    assert set(functions) == set(GOOD)
    for name, f in functions.items():
        assert set(GOOD[name]()) | {"title"} == set(inspect.signature(f).parameters) | {"title"}


@pytest.mark.parametrize("kind", SAME)
@pytest.mark.parametrize(
    "name", sorted(GOOD.keys() - {"bars", "maps_over_alpha_and_tau", "readings_table", "under_frontiers"})
)
def test_the_same_numbers_give_the_same_figure(name, kind):
    """All that take tensors."""
    f = getattr(figures, name)
    alike(f(**GOOD[name]()), f(**changed(GOOD[name](), SAME[kind])))


ODD = {
    "None": lambda: None,
    "a text": lambda: "nonsense",
    "an empty text": lambda: "",
    "minus one": lambda: -1.0,
    "numpy's minus one": lambda: np.float32(-1.0),
    "huge": lambda: 10**400,
    "infinite": lambda: float("inf"),
    "NaN": lambda: float("nan"),
    "an object": object,
    "an empty list": list,
    "an empty dictionary": dict,
    "a list of texts": lambda: ["a", "b"],
    "no numbers": lambda: torch.zeros(0),
    "no points": lambda: torch.zeros(0, 2),
    "a column": lambda: torch.ones(4, 1),
    "a number": lambda: torch.tensor(2.0),
    "not numbers": lambda: torch.full((4,), float("nan")),
    "points, NaN": lambda: torch.full((4, 2), float("nan")),
    "complex": lambda: torch.ones(4, dtype=torch.complex64),
    "objects": lambda: np.array([None, "a"], dtype=object),
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    "a generator": lambda: (k for k in range(3)),
}
DEEP = ("None", "a text", "minus one", "no numbers", "a column", "not numbers")


def places(value, path=()):
    """Every place in a value where something else could stand, as a path."""
    yield path
    parts = {}
    if isinstance(value, Curve | Band | Patient):
        parts = vars(value)
    elif isinstance(value, dict):
        parts = value
    elif isinstance(value, list | tuple):
        parts = dict(enumerate(value))
    for key, part in parts.items():
        yield from places(part, (*path, key))


def replaced(value, path, guest):
    if not path:
        return guest
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {k: replaced(v, rest, guest) if k == key else v for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(replaced(v, rest, guest) if k == key else v for k, v in enumerate(value))
    return type(value)(**replaced(vars(value), path, guest))


@pytest.mark.parametrize("name", GOOD)
def test_an_odd_guest_is_drawn_or_named(name):
    """Every guest in the place of every argument; some of them in the place of every part of one."""
    f, good = getattr(figures, name), GOOD[name]() | {"title": "t"}
    if name == "digits_over_alpha":
        del good["title"]
    said = "no figure"
    for path in places(good):
        for guest in ODD if len(path) == 1 else DEEP if path else ():
            arguments = replaced(good, path, ODD[guest]())
            try:
                fine = isinstance(f(**arguments), go.Figure)
            except Exception as error:
                fine, said = isinstance(error, ValueError) and "allowed" in str(error), repr(error)
            assert fine, f"{guest} for {path}: {said}"


@pytest.mark.parametrize("name", GOOD)
def test_numbers_that_are_none_are_refused(name):
    """NaN in points, densities, weights, times; in a line's y it is a gap."""
    f, good = getattr(figures, name), GOOD[name]()
    gaps = {("series", "a"), ("lines", 0, "y"), ("densities", "a"), ("reference",), ("patients", 0, "rewards")}
    gaps |= {("truth", "y"), ("estimates", 0, "y"), ("curves", 0, "y")}
    for path in places(good):
        value = good
        for key in path:
            value = value[key] if isinstance(value, dict | list | tuple) else getattr(value, key)
        if isinstance(value, torch.Tensor):
            spoilt = value.clone()
            spoilt.view(-1)[0] = float("nan")
            if path in gaps and (path != ("reference",) or name == "densities_on_a_line"):
                f(**replaced(good, path, spoilt))
            else:
                with pytest.raises(ValueError, match=r"NaN|finite"):
                    f(**replaced(good, path, spoilt))
