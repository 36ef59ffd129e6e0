"""What a network learns, against the oracle that has none. `make science` has all 27 settings; here is a square."""

import pytest
import torch

from orwlab import flow, oracle, rewards, targets, zoo
from orwlab.finetune import FineTuning
from orwlab.teach.science.networks import distance_to_the_exact_limit

pytestmark = pytest.mark.slow


TARGETS, REWARDS, ALPHAS = ("eight_gaussians", "two_moons", "pinwheel"), ("right", "bump", "ring"), (3.0, 1.0, 0.3)
# each pair of target and reward, target and alpha, reward and alpha once
SQUARE = [(TARGETS[i], REWARDS[j], ALPHAS[(i + j + 1) % 3]) for i in range(3) for j in range(3)]


@pytest.mark.parametrize(("name", "reward_name", "alpha"), SQUARE)
def test_the_averaged_policy_s_reward_is_the_oracle_s(name, reward_name, alpha, record_property):
    reward, reference = rewards.get(reward_name), zoo.load(name)
    exact = oracle.PopulationDynamics(targets.get(name), reward, tau=1.0, alpha=alpha)
    start = exact.mean_reward
    exact.fixed_point(1e-3)
    run = FineTuning(reference, reward, tau=1.0, alpha=alpha, seed=0)
    rounds = 700 if alpha < 1 else 400  # a small alpha converges slowly
    for snapshot in run.rounds(rounds):
        if snapshot.round == 2 * rounds // 3:
            run.lr = 3e-4  # a smaller step leaves less wandering
    x0 = torch.randn(4000, 2, generator=torch.Generator().manual_seed(5))
    learned = float(reward(flow.sample(run.average, x0)).mean())
    record_property("gap", learned - exact.mean_reward)
    record_property("gap of the reference", float(reward(flow.sample(reference, x0)).mean()) - start)
    assert learned == pytest.approx(exact.mean_reward, abs=0.04)
    # where there is something to learn, it moved: the agreement is not that of two unmoved densities
    if exact.mean_reward - start > 0.1:
        assert learned - start > 0.5 * (exact.mean_reward - start)


def test_a_wider_network_comes_closer():
    distances = {width: [distance_to_the_exact_limit(width, seed) for seed in range(3)] for width in (16, 256)}
    assert sum(distances[256]) < 0.5 * sum(distances[16]), distances
    assert max(distances[256]) < min(distances[16]), distances
