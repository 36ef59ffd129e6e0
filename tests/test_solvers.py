"""Learned few-step solvers: the rule, its coefficients, the fit, and those in the zoo."""

import copy
import dataclasses
import json
import math

import pytest
import torch

from orwlab import flow, metrics, rewards, solvers, targets, velocity, zoo
from orwlab.finetune import FineTuning
from orwlab.zoo import __main__ as command
from orwlab.zoo import solvers as recipes

FLOWS = zoo.names("points") + zoo.names("images")


def noise(n=64, d=2, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def moons():
    return velocity.MixtureField(targets.get("two_moons"))


# -- the rule ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_midpoint_is_the_midpoint_rule(steps):
    x0, v = noise(), moons()
    expected = flow.sample(v, x0, method="midpoint", steps=steps)
    torch.testing.assert_close(solvers.midpoint(2 * steps).sample(v, x0), expected, rtol=1e-12, atol=1e-12)


def test_one_evaluation_is_euler():
    x0, v = noise(), moons()
    torch.testing.assert_close(solvers.midpoint(1).sample(v, x0), x0 + v(0.0, x0))


def test_a_rule_worked_by_hand():
    """v = t x: x_1 = x0 + 1/2 (0), x_2 = x0 + 1/4 (0) + 3/4 (1/2 x_1)."""
    rule = solvers.NonStationary((0.0, 0.5), ((0.5, 0.0), (0.25, 0.75)))
    x0 = noise()
    torch.testing.assert_close(rule.sample(lambda t, x: t * x, x0), x0 * (1 + 0.75 * 0.5))


@pytest.mark.parametrize("solver", [zoo.solver(), zoo.solver("solver_6"), solvers.midpoint(3)])
def test_constant_fields_are_exact_and_moved_data_come_out_moved(solver):
    x0, v = noise(), moons()
    c = torch.tensor([30.0, -7.0], dtype=torch.float64)
    torch.testing.assert_close(solver.sample(lambda t, x: c.expand_as(x), x0), x0 + c)
    moved = solver.sample(lambda t, x: v(t, x - t * c) + c, x0)
    torch.testing.assert_close(moved, solver.sample(v, x0) + c)


def test_it_evaluates_as_often_as_it_says():
    asked = []

    def v(t, x):
        asked.append(float(t))
        return -x

    solver = zoo.solver()
    solver.sample(v, noise())
    assert len(asked) == solver.evaluations == 8
    assert asked == pytest.approx(solver.times)


def test_data_of_any_size_are_solved_in_their_own_coordinates():
    x0 = noise()
    inner = velocity.MLP(2, 16, 1, seed=3).double()
    wide = velocity.Preconditioned(inner, torch.tensor([5e3, -2e3], dtype=torch.float64), 1e3)
    expected = wide.mean + 1e3 * zoo.solver().sample(inner, x0)
    torch.testing.assert_close(zoo.solver().sample(wide, x0), expected)


def test_events_of_any_shape_types_and_places():
    digits, solver = zoo.load("digits"), zoo.solver()
    images = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    made = solver.sample(digits, images)
    assert made.shape == images.shape
    assert made.dtype == torch.float32
    torch.testing.assert_close(solver.sample(digits, images.double()), made.double())
    half = solver.sample(digits, images.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half, solver.sample(digits, images.bfloat16().float()).bfloat16())
    for device in ["cuda"] * torch.cuda.is_available() + ["mps"] * torch.backends.mps.is_available():
        away = solver.sample(copy.deepcopy(digits).to(device), images)
        torch.testing.assert_close(away, made, rtol=1e-3, atol=1e-3)


def test_where_a_point_ends_does_not_depend_on_how_many_go_with_it():
    v, x0 = zoo.load("eight_gaussians"), noise(60, dtype=torch.float32)
    whole = zoo.solver().sample(v, x0)
    for part in (slice(0, None, 2), slice(1, None, 2), slice(7, 30)):
        assert torch.equal(zoo.solver().sample(v, x0[part]), whole[part])


def test_gradients_pass_when_asked_for():
    x0 = noise(5).requires_grad_()
    v = velocity.MLP(2, 8, 1, seed=1).double()
    solver = zoo.solver("solver_6")
    assert not solver.sample(v, x0).requires_grad
    torch.autograd.gradcheck(lambda x: solver.sample(v, x, grad=True), x0)
    solver.sample(v, x0, grad=True).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in v.parameters())


def test_networks_are_at_rest_and_then_as_they_were():
    v = velocity.MLP(2, 8, 1, seed=1).double().train()
    v.net.append(torch.nn.Dropout(0.5))
    x0 = noise()
    first = zoo.solver().sample(v, x0)
    assert all(part.training for part in v.modules())
    assert torch.equal(first, zoo.solver().sample(v.eval(), x0))
    assert not any(part.training for part in v.modules())
    with torch.inference_mode():
        assert not zoo.solver().sample(v, x0).is_inference()


# -- coefficients ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "B", "name"),
    [
        ((), (), "times"),
        ((0.1,), ((1.0,),), "times"),
        ((0.0, 0.5, 0.5), torch.eye(3), "times"),
        ((0.0, 1.0), ((1.0, 0.0), (0.0, 1.0)), "times"),
        ((0.0, math.nan), ((0.5, 0.0), (0.0, 1.0)), "times"),
        ((0.0, 0.5), ((0.5, 0.0),), "B"),
        ((0.0, 0.5), ((0.5,), (0.0, 1.0)), "B"),
        ((0.0, 0.5), ((0.25, 0.25), (0.0, 1.0)), "B"),
        ((0.0, 0.5), ((0.5, 0.0), (0.0, 0.9)), "B"),
        ((0.0, 0.5), ((0.4, 0.0), (0.0, 1.0)), "B"),
        ((0.0, 0.5), ((0.5, 0.0), (math.inf, 1.0)), "B"),
        ((0.0, 0.5), "no", "B"),
    ],
)
def test_coefficients_that_are_no_solver_are_named(times, B, name):
    with pytest.raises(ValueError, match=rf"^{name} .*; allowed: "):
        solvers.NonStationary(times, B)


def test_coefficients_may_be_tensors_and_arrays():
    listed = solvers.NonStationary([0.0, 0.5], [[0.5, 0.0], [0.25, 0.75]])
    tensors = solvers.NonStationary(torch.tensor([0.0, 0.5]), torch.tensor([[0.5, 0.0], [0.25, 0.75]]).numpy())
    assert listed == tensors
    assert hash(listed) == hash(tensors)


def test_a_solver_goes_through_json():
    solver = zoo.solver()
    assert solvers.build(json.loads(json.dumps(solver.config))) == solver
    for config in (None, {}, {"kind": "mlp", "times": [0.0], "B": [[1.0]]}, solver.config | {"a": 1}):
        with pytest.raises(ValueError, match="config is"):
            solvers.build(config)


# -- the fit -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    """Four evaluations for two moons."""
    x0 = noise(400, seed=1)
    return solvers.fit(moons(), x0, flow.sample(moons(), x0, method="rk4", steps=64), evaluations=4, progress=False)


def test_a_fit_beats_its_start_on_other_noise(fitted):
    x0 = noise(2000, seed=2)
    exact = flow.sample(moons(), x0, method="rk4", steps=64)
    error = lambda solver: (solver.sample(moons(), x0) - exact).norm(dim=1).median()  # noqa: E731
    assert fitted.evaluations == 4
    assert error(fitted) < 0.25 * error(solvers.midpoint(4))


def test_a_fit_of_straight_flows_has_nothing_to_do():
    x0 = noise()
    found = solvers.fit(lambda t, x: torch.ones_like(x), x0, x0 + 1, evaluations=3, progress=False)
    torch.testing.assert_close(torch.tensor(found.B), torch.tensor(solvers.midpoint(3).B))
    assert found.times == pytest.approx(solvers.midpoint(3).times)


def test_the_same_fit_gives_the_same_solver():
    x0 = noise(32)
    x1 = flow.sample(moons(), x0, method="rk4", steps=16)
    first, second = (solvers.fit(moons(), x0, x1, evaluations=3, steps=4, progress=False) for _ in range(2))
    assert first == second


def test_a_fit_for_a_network_in_single_precision_and_of_any_size():
    """The steps by which slopes are taken fit the type; a network with coordinates of its own is fitted in them."""
    inner = zoo.load("two_moons")
    x0 = noise(200, seed=1, dtype=torch.float32)
    x1 = flow.sample(inner, x0, method="rk4", steps=32)
    found = solvers.fit(inner, x0, x1, evaluations=4, progress=False)
    error = lambda solver: float((solver.sample(inner, x0) - x1).norm(dim=1).median())  # noqa: E731
    assert error(found) < 0.35 * error(solvers.midpoint(4))
    wide = velocity.Preconditioned(inner, 100.0, 1e3)
    again = solvers.fit(wide, x0, flow.sample(wide, x0, method="rk4", steps=32), evaluations=4, progress=False)
    assert error(again) < 0.35 * error(solvers.midpoint(4))


def test_a_fit_shows_progress_and_names_mistakes(capfd):
    x0 = noise(8)
    solvers.fit(moons(), x0, x0, evaluations=2, steps=2)
    assert "solver, 2 evaluations" in capfd.readouterr().err
    for arguments, name in (
        (dict(x1=x0[:5]), "x1"),
        (dict(x1=x0[:, :1]), "x1"),
        (dict(evaluations=0), "evaluations"),
        (dict(evaluations=10**6), "evaluations"),
        (dict(steps=0), "steps"),
        (dict(large=0), "large"),
        (dict(v=lambda t, x: x * math.nan), "v"),
    ):
        with pytest.raises(ValueError, match=rf"^{name} .*; allowed: "):
            solvers.fit(**({"v": moons(), "x0": x0, "x1": x0, "progress": False} | arguments))


# -- those in the zoo --------------------------------------------------------------------------------------------


def test_every_recipe_is_in_the_zoo():
    assert zoo.names("solver") == sorted(recipes.RECIPES)
    for name, recipe in recipes.RECIPES.items():
        card = zoo.card(name)
        assert card["kind"] == "solver"
        assert card["recipe"] == dataclasses.asdict(recipe)
        assert zoo.solver(name).evaluations == recipe.evaluations
        with_policy = zoo.names("points") if isinstance(recipe, recipes.Recipe) else [recipe.flow]
        alone = recipes.SMALL if isinstance(recipe, recipes.Recipe) else []
        assert set(card["quality"]) == {*with_policy, *alone, *(f"{flow}, a policy" for flow in with_policy)}
    assert not set(zoo.names("solver")) & set(zoo.names())
    with pytest.raises(ValueError, match="name is 'solver_7'; allowed: one of"):
        zoo.solver("solver_7")


@pytest.mark.parametrize("name", FLOWS)
def test_a_run_draws_by_the_solver_that_its_reference_brings(name):
    own = {"patches": "solver_patches", "captions": "solver_captions"}.get(name, "solver_8")
    assert FineTuning(zoo.load(name), lambda x: x.flatten(1).sum(1)).sampler == zoo.solver(own)


def test_a_run_draws_by_rk4_where_nobody_has_learned_a_solver_and_by_any_that_it_is_given():
    reference, right = velocity.MLP(2, 8, 1), rewards.get("right")
    assert FineTuning(reference, right).sampler == ("rk4", 3)
    run = FineTuning(reference, right, sampler=zoo.solver("solver_6"))
    assert run.sampler.evaluations == 6
    assert all(snapshot.reward < 1 for snapshot in run.rounds(3))
    assert not hasattr(zoo.load("digits_classifier"), "solver")  # which is no flow


def total(quality, key):
    """Root mean square over the flows and policies of a card."""
    values = [errors[key] for errors in quality.values() if key in errors]
    return math.sqrt(sum(value**2 for value in values) / len(values))


def test_eight_evaluations_are_as_good_as_twelve_of_rk4():
    quality = zoo.card("solver_8")["quality"]
    for key in ("rmse", "width", "reward"):
        assert total(quality, key) < total(quality, f"{key}_of_rk4_12"), key


def test_the_card_says_that_six_evaluations_are_not_as_good():
    quality = zoo.card("solver_6")["quality"]
    assert total(quality, "rmse_of_rk4_12") < total(quality, "rmse") < 2 * total(quality, "rmse_of_rk4_12")


@pytest.mark.slow
def test_photographs_need_a_solver_of_their_own_and_have_it():
    """The plane's take noise to other images, and to duller ones. Theirs is as good on a policy, says the card."""
    v = zoo.load("patches")
    x0 = flow.noise(48, v.event_shape, generator=torch.Generator().manual_seed(7))
    exact = flow.sample(v, x0, method="rk4", steps=24)
    found = {name: zoo.solver(name).sample(v, x0) for name in zoo.names("solver")}
    off = {name: float((x - exact).square().mean().sqrt()) for name, x in found.items()}
    apart = {
        name: metrics.mean_pairwise_distance(x) / metrics.mean_pairwise_distance(exact) for name, x in found.items()
    }
    for plane in ("solver_6", "solver_8"):
        assert off[plane] > 8 * off["solver_patches"]
        assert apart[plane] < 0.95 < apart["solver_patches"] < 1.02
    for name in ("solver_patches", "solver_captions"):
        for errors in zoo.card(name)["quality"].values():
            assert errors["rmse"] < errors["rmse_of_rk4_12"] / 2


@pytest.mark.parametrize(
    "name",
    [
        "eight_gaussians",
        "two_modes_1d",
        "digits_latent",
        pytest.param("digits", marks=pytest.mark.slow),
        pytest.param("patches", marks=pytest.mark.slow),
        pytest.param("captions", marks=pytest.mark.slow),
    ],
)
def test_the_quality_on_the_card_is_measured_again(name):
    solvers_of_it = [solver for solver in zoo.names("solver") if name in zoo.card(solver)["quality"]]
    assert solvers_of_it
    for solver in solvers_of_it:
        for key, found in recipes.quality(zoo.solver(solver), [name]).items():
            assert found == pytest.approx(zoo.card(solver)["quality"][key], abs=4e-3), key


@pytest.mark.parametrize("name", ["eight_gaussians", "two_moons"])
def test_a_policy_that_no_card_knows_is_solved_well(name):
    """Better than at the same price by the midpoint rule, and little that adds up; a few particles decide the rmse."""
    run = FineTuning(zoo.load(name), rewards.get("bump"), alpha=0.1, seed=5, sampler=("rk4", 3))
    for _ in run.rounds(100):
        pass
    learned = recipes.errors(zoo.solver(), run.policy, targets.get(name))
    midpoint = recipes.errors(solvers.midpoint(8), run.policy, targets.get(name))
    assert learned["rmse"] < midpoint["rmse"]
    assert abs(learned["width"]) < 0.006
    assert abs(learned["reward"]) < 0.003


def test_what_solvers_are_fitted_to_are_mixtures_and_exact_end_points():
    recipe = dataclasses.replace(recipes.RECIPES["solver_8"], fields=3, points=4, disturbance=0.0)
    v, x0, x1 = recipes.flows(recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    assert torch.equal(x0[:, :2], -x0[:, 2:])
    for row in range(3):
        field = velocity.MixtureField(recipes.random_mixture(recipe.components, generator))
        torch.testing.assert_close(v(0.3, x0)[row], field(0.3, x0[row]))
        torch.testing.assert_close(x1[row], flow.sample(field, x0[row], method="rk4", steps=400), rtol=1e-4, atol=1e-4)


def test_disturbances_stay_below_their_bound():
    quiet = dataclasses.replace(recipes.RECIPES["solver_8"], fields=40, points=2, disturbance=0.0)
    loud = dataclasses.replace(quiet, disturbance=0.3)
    x = torch.randn(40, 400, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    off = [(recipes.flows(loud)[0](t, x) - recipes.flows(quiet)[0](t, x)).square().mean() for t in (0.1, 0.9)]
    assert 0.1 < float(sum(off) / 2) ** 0.5 < 0.3


def test_the_command_makes_a_solver_again(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(recipes, "quality", lambda solver: {"two_moons": {"rmse": 0.5}})
    small = dataclasses.replace(recipes.RECIPES["solver_6"], fields=4, points=2)
    monkeypatch.setitem(recipes.RECIPES, "solver_6", small)
    made = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        assert command.main(["train", "solver_6", "--steps", "2", "--folder", str(folder)]) == 0
        made.append(json.loads((folder / "solver_6.json").read_text()))
    assert "solver, 6 evaluations" in capfd.readouterr().err
    assert made[0]["solver"] == made[1]["solver"]
    assert made[0]["recipe"]["steps"] == 2
    assert solvers.build(made[0]["solver"]).evaluations == 6
    assert made[0]["quality"] == {"two_moons": {"rmse": 0.5}}


def test_the_list_says_how_good_solvers_are(capsys):
    assert command.main(["list"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("solver_8 "))
    quality = zoo.card("solver_8")["quality"].values()
    assert f"{sum(errors['rmse'] for errors in quality) / len(quality):.4f}" in line


@pytest.mark.slow
def test_the_recipe_gives_the_solver_on_the_card():
    """The same errors on what it is fitted to: where a search ends exactly, rounding decides."""
    recipe = recipes.RECIPES["solver_6"]
    v, x0, x1 = recipes.flows(recipe)
    again = solvers.fit(v, x0, x1, evaluations=recipe.evaluations, steps=recipe.steps, progress=False)
    error = lambda solver: float((solver.sample(v, x0) - x1).norm(dim=-1).median())  # noqa: E731
    assert error(again) == pytest.approx(error(zoo.solver("solver_6")), rel=0.1)


def test_a_plain_network_that_is_asked_the_short_way_answers_the_same(generator):
    network, solver = velocity.MLP(2, 16, 3, seed=3), solvers.midpoint(8)
    x0 = torch.randn(64, 2, generator=generator)
    assert network.at_each(solver.times, x0) is not None
    for t, v in zip(solver.times, network.at_each(solver.times, x0)):
        assert torch.allclose(v(x0), network(t, x0), atol=1e-6)
    plain = solver.sample(lambda t, x: network(t, x), x0)
    before = x0.clone()
    assert torch.allclose(solver.sample(network, x0), plain, atol=1e-5)
    assert torch.equal(x0, before)
    with torch.no_grad():
        network.net[0].bias.add_(0.5)
    assert torch.allclose(solver.sample(network, x0), solver.sample(lambda t, x: network(t, x), x0), atol=1e-5)
    with_gradient = solver.sample(network, x0, grad=True)
    with_gradient.sum().backward()
    assert network.net[0].weight.grad.abs().sum() > 0


class Twice(torch.nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        return 2 * self.layer(x)


class Mirrored(velocity.MLP):
    def _at(self, time, x):
        return -super()._at(time, x)


@pytest.mark.parametrize("change", ["hook", "pre-hook", "layer", "activation", "forward", "subclass", "float64"])
def test_a_network_that_somebody_has_changed_is_asked_as_it_is(change, generator):
    network, solver = velocity.MLP(2, 16, 2, seed=3), solvers.midpoint(4)
    x0, calls = torch.randn(64, 2, generator=generator), []
    if change == "hook":
        network.net[2].register_forward_hook(lambda module, given, found: calls.append(1) or 2 * found)
    elif change == "pre-hook":
        network.register_forward_pre_hook(lambda module, given: calls.append(1))
    elif change == "layer":
        network.net[0] = Twice(network.net[0])
    elif change == "activation":
        network.net[1] = torch.nn.Tanh()
    elif change == "forward":
        inner = network.forward
        network.forward = lambda t, x: 3 * inner(t, x)
    elif change == "subclass":
        network = Mirrored(2, 16, 2, seed=3)
    else:
        network = network.double()
    assert torch.allclose(solver.sample(network, x0), solver.sample(lambda t, x: network(t, x), x0), atol=1e-6)
    if "hook" in change:
        assert len(calls) == 2 * solver.evaluations
    if change not in ("float64",):
        assert network.at_each(solver.times, x0) is None


def test_points_of_another_shape_are_named_by_a_plain_network_too():
    with pytest.raises(ValueError, match="allowed"):
        solvers.midpoint(2).sample(velocity.MLP(2, 4, 1), torch.zeros(5, 3))
