"""Frames with numbers of any size, for what is drawn in the panels."""

import numpy as np
import torch

from orwlab import rewards, targets
from orwlab.show.stage import scenes
from orwlab.show.stage.scenes import Curve, Number

ALPHAS = [0.001, 0.3, 1.0, 10.0]


def value(lanes: int = 1, scale: float = 1.0, rounds: int = 100, **meta) -> dict[str, str]:
    """What a host hands to ``stage.receive``: curves that end near ``scale`` (times a number of order one a lane)."""
    at = list(range(0, rounds + 1, 10))
    t, k = np.linspace(0, 1, len(at)), np.arange(1, lanes + 1)[:, None]
    reward, diversity = scale * k * t**0.7, abs(scale) * (5 - 0.4 * k * t)
    distances = np.stack([max(abs(scale), 1e-12) * factor * k * t for factor in (3, 3.3, 0.6, 4e13)])
    curves = [
        Curve("reward", "Mean reward", reward, 0.0, (1.1 * reward[:, -1]).tolist(), span=0.4, hint="It is so."),
        Curve("diversity", "Diversity", diversity, 5 * abs(scale), diversity[:, -1].tolist(), span=1.0, hint="So."),
        Curve(["w2", "coupled", "penalty", "bound"], "Distances", distances, None, [2.9 * abs(scale)] * lanes, log=True,
              names=["W₂²", "coupled cost", "penalty", "the paper's bound"], hint="They are so."),
    ]  # fmt: skip
    say = scenes.signed
    ends = [(float(r[-1]), float(d[-1])) for r, d in zip(reward, diversity)]
    described = [
        {
            "alpha": alpha, "label": f"α = {alpha:g}", "round": rounds, "banner": None,
            "numbers": [
                Number("reward", "mean reward", "reward", say(r), f"about {say(1.1 * r)}", "So."),
                Number("diversity", "diversity", "diversity", say(d), say(d), "So."),
                Number("w2", "distance W₂²", "W₂²", scenes.significant(distances[0, lane, -1]), "3.5", "So."),
                Number("penalty", "distance penalty", "penalty", "0.61", None, "So."),
                Number("bound", "the paper's bound", "bound", "10¹⁴", None, "So."),
            ],
        }
        for lane, (alpha, (r, d)) in enumerate(zip(ALPHAS, ends))
    ]  # fmt: skip
    header = {"run": "extreme", "seq": 1, "state": "paused", "mode": "both", "t": 1.0, "lanes": described,
              "numbers": [Number("round", "round", "round", f"{rounds}"),
                          Number("drawn", "particles", "particles", "200")]} | meta  # fmt: skip
    masses = torch.full((lanes, 8), 0.125)
    x = 2 * torch.randn(lanes, 200, 2, generator=torch.Generator().manual_seed(0))
    frame = scenes.frame(header, x, 5.0, at, curves, mode_mass=masses, mode_mass_exact=masses)
    labels = torch.arange(200) % 8
    scene = scenes.scene(targets.get("eight_gaussians"), rewards.get("right"), labels=labels, grid=24)
    return {"scene": scene, "exact": "", "frame": frame}
