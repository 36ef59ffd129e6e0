"""The formulas of notebooks/where_this_sits.md and notebooks/notation.md, held to numbers."""

import math
import re
from pathlib import Path

import pytest
import torch

from orwlab import targets, velocity
from orwlab.oracle import PopulationDynamics
from orwlab.rewards import get as reward_of

FOLDER = Path(__file__).parents[1] / "notebooks"


@pytest.mark.parametrize("n", [2, 5, 16])
def test_best_of_n_has_this_density_and_this_divergence(n, generator):
    """x uniform on [0, 1] and r(x) = x: the best of n has density n x^(n-1), KL log n - (n-1)/n."""
    best = torch.rand(200_000, n, generator=generator, dtype=torch.float64).max(1).values
    places = torch.linspace(0.1, 0.95, 18, dtype=torch.float64)
    below = (best[:, None] <= places).double().mean(0)
    assert (below - places**n).abs().max() < 0.005
    u = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    density = n * u ** (n - 1)
    assert float((density * density.log()).mean()) == pytest.approx(math.log(n) - (n - 1) / n, abs=1e-4)


def test_training_on_the_best_of_k_again_and_again_collapses(generator):
    """The mean of U = F_0(r) after N rounds is K^N / (K^N + 1)."""
    u, K = torch.rand(400_000, generator=generator, dtype=torch.float64), 2
    for rounds in (1, 2, 3):
        # a perfect fit draws from the best of K of the law it has now
        rows = torch.randint(len(u), (400_000, K), generator=generator)
        u = u[rows].max(1).values
        assert float(u.mean()) == pytest.approx(K**rounds / (K**rounds + 1), abs=0.004)


def test_exact_guidance_is_the_field_of_the_tilt():
    """v of the tilted mixture minus v of the mixture is (1 - t)/t grad log E[e^(b.x1) | x_t = x]."""
    mixture, b = targets.get("three_modes_1d"), torch.tensor([2.0])
    field = velocity.MixtureField(mixture)
    tilted = velocity.MixtureField(mixture.tilted(b))
    x1 = torch.linspace(-9, 9, 20_001, dtype=torch.float64)[:, None]
    q = mixture.log_prob(x1).double().exp()
    x = torch.linspace(-2.5, 2.5, 21, dtype=torch.float64)[:, None].requires_grad_()
    for t in (0.2, 0.5, 0.8):
        kernel = (-((x - t * x1.T) ** 2) / (2 * (1 - t) ** 2)).exp() * q  # (21, 20001)
        log_W = ((kernel * (b.double() * x1.T).exp()).sum(1) / kernel.sum(1)).log()
        (slope,) = torch.autograd.grad(log_W.sum(), x, retain_graph=True)
        at = x.detach()
        gained = tilted(t, at) - field(t, at)
        assert (gained - (1 - t) / t * slope).abs().max() < 1e-3 * gained.abs().max()
        (at_the_mean,) = torch.autograd.grad(((kernel @ x1) / kernel.sum(1, keepdim=True) * b.double()).sum(), x)
        naive = (1 - t) / t * at_the_mean  # tau grad r at the expected end point
        assert (gained - naive).abs().max() > 0.1 * gained.abs().max(), "that is something else"


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_raw_and_mean_one_runs_have_the_same_limit_at_alpha_over_z(alpha):
    target, right = targets.get("three_modes_1d"), reward_of("right")
    raw = PopulationDynamics(target, right, tau=1.0, alpha=alpha)
    raw.fixed_point(1e-9)
    Z = float((raw.density * raw.reward_values.exp()).sum() * raw.cells.dx)
    one = PopulationDynamics(target, right, tau=1.0, alpha=alpha / Z, weighting="mean_one")
    one.fixed_point(1e-9)
    assert 0.5 * float((raw.density - one.density).abs().sum() * raw.cells.dx) < 1e-5
    same = PopulationDynamics(target, right, tau=1.0, alpha=alpha, weighting="mean_one")
    same.fixed_point(1e-9)
    assert 0.5 * float((raw.density - same.density).abs().sum() * raw.cells.dx) > 0.02, "at the same alpha it has not"


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.md")), ids=lambda page: page.stem)
def test_links_and_formulas_of_the_pages(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target
    assert text.count("$$") % 2 == 0
    assert text.startswith("# ")
