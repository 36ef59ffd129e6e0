"""Everything takes a device and a floating type from what it is given: the same work in different places.

What is listed here is done on the CPU, on a graphics card if there is one, and on a device that is not there
(``elsewhere``), which finds what was left behind on the CPU and gives the CPU's numbers to the last bit or nearly.
"""

import pickle
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from orwlab import (
    adapters,
    couplings,
    flow,
    losses,
    methods,
    paths,
    rewards,
    solvers,
    targets,
    velocity,
    wasserstein,
    weights,
    zoo,
)
from orwlab.exact import anderson, frontiers, laws, optima, sweep
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.finetune import FineTuning
from orwlab.measure import samples
from orwlab.methods import dial, failures
from orwlab.methods.ensemble import Ensemble
from orwlab.methods.prompted import PromptedFineTuning

RIGHT = rewards.get("right")
CHECKS: dict[str, Callable[[str], object]] = {}
SHORT = dict(batch_size=8, pool_size=8)


def check(work):
    """Something to be done on a device; what it gives is compared."""
    CHECKS[work.__name__] = work
    return work


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def points(device, n=16, seed=0, dim=2):
    return torch.randn(n, dim, generator=seeded(seed)).to(device)


def images(device):
    return torch.randn(3, 1, 8, 8, generator=seeded()).to(device), torch.rand(3, generator=seeded()).to(device)


def mlp(device, seed=0):
    return velocity.MLP(2, 8, 1, seed=seed).to(device)


def two_rounds(run, **more):
    *_, last = run.rounds(2, **more)
    return [last.reward, last.penalty]


def _method(name):
    def work(device):
        run = methods.get(name)(mlp(device), RIGHT, strength=1.0, seed=0, **SHORT)
        there = flow.push(run.average, points(device, 3), run.sampler)
        return [*two_rounds(run, watch=points(device, 3)), there, run.state_dict()["policy.net.0.weight"]]

    return work


CHECKS |= {f"method {name}": _method(name) for name in methods.names()}
CHECKS |= {
    f"failure {name}": lambda device, name=name: two_rounds(failures.get(name).run(mlp(device), RIGHT, batch_size=8))
    for name in failures.names()
}
VARIANTS = {
    "ot": dict(coupling="ot"),
    "adapters": dict(rank=2),
    "control variate": dict(control_variate=0.5, steps_per_round=2),
    "euler": dict(sampler=("euler", 2)),
    "clipped": dict(weighting="clipped"),
    "drift of the unit": dict(tau=300.0),
}
CHECKS |= {
    f"fine-tuning, {name}": lambda device, more=more: two_rounds(FineTuning(mlp(device), RIGHT, **SHORT, **more))
    for name, more in VARIANTS.items()
}


@check
def offline(device):
    return two_rounds(FineTuning(mlp(device), RIGHT, data=points("cpu"), **SHORT))


@check
def a_closed_form_for_the_reference(device):
    field = velocity.MixtureField(targets.get("gaussian"))
    return two_rounds(FineTuning(field, RIGHT, policy=mlp(device), **SHORT))


@check
def a_network_for_the_reward(device):
    judge = nn.utils.skip_init(nn.Linear, 2, 1).to(device)
    with torch.no_grad():
        judge.weight.fill_(0.5), judge.bias.zero_()
    return two_rounds(FineTuning(mlp(device), lambda x: judge(x)[:, 0], **SHORT))


@check
def a_file(device):
    run = FineTuning(mlp(device), RIGHT, **SHORT)
    two_rounds(run)
    with tempfile.TemporaryDirectory() as folder:
        run.save(Path(folder) / "run")
        again = FineTuning.load(Path(folder) / "run", reward=RIGHT, reference=mlp(device), policy=mlp(device))
    assert again.device.type == run.device.type
    return two_rounds(again)


@check
def a_state_put_back(device):
    run = FineTuning(mlp(device), RIGHT, **SHORT)
    state = run.state_dict()
    first = two_rounds(run)
    run.load_state_dict(state)
    assert two_rounds(run) == first
    return first


class Told(nn.Module):
    event_shape = (2,)

    def __init__(self):
        super().__init__()
        self.net = velocity.MLP(2, 8, 1)

    def forward(self, t, x, c):
        return self.net(t, x + c)


@check
def prompts(device):
    told = Told().to(device)
    run = PromptedFineTuning(told, lambda x, c: (x * c).sum(1), torch.eye(2), samples_a_prompt=4, penalty="kl")
    return two_rounds(run, watch=points(device, 4))


def _ensemble(device, **more):
    more = SHORT | dict(pool_size=10, steps_per_round=2, control_variate=0.2) | more
    ensemble = Ensemble(mlp(device), RIGHT, alpha=[0.0, 1.0], tau=[1.0, 2.0], seed=[0, 3], **more)
    *_, last = ensemble.rounds(2, watch=points(device, 3))
    x0 = points(device, 3)
    alone = two_rounds(ensemble.run(1))
    return [
        last.reward,
        last.fit,
        last.ess,
        ensemble.samples(x0),
        ensemble.samples(x0, average=True),
        last.samples,
        alone,
    ]


@check
def ensemble(device):
    return _ensemble(device)[3:]


@check
def numbers_of_an_ensemble(device):
    return [value.cpu() for value in _ensemble(device)[:3]]


@check
def offline_ensemble(device):
    return _ensemble(device, data=points("cpu"), control_variate=0.0)[3:]


@check
def solvers_of_the_zoo(device):
    moved = velocity.Preconditioned(mlp(device), torch.tensor([1.0, 2.0]), 2.0).to(device)
    each = (mlp(device), moved, zoo.load("eight_gaussians").to(device))
    return [flow.push(v, points(device), zoo.solver()) for v in each]


@check
def fitting_a_solver(device):
    v, x0 = mlp(device), points(device, 8)
    return list(solvers.fit(v, x0, flow.sample(v, x0), evaluations=2, steps=3, progress=False).times)


@check
def flows(device):
    v, x = mlp(device), points(device)
    return [
        flow.sample(v, x),
        flow.sample(v, x, method="dopri5"),
        flow.trajectory(v, x, (0.0, 0.3, 1.0)),
        flow.sample_sde(v, x, generator=seeded(), steps=4),
        flow.noise(3, (2,), generator=seeded(), device=device),
    ]


@check
def likelihoods(device):
    v, x = mlp(device), points(device, 4)
    moved = velocity.Preconditioned(mlp(device), torch.tensor([1.0, 2.0]), 2.0).to(device)
    return [
        flow.log_prob(v, x),
        flow.log_prob(v, x, divergence="hutchinson", generator=seeded()),
        flow.log_prob(lambda t, x: 0 * x, x),
        flow.log_prob(moved, x),
    ]


@check
def fitting_a_flow(device):
    return [flow.fit(points(device, 32), steps=3, progress=False)(0.5, points(device))]


@check
def fitting_a_flow_to_pairs(device):
    fitted = flow.fit(points(device, 32), steps=3, progress=False, coupling="ot", network=mlp(device))
    return [fitted(0.5, points(device))]


@check
def networks(device):
    x, t = images(device)
    mixture = targets.get("eight_gaussians")
    conditioned = velocity.Conditioned(lambda t, x, c: x + c, points(device)).to(device)
    return [
        velocity.UNet((1, 8, 8), 8, 1).to(device)(t, x),
        velocity.ResidualMLP((1, 8, 8), 8, 1).to(device)(t, x),
        velocity.MixtureField(mixture).to(device)(0.5, points(device)),
        velocity.MixtureField(mixture)(0.5, points(device)),
        conditioned(0.5, points(device)),
        velocity.MLP(2, 8, 1)(0.5, points(device)),
        adapters.attach(mlp(device), 2)(0.5, points(device)),
    ]


@check
def the_gallery_of_rewards(device):
    return [rewards.evaluate(rewards.get(name), points(device)) for name in rewards.names()]


@check
def weights_of_rewards(device):
    r, rows = points(device)[:, 0], points(device)
    return [
        *(weights.log_weights(r, 2.0, kind) for kind in weights.KINDS),
        weights.log_weights_of_rows(rows, torch.ones(16)),
        weights.units(rows).tolist(),
        weights.effective_sample_sizes(rows).tolist(),
        *(weights.within(rows, 1.0, kind, 0.1 if kind == "above" else None) for kind in weights.WITHIN),
    ]


@check
def terms_of_the_loss(device):
    v, u, old, w = points(device), points(device, seed=1), points(device, seed=2), points(device)[:, 0]
    return [
        losses.fit(v, u, w),
        losses.penalty(v, u),
        losses.steadied_fit(v, u, old, w, 0.4),
        losses.kl_weight(w.abs()),
    ]


@check
def pairs(device):
    x0, x1 = points(device), points(device, seed=1)
    found = couplings.pair("ot", x0, x1, x0[:, 0].abs(), generator=seeded())
    return [found.x0, found.x1, found.w, *couplings.pair_unweighted("ot", x0, x1, generator=seeded())]


@check
def conditional_paths(device):
    x0, x1 = points(device), points(device, seed=1)
    t = torch.linspace(0, 1, 16).to(device)
    return [*paths.get("cosine").interpolate(0.3, x0, x1), *paths.get("linear").interpolate(t, x0, x1)]


@check
def densities_of_targets(device):
    target, x = targets.get("eight_gaussians"), points(device)
    return [target.log_prob(x), target.component_log_prob(x), target.mode_of(x)]


@check
def measures_of_samples(device):
    x, y = points(device), points(device, seed=1)
    return [
        samples.mean_pairwise_distance(x),
        samples.vendi_score(x),
        samples.mode_mass(x, targets.get("eight_gaussians")).tolist(),
        samples.energy_distance(x, y),
        samples.precision_and_recall(x, y),
        samples.coverage(x, y),
        samples.collapsed(x, y),
        samples.DataRegion(x).fraction_outside(y),
    ]


@check
def transport_distances(device):
    x, y, eye = points(device), points(device, seed=1), torch.eye(2).to(device)
    return [
        wasserstein.w2_squared(x, y),
        wasserstein.w2_squared(x[:, :1], y[:, :1]),
        wasserstein.sliced_w2_squared(x, y, generator=seeded()),
        wasserstein.sinkhorn_w2_squared(x, y),
        wasserstein.w2_squared_gaussian(x[0], eye, y[0], eye),
    ]


@check
def the_ladder(device):
    return list(wasserstein.bounds(mlp(device), mlp(device, 1), x0=points(device, 6)).log.values())


@check
def how_far_a_run_has_gone(device):
    found = dial.achieved(mlp(device), mlp(device, 1), RIGHT)
    return [value for value in vars(found).values() if isinstance(value, float)]


def _oracle(device, name, **more):
    return PopulationDynamics(targets.get(name), RIGHT, axis=32, times=6, device=device, **more)


@check
def the_oracle(device):
    found = []
    for name, more in (
        ("two_modes_1d", {}),
        ("four_modes", {}),
        ("four_modes", {"weighting": "mean_one", "alpha": 0.3}),
    ):
        dynamics = _oracle(device, name, **more)
        dynamics.iterate(2)
        at = points(device, dim=dynamics.cells.dim)
        found += [
            dynamics.density,
            dynamics.grid,
            dynamics.mode_mass,
            dynamics.policy(0.4, at),
            dynamics.velocity(0.4, at),
        ]
        found += [dynamics.mean_reward, dynamics.kl, dynamics.tv, dynamics.mass]
    return found


@check
def the_oracles_limit(device):
    dynamics = _oracle(device, "four_modes", alpha=0.5)
    end = dynamics.fixed_point(1e-3)
    assert isinstance(end, anderson.FixedPoint)
    found = sweep.limits(_oracle(device, "two_modes_1d"), (1.0, 0.5), (1.0,))
    house = _oracle(device, "two_modes_1d", penalty="reference")
    house.iterate(2)
    return [dynamics.density, end.rate, end.moved, found.reward.tolist(), found.diversity.tolist(), house.density]


@check
def exact_laws(device):
    found = []
    for name in ("two_modes_1d", "four_modes"):
        dynamics = _oracle(device, name)
        cells, p = dynamics.cells, dynamics.reference_density
        laws_of_it = [
            laws.best_of(cells, p, RIGHT, 3),
            laws.above(cells, p, RIGHT, share=0.5),
            laws.lean(cells, p, RIGHT, 0.3),
            laws.positive_part(cells, p, RIGHT),
            laws.held_by_variance(cells, p, RIGHT, 0.5),
            laws.orw_limit(cells, p, RIGHT, 1.0, 1.0),
            laws.linear_limit(cells, p, RIGHT, 2.0),
            optima.kl_tilt(cells, p, RIGHT, 1.0),
            optima.w2_proximal(cells, p, RIGHT, 0.5),
            optima.mixture_limit(cells, p, RIGHT, 1.0, 1.0),
        ]
        found += [law.density for law in laws_of_it]
        found.append(frontiers.w2_distance_squared(cells, p, laws_of_it[0].density))
        front = frontiers.Frontiers(cells, p, RIGHT, n=4)
        found += [*vars(front.place(laws_of_it[0].density)).values()]
        values = _oracle(device, name, weighting="clipped")
        values.reward = dynamics.reward_values.cpu()
        values.step()
        found.append(values.density)
    return found


IN_DOUBLE = {  # which Apple's graphics processors cannot do: exact densities, distances, and adaptive solvers
    "a_closed_form_for_the_reference",
    "flows",
    "likelihoods",
    "networks",
    "densities_of_targets",
    "measures_of_samples",
    "transport_distances",
    "the_ladder",
    "the_oracle",
    "the_oracles_limit",
    "exact_laws",
}
PLACES = [*((name, True) for name in CHECKS), *((name, False) for name in CHECKS if name not in IN_DOUBLE)]


# -- where it is done ------------------------------------------------------------------------------------------------


def leaves(found: object) -> list[Tensor]:
    """All numbers in what a check gives."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list | tuple):
        return [leaf for part in found for leaf in leaves(part)]
    return [found.detach() if isinstance(found, Tensor) else torch.tensor(float(found), dtype=torch.float64)]


def done(name: str, device: str) -> list[Tensor]:
    """What a check gives, on the CPU; its tensors have to lie on the device, if they are no single numbers."""
    found = leaves(CHECKS[name](device))
    elsewhere = [tuple(leaf.shape) for leaf in found if leaf.ndim and leaf.device.type != device]
    assert not elsewhere or name.startswith("numbers"), f"of shape {elsewhere}, not on {device}"
    return [leaf.cpu() for leaf in found]


def all_elsewhere(path: str) -> None:
    """Every check on the device that is not there; what each gave, or why it failed, goes into a file."""
    from elsewhere import NAME, Elsewhere

    torch.set_num_threads(1)
    found: dict[tuple[str, bool], object] = {}
    for name, double in PLACES:
        try:
            with Elsewhere(double=double):
                found[name, double] = [leaf.numpy() for leaf in done(name, NAME)]
        except Exception as error:
            found[name, double] = f"{type(error).__name__}: {error}"
    Path(path).write_bytes(pickle.dumps(found))


@pytest.fixture(scope="module")
def found_elsewhere(tmp_path_factory):
    path = tmp_path_factory.mktemp("elsewhere") / "found.pickle"
    code = f"import test_devices; test_devices.all_elsewhere({str(path)!r})"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parent, check=True, timeout=300)
    return pickle.loads(path.read_bytes())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # that a grid is too coarse is known
@pytest.mark.parametrize(("name", "double"), PLACES)
def test_nothing_is_left_behind_on_the_cpu(name, double, found_elsewhere):
    found = found_elsewhere[name, double]
    assert isinstance(found, list), found
    expected = done(name, "cpu")
    assert len(found) == len(expected)
    for mine, theirs in zip(expected, found, strict=True):
        theirs = torch.from_numpy(theirs)
        assert mine.dtype == theirs.dtype
        assert torch.allclose(mine.double(), theirs.double(), rtol=1e-4, atol=1e-6, equal_nan=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CHECKS if torch.cuda.is_available() else [])
def test_a_graphics_card_gives_the_same(name):
    for mine, theirs in zip(done(name, "cpu"), done(name, "cuda"), strict=True):
        assert torch.allclose(mine.double(), theirs.double(), rtol=1e-2, atol=1e-3, equal_nan=True)


def test_the_device_that_is_not_there_refuses_what_a_card_would():
    code = """
        import torch
        from elsewhere import Elsewhere

        def refused(work):
            try:
                work()
            except RuntimeError:
                return True
            return False

        with Elsewhere():
            x = torch.ones(2, 3, device="elsewhere")
            layer = torch.nn.Linear(3, 4).to("elsewhere")
            layer(x).sum().backward()
            assert str(layer.weight.grad.device) == "elsewhere:0"
            assert float((x + torch.tensor(1.0)).sum()) == 12.0
            assert refused(lambda: x + torch.ones(2, 3)), "two places"
            assert refused(lambda: torch.cat([x, torch.ones(2, 3)]))
            assert refused(lambda: layer(torch.ones(2, 3)))
            assert refused(lambda: x.numpy())
            assert refused(lambda: torch.randn(2, device="elsewhere", generator=torch.Generator()))
            assert refused(lambda: x.normal_(generator=torch.Generator()))
            assert x.cpu().numpy().sum() == 6
            assert x[torch.tensor([1, 0])].shape == (2, 3), "indices of the CPU are taken, as by a card"
            assert x.view(6)[0:2].add_(1).sum() == 4 and float(x.sum()) == 8, "views share"
        print("done")
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    told = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=120)
    assert told.stdout.split() == ["done"], told.stderr


# -- in which floating type ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # that a grid is too coarse is known
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_the_policys_floating_type_is_the_runs_whatever_torchs_default_is(dtype, default):
    before = torch.get_default_dtype()
    torch.set_default_dtype(default)
    try:
        ensemble = Ensemble(mlp("cpu").to(dtype), RIGHT, seed=[0, 1], steps_per_round=2, **SHORT)
        run = FineTuning(mlp("cpu").to(dtype), RIGHT, seed=1, steps_per_round=2, **SHORT)
        mine, theirs = (list(some.rounds(3, watch=points("cpu", 4)))[-1] for some in (run, ensemble))
        assert mine.samples.dtype == theirs.samples.dtype == dtype
        assert float(theirs.penalty[1]) == pytest.approx(mine.penalty, rel=1e-9 if dtype == torch.float64 else 1e-3)
        assert {p.dtype for p in ensemble.policy.parameters()} == {p.dtype for p in run.average.parameters()} == {dtype}
        assert _oracle("cpu", "two_modes_1d").density.dtype == torch.float64
    finally:
        torch.set_default_dtype(before)


def test_a_device_without_double_precision_is_named():
    for wrong in ("meta", "nowhere", 3.5):
        with pytest.raises(ValueError, match="device is"):
            PopulationDynamics(targets.get("two_modes_1d"), RIGHT, device=wrong)
