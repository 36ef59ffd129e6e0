"""The one table of controls: its scales, its checks, and that every host is made from it."""

import itertools
import json
import math
import re
from dataclasses import fields

import numpy as np
import pytest
import torch

from orwlab.show.lab import digits, own
from orwlab.show.lab.controls import BY_NAME, OF_THE_STAGE, TABLE, Number, Several
from orwlab.show.lab.settings import FROM_THE_START, Settings
from orwlab.show.notebook import controls as widgets
from orwlab.show.web import lab_markup, live_lab

SCALES = {control.name: control.scale for control in TABLE if isinstance(control, Number) and control.scale}


def test_every_setting_has_one_control():
    assert [control.name for control in TABLE] == [field.name for field in fields(Settings)]
    assert not {control.name for control in OF_THE_STAGE} & {control.name for control in TABLE}


@pytest.mark.parametrize("name", ["alpha", "lr"])
def test_a_logarithmic_scale(name):
    places = SCALES[name].places
    above_zero = [place for place in places if place > 0]
    assert (places[0], places[-1]) == (BY_NAME[name].low, BY_NAME[name].high)
    ratios = [b / a for a, b in itertools.pairwise(above_zero)]
    assert max(ratios) < 1.2  # logarithmic, up to the rounding
    assert min(ratios) > 1.05
    assert all(float(f"{place:.2g}") == place for place in places)  # as one would say them


def test_the_scale_of_alpha_has_what_people_ask_for():
    assert {0.0, 0.1, 0.3, 1.0, 3.0, 10.0} <= set(SCALES["alpha"].places)
    assert set(BY_NAME["others"].offered) <= set(SCALES["alpha"].places)


@pytest.mark.parametrize(("name", "step"), [("tau", 0.05), ("t", 0.02)])
def test_an_even_scale(name, step):
    places = SCALES[name].places
    assert (places[0], places[-1]) == (BY_NAME[name].low, BY_NAME[name].high)
    assert all(b - a == pytest.approx(step) for a, b in itertools.pairwise(places))
    assert SCALES[name].step == pytest.approx(step)
    assert SCALES["alpha"].step is None


@pytest.mark.parametrize("name", SCALES)
def test_steps_of_a_key(name):
    scale = SCALES[name]
    value = scale.places[0]
    up = [value := scale.next(value, 1) for _ in scale.places[1:]]
    assert tuple(up) == scale.places[1:]
    assert scale.next(value, 1) == value  # there is nothing above
    assert scale.next(math.nextafter(scale.places[3], math.inf), -1) == scale.places[2]  # a rounding is no step
    middle = (scale.places[1] + scale.places[2]) / 2
    assert (scale.next(middle, -1), scale.next(middle, 1)) == scale.places[1:3]
    assert scale.nearest(scale.places[5]) == scale.places[5]


def test_ticks_stand_where_the_handle_would():
    for scale in SCALES.values():
        for k, place in enumerate(scale.places):
            assert scale.share(place) == pytest.approx(k / (len(scale.places) - 1))
        shares = [scale.share(tick) for tick in scale.ticks]
        assert (shares[0], shares[-1]) == (0.0, 1.0)
        assert shares == sorted(shares)


def test_the_page_says_what_the_table_says():
    page = lab_markup.markup(live_lab.PAGE, {"": "Live lab"})
    for control in (*TABLE, *OF_THE_STAGE):
        start = re.search(rf'<(div|fieldset) class="control[^>]* id="{control.name}"[^>]*>', page)
        if control.name == "more":  # it has its button on the stage
            assert start is None
            continue
        element = page[start.start() :].split(control.help)[0]  # the help comes last
        assert len(element) < 8000
        words = [] if isinstance(control, Several) else [control.label]
        for text in [*words, *getattr(control, "rows", []), *getattr(control, "options", {}).values()]:
            assert f">{text}<" in element
        assert ("data-of" in start[0]) == (control in OF_THE_STAGE)
    for name, scale in SCALES.items():
        places = re.search(rf'id="{name}" data-places="([^"]+)"', page)[1]
        assert tuple(json.loads(places)) == scale.places


@pytest.mark.parametrize("control", TABLE, ids=lambda control: control.name)
def test_the_widget_says_what_the_table_says(control):
    settings = Settings(alpha=0.37, others=(0.5, 2.0), tau=1.37, lr=0.000234, speed=7.0)  # also between the places
    made = widgets.make(control.name, settings)
    assert (made.widget.description, made.widget.tooltip) == (control.label, control.help)
    assert made.read(made.widget.value) == getattr(settings, control.name)
    if isinstance(control, Number):
        for value in (control.low, control.high, 0.05):  # from elsewhere: the keyboard, code
            made.widget.value = made.write(value, settings.target)
            assert made.read(made.widget.value) == value
    words = [words for words, _ in getattr(made.widget, "options", [])]
    offered = [
        text for option, text in getattr(control, "options", {}).items() if own.belongs(str(option), settings.target)
    ]
    assert set(offered) <= set(words)


def test_wanted_digits_are_offered_only_in_the_plane_of_digits():
    """By the list and by the key that goes through it; what is in force stays in the list."""
    control = BY_NAME["reward"]
    made = widgets.make("reward", Settings())
    offered = lambda: [value for _, value in made.widget.options]  # noqa: E731
    assert not any(value.startswith("digits:") for value in offered())
    made.write("right", digits.PLANE)
    assert "digits:02468" in offered()
    made.write("digits:02468", "rings")
    assert [value for value in offered() if value.startswith("digits:")] == ["digits:02468"]
    for target, found in (("rings", False), (digits.PLANE, True)):
        gone_through = [value := "right"]
        while (value := control.next(value, target)) not in gone_through:
            gone_through.append(value)
        assert gone_through[0] == value, "round and round"
        assert any(one.startswith("digits:") for one in gone_through) == found


def test_a_menu_shows_values_that_it_did_not_have():
    made = widgets.make("speed", Settings(speed=7.0))
    assert "7 rounds a second" in [words for words, _ in made.widget.options]
    made.widget.value = made.write(20.0, "eight_gaussians")
    assert [value for _, value in made.widget.options] == [1.0, 4.0, 20.0, 0.0]


@pytest.mark.parametrize(
    "given",
    [
        {"alpha": np.float32(0.5), "seed": np.int64(3), "tau": torch.tensor(2), "steps_per_round": torch.tensor(4)},
        {"others": np.array([0.5, 1.0])},
        {"others": torch.tensor([0.5, 1.0], requires_grad=True)},
        {"others": [np.float64(0.5), 1]},
        {"arrows": np.True_, "t": 1, "lr": np.float64(1e-3)},
    ],
)
def test_settings_are_plain_whatever_they_were_made_of(given):
    settings = Settings(**given)
    for field in fields(Settings):
        value = getattr(settings, field.name)
        assert type(value) is type(getattr(Settings(), field.name)), field.name
        if isinstance(value, tuple):
            assert value == ((0.5, 1.0) if "others" in given and field.name == "others" else ())
            assert all(type(one) is float for one in value)
    assert Settings(**json.loads(json.dumps(vars(settings)))) == settings


def test_what_starts_again():
    assert FROM_THE_START == ("target", "methods", "weighting", "coupling", "seed")


@pytest.mark.parametrize(("text", "expected"), [("", ()), (" 0, 0.3 ,1e1,", (0.0, 0.3, 10.0)), ("5", (5.0,))])
def test_typed_lists_of_alpha(text, expected):
    assert BY_NAME["others"].read(text) == expected


@pytest.mark.parametrize("text", ["one", "1; 2", "1, 2 3"])
def test_lists_that_are_none(text):
    with pytest.raises(ValueError, match=r"further α is .*allowed: numbers with commas"):
        BY_NAME["others"].read(text)
