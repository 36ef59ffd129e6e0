"""The Trade-off map's numbers: against the oracle, against the limits on the stage, and against each other."""

import contextlib
import itertools
import math
import random

import pytest
import torch
from own_loop import in_own_loop
from test_orders import junk

from orwlab import flow, frontiers, rewards, targets
from orwlab.exact import sweep
from orwlab.finetune import FineTuning
from orwlab.oracle import PopulationDynamics
from orwlab.show.lab import exact, fitting, measures, own, point_table, points, tradeoffs, yardstick
from orwlab.show.lab.settings import Settings
from orwlab.show.web.trade_off import PAGE, TradeOffs

PLACE = ("eight_gaussians", "right", "exp")


@pytest.fixture(scope="module")
def row():
    """The map's first row, that of tau = 1, by alpha."""
    cells = itertools.islice(tradeoffs.cells(*PLACE), len(tradeoffs.ALPHAS))
    return {cell["alpha"]: cell for cell in cells}


@pytest.fixture
def small(monkeypatch):
    """A map of three cells on a coarser grid: seconds instead of half a minute."""
    monkeypatch.setattr(exact, "LIMIT_AXIS", 64)
    monkeypatch.setattr(tradeoffs, "ALPHAS", (0.5, 2.0, 10.0))
    monkeypatch.setattr(tradeoffs, "TAUS", (1.0,))


def test_a_map_has_every_alpha_and_tau_once_and_begins_with_tau_1(monkeypatch):
    monkeypatch.setattr(exact, "LIMIT_AXIS", 16)
    monkeypatch.setattr(exact, "MAX_ROUNDS", 2)
    found = [(cell["alpha"], cell["tau"]) for cell in tradeoffs.cells(*PLACE)]
    assert sorted(found) == sorted(itertools.product(tradeoffs.ALPHAS, tradeoffs.TAUS))
    assert {tau for _, tau in found[: len(tradeoffs.ALPHAS)]} == {1.0}
    assert [alpha for alpha, _ in found[: len(tradeoffs.ALPHAS)]] == sorted(tradeoffs.ALPHAS, reverse=True)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_a_cell_is_where_the_oracle_s_own_search_ends(row, alpha):
    alone = PopulationDynamics(targets.get(PLACE[0]), rewards.get(PLACE[1]), alpha=alpha, axis=exact.LIMIT_AXIS)
    assert alone.fixed_point(1e-6, accelerated=alpha < 1).converged
    assert row[alpha]["state"] == "exact"
    assert row[alpha]["reward"] == pytest.approx(alone.mean_reward, abs=1e-4)
    assert row[alpha]["kl"] == pytest.approx(alone.kl, abs=1e-3)
    assert row[alpha]["diversity"] == pytest.approx(sweep.mean_distance(alone.cells, alone.density), abs=1e-3)
    # read off 256 points, as it is of networks, against transport between the cells' masses
    between = frontiers.w2_distance_squared(alone.cells, alone.density, alone.reference_density, max_atoms=1500)
    assert row[alpha]["w2"] == pytest.approx(between, rel=0.04, abs=0.05)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 2.0])
def test_a_cell_is_the_limit_that_the_stage_shows_beside_networks(row, alpha):
    shown = exact.limit(Settings(mode="both", alpha=alpha), alpha)
    assert row[alpha]["reward"] == pytest.approx(shown.reward, abs=2e-4)
    assert row[alpha]["diversity"] == pytest.approx(shown.diversity, abs=2e-3)
    assert row[alpha]["w2"] == pytest.approx(shown.w2, abs=0.02)


def test_a_larger_alpha_has_less_reward_more_variety_and_lies_nearer(row):
    cells = [row[alpha] for alpha in sorted(row)]
    for a, b in itertools.pairwise(cells):
        assert b["reward"] < a["reward"] - 0.01
        assert b["diversity"] > a["diversity"]
        assert b["kl"] < a["kl"]
        assert b["w2"] < a["w2"]
    at_rest = PopulationDynamics(targets.get(PLACE[0]), rewards.get(PLACE[1]), axis=exact.LIMIT_AXIS)
    # at large alpha the recursion adds log((w + alpha) / (Z + alpha)) to the reference, to first order in 1 / alpha
    mass, r = at_rest.reference_density * at_rest.cells.dx**2, at_rest.reward_values
    gained = float((mass * r * (r.exp() - (mass * r.exp()).sum())).sum()) / cells[-1]["alpha"]
    assert cells[-1]["reward"] - at_rest.mean_reward == pytest.approx(gained, rel=0.05)


def test_no_cell_has_more_reward_than_its_distance_allows(row):
    at_rest = PopulationDynamics(targets.get(PLACE[0]), rewards.get(PLACE[1]), axis=exact.LIMIT_AXIS)
    allowed = frontiers.Frontiers(at_rest.cells, at_rest.reference_density, at_rest.reward_values)
    for cell in row.values():
        assert cell["reward"] <= allowed.kl.allowed(cell["kl"]) + 1e-4  # Gibbs' variational principle
        assert cell["reward"] <= allowed.w2.allowed(1.04 * cell["w2"] + 0.02) + 1e-3


@pytest.mark.parametrize("weighting", ["exp", "mean_one", "clipped"])
@pytest.mark.parametrize(("target", "reward"), [("two_moons", "bump"), ("rings", "right"), ("four_modes", "angle")])
def test_on_other_targets_too(small, target, reward, weighting):
    far, middle, near = tradeoffs.cells(target, reward, weighting)
    assert [cell["alpha"] for cell in (far, middle, near)] == [10.0, 2.0, 0.5]
    for a, b in [(far, middle), (middle, near)]:
        assert b["reward"] > a["reward"] + 0.005
        assert b["kl"] > a["kl"]
        assert b["w2"] > a["w2"]


def test_what_somebody_brings_along_has_a_map_too(small):
    named = [*tradeoffs.cells("eight_gaussians", "ring", "exp")]
    typed = [*tradeoffs.cells("eight_gaussians", "formula:exp(-((r-1.8)/0.8)^2/2)", "exp")]
    for a, b in zip(named, typed, strict=True):
        for name in tradeoffs.MEASURES:
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=1e-6)


def test_where_there_is_no_limit_a_cell_has_words_and_no_numbers(small, monkeypatch):
    monkeypatch.setattr(tradeoffs, "TAUS", (2.5,))
    far, _, near = tradeoffs.cells("eight_gaussians", "plane", "mean_one")
    assert far["state"] == "exact"
    assert near["state"] == "none"
    assert near["why"] == "no limit: the reward has no ceiling"
    assert all(near[name] is None for name in tradeoffs.MEASURES)


def test_where_the_grid_hardly_resolves_it_a_cell_says_so(small):
    for cell in tradeoffs.cells("rings", "right", "exp"):  # rings are thinner than two cells of this grid
        assert cell["state"] == "rough"
        assert cell["why"] == "rough: nearly finer than the grid"
        assert -1 < cell["reward"] < 1


# Goals ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quantity", "goal", "tau", "weighting"),
    [("reward", 0.6, 1.0, "exp"), ("reward", 0.3, 2.5, "mean_one"), ("diversity", 3.0, 1.0, "exp"),
     ("kl", 0.2, 1.0, "exp"), ("w2", 4.0, 1.6, "exp")],
)  # fmt: skip
def test_the_alpha_for_a_goal_reaches_it(small, quantity, goal, tau, weighting):
    (found,) = tradeoffs.reaching("eight_gaussians", "right", weighting, tau, quantity, goal)
    close = {"reward": 0.003, "diversity": 0.01, "kl": 0.003, "w2": 0.06}[quantity]
    assert found[quantity] == pytest.approx(goal, abs=close)
    assert float(f"{found['alpha']:.3g}") == found["alpha"]  # what is said is what it is
    alone = PopulationDynamics(
        targets.get("eight_gaussians"), rewards.get("right"), tau, found["alpha"], weighting=weighting, axis=64
    )
    assert alone.fixed_point(1e-6).converged
    if quantity == "reward":
        assert alone.mean_reward == pytest.approx(goal, abs=close)
    if quantity == "kl":
        assert alone.kl == pytest.approx(goal, abs=close)
    if quantity == "diversity":
        assert sweep.mean_distance(alone.cells, alone.density) == pytest.approx(goal, abs=close)


def test_a_goal_out_of_reach_is_told_what_can_be_reached(small):
    with pytest.raises(ValueError, match=r"No α gives that: at τ = 1, .* mean reward goes from 0\.004\d+ to 0.79\d?\."):
        next(tradeoffs.reaching("eight_gaussians", "right", "exp", 1.0, "reward", 0.99))
    with pytest.raises(ValueError, match="No α gives that"):
        next(tradeoffs.reaching("eight_gaussians", "right", "exp", 1.0, "reward", -0.5))


def test_a_goal_beyond_the_last_limit_is_told_so_and_one_just_before_it_is_found(small):
    place = ("eight_gaussians", "plane", "mean_one", 2.5, "reward")  # without a ceiling: no limit at small alpha
    with pytest.raises(ValueError, match=r"No α gives that: .* goes from .* to 0\.\d+, and below there is no limit\."):
        next(tradeoffs.reaching(*place, 4.5))
    with pytest.raises(ValueError, match="No α gives that") as failure:
        next(tradeoffs.reaching(*place, 0.9))
    most = float(str(failure.value).split(" to ")[2].split(",")[0])
    (found,) = tradeoffs.reaching(*place, 0.97 * most)
    assert found["reward"] == pytest.approx(0.97 * most, abs=0.005)
    assert found["state"] != "none"


# Networks -------------------------------------------------------------------------------------------------------------


def test_networks_are_trained_and_read_as_the_lab_does_it(monkeypatch):
    monkeypatch.setattr(tradeoffs, "ROUNDS", 4)
    monkeypatch.setattr(tradeoffs, "TELL_EVERY", 2)
    pieces = [*tradeoffs.networks(*PLACE, 2.0, (0.5, 3.0))]
    rounds = [piece["rounds"] for piece in pieces]
    assert rounds == sorted(rounds)
    assert {piece["of"] for piece in pieces} == {2 * 2 * 4} == {rounds[-1]}
    points = [piece["point"] for piece in pieces if "point" in piece]
    assert [(p["alpha"], p["seed"]) for p in points] == [(0.5, 0), (0.5, 1), (3.0, 0), (3.0, 1)]
    run = FineTuning(measures.network(PLACE[0]), rewards.get(PLACE[1]), 2.0, 3.0, seed=1)
    for _ in run.rounds(4):
        pass
    x = flow.push(run.average, yardstick.noise(), run.sampler)
    y = flow.push(run.reference, yardstick.noise(), run.sampler)
    assert points[-1]["reward"] == pytest.approx(float(run.reward(x).mean()), abs=1e-6)
    assert points[-1]["diversity"] == pytest.approx(measures.diversity(x), abs=1e-6)
    assert points[-1]["w2"] == pytest.approx(measures.transport(x, y)[0], abs=1e-6)


def test_networks_learn_what_somebody_brings_along_first(monkeypatch):
    monkeypatch.setattr(fitting, "STEPS", 3)
    monkeypatch.setattr(tradeoffs, "ROUNDS", 2)
    mine = points.write(points.sketch([[-2.0, 0.3], [2, 0.1], [2, 1.7]]))
    found = [
        piece["point"] for piece in tradeoffs.networks(mine, "formula:x", "mean_one", 1.0, (1.0,)) if "point" in piece
    ]
    assert [point["seed"] for point in found] == [0, 1]
    assert all(math.isfinite(point["reward"] + point["diversity"] + point["w2"]) for point in found)


def test_a_network_that_diverges_is_told_of(monkeypatch):
    monkeypatch.setattr(tradeoffs, "ROUNDS", 3)
    monkeypatch.setattr(tradeoffs.lanes.LearnedLanes, "read", lambda lanes, lane, dear: None)
    pieces = [*tradeoffs.networks(*PLACE, 1.0, (1.0,))]
    assert [piece["lost"] for piece in pieces if "lost" in piece] == [
        f"The network of α = 1, τ = 1, seed {seed} has diverged." for seed in (0, 1)
    ]
    assert not any("point" in piece for piece in pieces)


# Points from elsewhere ------------------------------------------------------------------------------------------------

WHOLE = {"alpha": 0.5, "tau": 1.0, "seed": 3.0, "reward": -0.25, "diversity": 2.5, "w2": 6.0}
FEW = {"alpha": 0.5, "tau": 1.0, "seed": None, "reward": 0.5, "diversity": None, "w2": None}


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("alpha,tau,seed,reward,diversity,w2\n0.5,1,3,-0.25,2.5,6\n", WHOLE),
        ("\ufeffw2;Diversity;REWARD;seed;tau;alpha\r\n6;2,5;−0,25;3;1;0,5\r\n\r\n", WHOLE),
        ("α\tτ\tnote\treward\n0.5\t1\thello\t0.5", FEW),
        ("alpha,tau,reward,w2,diversity\n0.5,1,0.5,NaN,\n0.5,1,\n", FEW),
        ('"alpha", "tau", "reward"\n"0.5", "1", "0.5"', FEW),
    ],
)
def test_a_table_of_points_is_read_as_programs_write_it(text, point):
    points, report = point_table.parse(text)
    assert points == [point]
    assert report[0] == "Read 1 point."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("alpha,tau,reward\n", "no rows"),
        ("1,2,3\n4,5,6", "no column “alpha”"),
        ("alpha,tau\n1,1", "no column “reward”"),
        ("alpha,tau,reward\n1,1,much", "Line 2: “much” in column “reward”; allowed: a number"),
        ("alpha,tau,reward\n-1,1,1", "Line 2: “-1” in column “alpha”"),
        ("alpha,tau,reward\n1,1,1e99", "allowed: a number from -1,000,000,000 to 1,000,000,000"),
        ("alpha,tau,reward\n1,1,inf", "“inf”"),
        ("alpha,tau,reward\n,,\n", "No row has all of"),
        ("x" * 2_000_000, "at most 1,000,000"),
        ("alpha,tau,reward\n" + "1" * 200_000, "cannot be read: field larger"),
        (None, "allowed: the text of a table"),
        (b"alpha", "allowed: the text of a table"),
    ],
)
def test_a_table_that_is_none_is_refused_in_a_sentence(text, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")) as failure:
        point_table.parse(text)
    assert len(str(failure.value)) < 400


def test_a_table_of_anything_is_points_or_a_sentence():
    dice = random.Random(0)
    pieces = [
        "alpha",
        "tau",
        "reward",
        ",",
        ";",
        "\t",
        "\n",
        "1",
        "0,5",
        "-",
        '"',
        "\x00",
        "\ud800",
        "ä",
        "nan",
        "1e400",
    ]
    for _ in range(300):
        text = "alpha,tau,reward\n" * dice.choice((0, 1)) + "".join(dice.choices(pieces, k=dice.randrange(60)))
        try:
            points, _ = point_table.parse(text)
        except ValueError:
            continue
        assert points
        assert all(math.isfinite(p["alpha"] + p["tau"] + p["reward"]) for p in points)


# The page's questions -------------------------------------------------------------------------------------------------


class Noted:
    """In the place of errands: notes what is asked of it."""

    def __init__(self):
        self.asked = []

    def look(self, work, *arguments, since=0):
        hash(arguments)
        self.asked.append((work, arguments, since))
        return {"pieces": [], "done": True}


def test_the_page_s_questions_reach_the_work_as_checked_values():
    noted = Noted()
    ask = lambda question: in_own_loop(TradeOffs(noted).answer(question))  # noqa: E731
    place = dict(zip(("target", "reward", "weighting"), PLACE))
    assert ask({"what": "map", **place, "from": 9}) == {"pieces": [], "done": True, "of": 63}
    ask({"what": "goal", **place, "tau": 2, "quantity": "kl", "goal": 0.5})
    ask({"what": "networks", **place, "tau": 1, "alphas": [1, 0.5]})
    assert noted.asked == [
        (tradeoffs.cells, PLACE, 9),
        (tradeoffs.reaching, (*PLACE, 2.0, "kl", 0.5), 0),
        (tradeoffs.networks, (*PLACE, 1.0, (1.0, 0.5)), 0),
    ]
    answer = ask({"what": "points", "text": "alpha,tau,reward\n1,1,0.5"})
    assert len(answer["points"]) == 1


@pytest.mark.parametrize(
    "question",
    [
        None, [], {}, {"what": "everything"}, {"what": "map"}, {"what": "map", "target": "nowhere"},
        {"what": "points"}, {"what": "points", "text": 3},
    ],
)  # fmt: skip
def test_questions_that_are_none_are_refused_in_a_sentence(question):
    with pytest.raises(ValueError, match="allowed"):
        in_own_loop(TradeOffs(Noted()).answer(question))


def test_whatever_is_asked_is_answered_or_refused_in_a_sentence():
    dice, noted = random.Random(1), Noted()
    place = dict(zip(("target", "reward", "weighting"), PLACE))
    names = ["tau", "alphas", "goal", "quantity", "from", "text", "target", "reward", "weighting"]
    for _ in range(400):
        question = {"what": dice.choice(("map", "goal", "networks", "points")), **place, "tau": 1.0, "alphas": [1.0]}
        question |= {"quantity": "kl", "goal": 1.0, "text": "alpha,tau,reward\n1,1,1"}
        for name in dice.sample(names, 2):
            question[name] = junk(dice)
        with contextlib.suppress(ValueError):
            in_own_loop(TradeOffs(noted).answer(question))
    assert len(noted.asked) > 20
    for work, arguments, since in noted.asked:
        assert work in (tradeoffs.cells, tradeoffs.reaching, tradeoffs.networks)
        assert own.is_own(arguments[0]) or arguments[0] in targets.names()
        assert since >= 0


def test_the_moves_set_states_that_there_are():
    assert PAGE.path == "map"
    assert Settings().changed(**PAGE.begin).mode == "both"
    assert torch.tensor(tradeoffs.ALPHAS).log().diff().std() < 0.25  # nearly even, as the map draws them
