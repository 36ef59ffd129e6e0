"""A run of the lab as a notebook's cell: executed, it prints the lab's own numbers."""

import contextlib
import io
import re
from dataclasses import replace

import pytest

from orwlab.show.lab.cell import cell
from orwlab.show.lab.session import Session
from orwlab.show.lab.story import RESUME, Story


def lab(story, mode, measured):
    """What the lab shows at the story's end: (mean reward, diversity), one a lane."""
    session = Session(particles=20)
    session.begin(replace(story, start=story.start.changed(mode=mode, measured=measured)))
    while session.advance() or session.idle_for < 1:
        pass
    history = session.history
    session.close()
    return list(zip(history.last("reward"), history.last("diversity"), strict=True))


def printed(source):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "cell", "exec"), {})
    lines = out.getvalue().splitlines()
    return [tuple(float(number) for number in re.findall(r"-?\d+\.\d+", line)[-2:]) for line in lines]


STORIES = {
    "plain": {"scene": {"alpha": 0.3, "tau": 2.0}, "round": 12},
    "steered": {
        "scene": {"target": "two_moons", "weighting": "mean_one", "steps_per_round": 2, "seed": 5},
        "log": [[4, "alpha", 0.1], [4, "reward", "bump"], [9, "tau", 3.0], [9, "lr", 0.002]],
        "round": 14,
    },
    "lanes": {"scene": {"alpha": 0.0, "others": [0.5, 3.0]}, "log": [[3, "others", [1.0, 2.0]]], "round": 6},
    "pairs by transport": {"scene": {"coupling": "ot"}, "round": 3},
    "at rest": {"scene": {}, "round": 0},
    "to a budget": {
        "scene": {"steer": "w2", "budget": 0.3, "others": [2.0]},
        "log": [[3, "budget", 0.6], [6, "steer", ""], [7, "alpha", 0.2], [9, "steer", "w2"], [10, "others", [1.0]]],
        "round": 14,
    },
    "at fault": {
        "scene": {"fault": "shuffled", "tau": 2.0},
        "log": [[4, "fault", ""], [6, "reward", "bump"]],
        "round": 9,
    },
    "digits": {
        "scene": {"target": "digits_latent", "reward": "digits:02468", "alpha": 0.3},
        "log": [[3, "reward", "digits:17"]],
        "round": 6,
    },
}


@pytest.mark.parametrize("measured", ["average", "iterate"])
@pytest.mark.parametrize("name", STORIES)
def test_the_cell_prints_the_labs_numbers(name, measured):
    story = Story.read(STORIES[name])
    found, wanted = printed(cell(story, "learned", measured)), lab(story, "learned", measured)
    assert len(found) == len(wanted) == len(story.settings.alphas)
    for there, here in zip(found, wanted, strict=True):
        assert there == pytest.approx(here, abs=6e-4)  # three decimals


@pytest.mark.parametrize("name", ["plain", "lanes", "to a budget", "at fault", "digits"])
def test_the_exact_cell_prints_the_exact_numbers(name):
    story = Story.read(STORIES[name])
    found, wanted = printed(cell(story, "exact")), lab(story, "exact", "average")
    for there, here in zip(found, wanted, strict=True):
        assert there == pytest.approx(here, abs=6e-4)


def test_the_exact_cell_steers_by_kl():
    story = Story.read(
        {"scene": {"steer": "kl", "budget": 2.0, "mode": "exact"}, "log": [[9, "steer", "w2"]], "round": 12}
    )
    assert printed(cell(story, "exact"))[0] == pytest.approx(lab(story, "exact", "average")[0], abs=6e-4)
    plain = Story(story.start.changed(steer=""), (), story.round)
    assert abs(printed(cell(plain, "exact"))[0][0] - printed(cell(story, "exact"))[0][0]) > 0.02


def test_a_change_changes_the_numbers():
    """Otherwise the comparison above would say nothing about the log."""
    steered = Story.read(STORIES["steered"])
    plain = Story(steered.start, (), steered.round)
    assert abs(printed(cell(steered))[0][0] - printed(cell(plain))[0][0]) > 0.02


def test_a_run_that_stopped_on_the_way_is_no_cell():
    story = Story.read({"scene": {}, "log": [[5, RESUME, True]], "round": 9})
    with pytest.raises(ValueError, match="stopped"):
        cell(story)
