"""What rewards could buy at best, in the Pocket lab: held to Python's optima and frontiers number by number."""

import numpy as np
import pytest
import test_pocket_engine as engine

from orwlab import rewards, targets
from orwlab.exact import optima
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.frontiers import Frontiers
from orwlab.show import pocket

pytestmark = pytest.mark.filterwarnings("ignore::orwlab.exact.dynamics.OracleWarning")

CASES = [
    ("eight_gaussians", "right", 48),
    ("eight_gaussians", "box", 48),  # jumps
    ("two_moons", "ring", 48),
    ("two_spirals", "bump", 64),
    ("four_modes", "plane", 48),  # without a ceiling
    ("two_modes_1d", "right", 64),
    ("three_modes_1d", "bump", 256),
]
LAM, TAU = (0.05, 0.4, 3.0), (0.5, 4.0)
MIDDLE = (0.01, 0.3, 1.7, 20.0)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Of every case Python's grid, reference and reward, and what JavaScript makes of them."""
    known, plain = [], []
    for target, reward, axis in CASES:
        state = PopulationDynamics(targets.get(target), rewards.get(reward), axis=axis)
        p, r = state.reference_density, state.reward_values
        known.append((state.cells, p, r))
        masses = (p / p.sum()).flatten().tolist()
        plain.append([state.cells.dim, axis, state.cells.extent, masses, r.flatten().tolist()])
    script = """
const numbers = ({ distance, reward, price, highest }) => ({ distance, reward, price, highest });
return given.cases.map(([dim, n, extent, masses, values]) => {
  const grid = new Grid(dim, n, extent), p = field(masses), r = field(values);
  const steps = w2Frontier(grid, p, r);
  let turns = 0, next = steps.next();
  for (; !next.done; next = steps.next()) turns++;
  const both = [finished(klFrontier(p, r)), next.value];
  return {
    turns, frontiers: both.map((one) => ({ ...numbers(one), allowed: given.middle.map((x) => one.allowed(x)) })),
    tilts: given.tau.map((tau) => { const q = tilted(p, r, tau); return { q, reward: total(q, r), kl: relativeEntropy(q, p) }; }),
    proximal: given.lam.map((lam) => proximal(grid, p, r, lam)),
  };
});"""
    folder = tmp_path_factory.mktemp("frontiers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "ENTRIES", (*engine.ENTRIES, "frontiers.js"))
        js = engine.in_node(folder, script, cases=plain, tau=TAU, lam=LAM, middle=MIDDLE)
    return list(zip(known, js, strict=True))


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: "-".join(map(str, CASES[k])))
def test_both_optima_are_those_of_python(found, k):
    (cells, p, r), js = found[k]
    for tau, ours in zip(TAU, js["tilts"], strict=True):
        theirs = optima.kl_tilt(cells, p, r, tau)
        assert [ours["reward"], ours["kl"]] == pytest.approx([theirs.mean_reward, theirs.kl], rel=1e-10, abs=1e-12)
        assert _apart(ours["q"], cells, theirs) < 1e-12
    for lam, ours in zip(LAM, js["proximal"], strict=True):
        theirs = optima.w2_proximal(cells, p, r, lam)
        assert ours["goal"] == pytest.approx(theirs.map.flatten().tolist(), abs=1e-10)
        numbers = [theirs.mean_reward, theirs.kl, theirs.w2_squared]
        assert [ours["reward"], ours["kl"], ours["w2"]] == pytest.approx(numbers, rel=1e-9, abs=1e-10)
        assert _apart(ours["q"], cells, theirs) < 1e-10


def _apart(q, cells, optimum):
    return 0.5 * np.abs(np.array(q) - (optimum.density * cells.dx**cells.dim).flatten().numpy()).sum()


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: "-".join(map(str, CASES[k])))
def test_both_frontiers_are_those_of_python(found, k):
    (cells, p, r), js = found[k]
    both = Frontiers(cells, p, r)
    for ours, theirs in zip(js["frontiers"], (both.kl, both.w2), strict=True):
        assert ours["price"][1:] == pytest.approx(theirs.price[1:].tolist(), rel=1e-12)  # infinite at the reference
        assert ours["distance"] == pytest.approx(theirs.distance.tolist(), rel=1e-8, abs=1e-9)
        assert ours["reward"] == pytest.approx(theirs.reward.tolist(), rel=1e-9, abs=1e-9)
        assert ours["highest"] == pytest.approx(theirs.highest, rel=1e-14)
        assert ours["allowed"] == pytest.approx([theirs.allowed(x) for x in MIDDLE], rel=1e-8, abs=1e-9)
    assert js["turns"] == 64, "a frontier gives way after every price"
