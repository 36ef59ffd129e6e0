"""The README's pictures, made again: ``python -m orwlab.show.readme`` (some minutes; needs a Chromium)."""

import argparse
from pathlib import Path

import plotly.graph_objects as go
import torch
from torch import Tensor
from tqdm import tqdm

from orwlab import flow, rewards, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.exact.frontiers import Frontiers, Placement
from orwlab.methods.orw import FineTuning
from orwlab.show import figures
from orwlab.tasks import contest, results

ROUNDS = 400
SHOWN_METHODS = {
    "ORW-CFM-W2": "ORW-CFM-W2",
    "RW-CFM": "RW-CFM",
    "Adjoint Matching": "Adjoint Matching",
    "Flow-GRPO": "Flow-GRPO",
    "Flow-GRPO, foresight": "with foresight",
    "DRaFT": "DRaFT",
    "ReFT, one round": "ReFT, once",
}
"""entries of the contest, and how the picture calls them"""


def alpha_figure(name: str = "eight_gaussians", reward_name: str = "bump", tau: float = 2.0) -> go.Figure:
    """The same flow fine-tuned towards one reward at four alphas (raw weights), with the exact limits' contours."""
    target, reference, reward = targets.get(name), zoo.load(name), rewards.get(reward_name)
    x0 = flow.noise(2000, (2,), generator=torch.Generator().manual_seed(1))
    start = flow.sample(reference, x0)
    panels: list[tuple[str, Tensor]] = []
    contours: list[tuple[Tensor, Tensor] | None] = []
    for alpha in (0.0, 1.0, 3.0, 10.0):
        run = FineTuning(reference, reward, tau=tau, alpha=alpha)
        for _ in tqdm(run.rounds(ROUNDS), total=ROUNDS, desc=f"alpha {alpha:g}"):
            pass
        x = flow.sample(run.average, x0)
        heading = f"<b>α = {alpha:g}</b><br>mean reward {float(reward(x).mean()):.2f}"
        if alpha == 0:
            contours.append(None)  # there is no limit: it goes on collapsing
        else:
            exact = PopulationDynamics(target, reward, tau=tau, alpha=alpha)
            exact.fixed_point()
            contours.append((exact.grid[:, 0, 0], exact.density))
            heading += f", exact limit {exact.mean_reward:.2f}"
        panels.append((heading, x))
    return figures.samples_in_panels(panels, reference=start, contours=contours, reward=reward)


def digits_figure() -> go.Figure:
    """Some of what is kept of the digits, over alpha."""
    shown = [outcome for outcome in results.load("digits").outcomes() if outcome.alpha in (None, 0.0, 0.1, 0.5, 2.0)]
    return figures.digits_over_alpha(shown)


def photographs_figure() -> go.Figure:
    """Some of what is kept of the photographs, over alpha."""
    found = results.load("photographs")
    shown = [outcome for outcome in found.outcomes() if outcome.alpha in (None, 0.0, 0.1, 0.3, 1.0)]
    said = {"bytes": "{:.0f} bytes", "coverage": "{:.0%} of photographs covered"}
    return figures.images_over_alpha(shown, said)


def words_figure() -> go.Figure:
    """Some of what is kept of the sentences, over alpha."""
    shown = [outcome for outcome in results.load("words").outcomes() if outcome.alpha in (None, 0.3, 0.1)]
    said = {"reward": "CLIP score {:.2f}", "words": "{:.0%} of words true"}
    return figures.images_over_alpha(sorted(shown, key=lambda one: -(one.alpha or 9)), said, columns=16)


def methods_figure(target: str = "eight_gaussians") -> go.Figure:
    """Where the methods that settle came to in the contest, under both frontiers; means over seeds."""
    exact = PopulationDynamics(targets.get(target), rewards.get(contest.REWARD))
    both = Frontiers(exact.cells, exact.reference_density, exact.reward_values)
    rows = contest.load()
    placed = {}
    for entry, name in SHOWN_METHODS.items():
        reward, kl, w2 = (contest.mean(rows, target, entry, key)[0] for key in ("mean_reward", "kl", "w2_squared"))
        placed[name] = Placement(reward, kl, w2, both.kl.allowed(kl), both.w2.allowed(w2))
    return figures.under_frontiers(both, placed).update_layout(margin_t=15, height=375)  # no title above


def main(arguments: list[str] | None = None) -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(prog="python -m orwlab.show.readme", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("docs/images"))
    parser.add_argument("--only", choices=["alpha", "digits", "photographs", "words", "methods"])
    options = parser.parse_args(arguments)
    folder = options.folder
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "alpha": alpha_figure,
        "digits": digits_figure,
        "photographs": photographs_figure,
        "words": words_figure,
        "methods": methods_figure,
    }
    for name, make in pictures.items():
        if options.only in (None, name):
            make().write_image(folder / f"{name}.png", scale=1.5)


if __name__ == "__main__":
    main()
