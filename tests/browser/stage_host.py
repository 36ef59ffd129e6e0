"""What the stage's tests hand to it: a bare page, and messages made by real fine-tuning."""

import dataclasses
import functools
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from orwlab import flow, metrics, oracle, rewards, targets, zoo
from orwlab.finetune import FineTuning
from orwlab.show import stage
from orwlab.show.stage import scenes
from orwlab.show.stage.scenes import Curve, Number

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Stage</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body { margin: 0; padding: 12px; background: %(paper)s; } main { display: block; }
%(style)s</style></head>
<body><main><h1 style="font: 600 18px sans-serif; color: gray; margin: 0 0 8px" hidden>Stage</h1>
<div class="orw-stage" id="stage"></div><div style="height: %(below)dpx"></div></main><script>
(() => {
%(script)s
window.commands = []; window.states = [];
window.stage = createStage(document.getElementById('stage'), {
  command: (name) => commands.push(name), stateChanged: (state) => states.push(state),
});
})();
</script></body></html>"""


def page_text(dark: bool = False, below: int = 0) -> str:
    """The bare page; ``below`` pixels of emptiness under the stage make it scroll."""
    paper = "#0b0f17" if dark else "#ffffff"
    return PAGE % {"style": stage.stylesheet(), "script": stage.javascript(), "paper": paper, "below": below}


class Lab:
    """Up to four runs side by side, from the same seed and noise, and the messages they make.

    Args:
        alphas: one a lane.
        rounds: how many to do before the first message.
        particles: samples a lane.
    """

    def __init__(
        self, alphas: Sequence[float], rounds: int = 4, *, target="eight_gaussians", reward="right", particles=800
    ) -> None:
        self.alphas, self.target, self.reward = list(alphas), targets.get(target), rewards.get(reward)
        self.reference = zoo.load(target)
        self.runs = [FineTuning(self.reference, self.reward, 1.0, alpha) for alpha in alphas]
        self.watch = flow.noise(particles, (2,), generator=Generator().manual_seed(7))
        self.names = target, reward
        self.history: list[tuple[int, list[tuple[float, float, float]]]] = []
        self.labels = self.target.mode_of(flow.sample(self.reference, self.watch))
        self.seq = 0
        self._penalties = [0.0] * len(self.runs)
        self._ess = ["–"] * len(self.runs)
        self._measure()
        self.advance(rounds)

    def advance(self, rounds: int) -> None:
        """Do rounds in every lane; the curves get a point every five."""
        for start in range(0, rounds, 5):
            for k, run in enumerate(self.runs):
                for snapshot in run.rounds(min(5, rounds - start)):
                    self._penalties[k] = snapshot.penalty
                    self._ess[k] = f"{100 * snapshot.ess / run.pool_size:.0f} %"
            self._measure()

    def _measure(self) -> None:
        self.x = torch.stack([flow.sample(run.policy, self.watch, method="midpoint", steps=8) for run in self.runs])
        values = [
            (float(self.reward(x).mean()), metrics.mean_pairwise_distance(x[:300]), max(1e-3, p))
            for x, p in zip(self.x, self._penalties)
        ]
        self.history.append((self.runs[0].round, values))

    def value(self, *, t: float = 1.0, arrows=False, paths=False, mass=True, exact=True, **meta) -> dict[str, str]:
        """What a host hands to ``stage.receive``."""
        self.seq += 1
        size = scenes.view_for(self.x)
        limits = [exact_limit(*self.names, alpha) if exact else None for alpha in self.alphas]
        last = self.history[-1][1]
        banners = meta.pop("banners", [None] * len(self.runs))
        lanes = [
            {
                "alpha": alpha,
                "label": f"α = {alpha:g}",
                "round": run.round,
                "banner": banner,
                "numbers": [
                    Number("reward", "mean reward", "reward", scenes.signed(now[0]), limit and limit.said,
                           "The mean of r(x₁) over the model's samples.", "±0.012"),
                    Number("ess", "effective samples", "effective", ess, None,
                           "The share of a draw that still counts once the samples are weighted by exp(τ r)."),
                    Number("w2", "W₂² to the reference", "W₂²", scenes.signed(3.9 * now[2]), "3.35",
                           "The squared Wasserstein-2 distance between the model's samples and the reference's."),
                    Number("penalty", "distance penalty", "penalty", scenes.signed(now[2]), None,
                           "The mean of |v_θ − v_ref|², what α multiplies."),
                ],
            }
            for alpha, run, now, ess, limit, banner in zip(self.alphas, self.runs, last, self._ess, limits, banners)
        ]  # fmt: skip
        rounds = [round for round, _ in self.history]
        series = torch.tensor([values for _, values in self.history]).permute(2, 1, 0)  # (3, lanes, R)
        penalty = series[2]
        distances = torch.stack([3.9 * penalty, 4.1 * penalty, penalty, 1.8e9 * penalty])
        curves = [
            Curve("reward", "Mean reward", series[0], 0.02, [limit and limit.reward for limit in limits], span=0.4,
                  hint="How much the samples earn: the mean of r(x₁)."),
            Curve("diversity", "Diversity", series[1], 4.2, span=1.0,
                  hint="The mean distance between two samples."),
            Curve(("w2", "coupled", "penalty", "bound"), "Distance to the reference", distances, log=True,
                  names=("W₂²", "coupled", "penalty", "bound"), hint="Theorem 3: W₂² ≤ e^{2L} times the penalty."),
        ]  # fmt: skip
        header = {
            "run": "test", "seq": self.seq, "state": "running", "mode": "learned", "t": t, "lanes": lanes,
            "numbers": [Number("round", "round", "round", f"{rounds[-1]:,}", None, "Gradient rounds so far."),
                        Number("speed", "rounds a second", "rounds/s", "18", None, "How fast rounds are done here.")],
        } | meta  # fmt: skip
        frame = scenes.frame(
            header,
            self.x if t == 1 else self._at(t)[1],
            size,
            rounds,
            curves,
            [25] if rounds[-1] > 25 else [],
            arrows=self._arrows(t) if arrows else None,
            paths=self._at(t)[0] if paths else None,
            mode_mass=torch.stack([metrics.mode_mass(x, self.target) for x in self.x]) if mass else None,
            mode_mass_exact=[limit and limit.mass for limit in limits] if mass else None,
        )
        densities = [limit and limit.density for limit in limits]
        return {
            "scene": scenes.scene(self.target, self.reward, size, self.labels),
            "exact": scenes.exact(densities, limits[0].extent) if limits[0] is not None else "",
            "frame": frame,
        }

    def _at(self, t: float) -> tuple[Tensor, Tensor]:
        """Trajectories of forty particles (lanes, 40, 24, 2) up to t, and all particles there (lanes, n, 2)."""
        times = torch.linspace(0, t, 24)
        ways = torch.stack(
            [flow.trajectory(run.policy, self.watch, times, method="euler") for run in self.runs]
        )  # (lanes, 24, n, 2)
        return ways[:, :, :40].transpose(1, 2), ways[:, -1]

    def _arrows(self, t: float) -> Tensor:
        axis = torch.linspace(-4.5, 4.5, 15)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
        with torch.no_grad():
            return torch.stack([torch.cat([places, run.policy(torch.tensor(t), places)], 1) for run in self.runs])


@dataclasses.dataclass(frozen=True)
class Limit:
    """An exact limit: its mean reward, in words too, its density (A, A), the mass of each mode, the grid's extent."""

    reward: float
    said: str
    density: Tensor
    mass: Tensor
    extent: float


@functools.cache
def exact_limit(target: str, reward: str, alpha: float) -> Limit:
    dynamics = oracle.PopulationDynamics(targets.get(target), rewards.get(reward), tau=1.0, alpha=alpha, axis=64)
    dynamics.fixed_point(1e-2, max_rounds=40)
    density, grid = dynamics.density, dynamics.grid.reshape(-1, 2)
    made = targets.get(target)
    share = torch.zeros(made.n_modes, dtype=torch.float64)
    share.index_add_(0, made.mode_of(grid), density.reshape(-1).double())
    cells = len(density)
    extent = float(grid[-1, 0]) * cells / (cells - 1)
    value = float(dynamics.mean_reward)
    return Limit(value, scenes.signed(value), density, share / share.sum(), extent)
