"""Scenes worth seeing, each a link with a title and a caption. Their pictures are made by ``orwlab.show.gallery``."""

from dataclasses import dataclass
from typing import Any

from orwlab.show.lab.link import Link
from orwlab.show.lab.story import Story


@dataclass(frozen=True)
class Scene:
    """``name`` is also that of its picture; ``link`` leads to it."""

    name: str
    title: str
    caption: str
    link: Link


def _scene(name: str, title: str, caption: str, scene: dict[str, Any], round: int, log: Any = ()) -> Scene:
    return Scene(name, title, caption, Link(Story.read({"scene": scene, "round": round, "log": list(log)})))


SCENES: tuple[Scene, ...] = (
    _scene(
        "collapse", "Collapse",
        "α = 0: nothing holds the samples. The reward rises to its ceiling, and one mode after the other is forgotten.",
        {"alpha": 0.0, "tau": 2.0}, 120,
    ),
    _scene(
        "leaving", "Leaving the data",
        "The reward grows without end to the right. Without a hold the samples follow it to where there never were "
        "data.",
        {"alpha": 0.0, "tau": 2.0, "reward": "plane"}, 60,
    ),
    _scene(
        "rescue", "The rescue",
        "The same collapse, but in round 60 α is raised to 3. The reference still knows all modes, and pulls them "
        "back.",
        {"alpha": 0.0, "tau": 2.0}, 300, [[60, "alpha", 3.0]],
    ),
    _scene(
        "temperature", "α as a temperature",
        "Four α from the same noise. A small α is cold: high reward, little variety. A large one is the reference "
        "again.",
        {"alpha": 0.1, "others": [0.3, 1.0, 3.0], "mode": "both"}, 200,
    ),
    _scene(
        "ring", "A ring on rings",
        "The reward likes one distance from the middle; the data are three rings. Nineteen of twenty samples end on "
        "the ring that fits best.",
        {"target": "rings", "reward": "ring", "alpha": 0.3, "tau": 2.0, "mode": "both"}, 200,
    ),
    _scene(
        "two_peaks", "Two unequal peaks",
        "One good place, and one that is a little better. With α = 0 the better one takes nearly all; with α = 1 both "
        "keep more than the other modes.",
        {"reward": "two_bumps", "alpha": 0.0, "others": [1.0]}, 150,
    ),
    _scene(
        "forgotten", "A mode that returns",
        "In round 80 the reward turns from right to up. Mode 3 had been thinned out to 4 samples in 100; held to a "
        "reference that still knows it, the model brings it back to two thirds.",
        {"alpha": 1.0, "tau": 2.0}, 240, [[80, "reward", "angle"]],
    ),
    _scene(
        "proxy", "Proxy against true reward",
        "What is paid for goes on to the right for ever; what is really wanted is near. At first both rise. With α = 0 "
        "the reward then runs away while the true one falls to nothing; with α = 1 it stays. Press Reveal.",
        {"reward": "plane", "truth": "formula:exp(-((x-2.5)^2+y^2)/6)", "alpha": 0.0, "others": [1.0]}, 80,
    ),
    _scene(
        "shuffled", "Shuffled weights",
        "Everything looks busy: as many samples carry the weight as ever. But each has the weight of another, and the "
        "reward does not rise. Set the fault to none, and it does.",
        {"alpha": 0.3, "tau": 2.0, "fault": "shuffled"}, 150,
    ),
    _scene(
        "exact", "Nobody trains here",
        "The exact densities, round by round, without any network: where perfect fine-tuning would go.",
        {"alpha": 0.1, "others": [1.0], "mode": "exact", "tau": 2.0}, 40,
    ),
    _scene(
        "vacuous", "The vacuous bound",
        "The paper's bound on W₂² holds, and is many powers of ten too large: see the panel of distances.",
        {"alpha": 1.0, "mode": "both"}, 150,
    ),
    _scene(
        "digits", "Real digits: even ones wanted",
        "The data are handwritten digits, as points of a plane: point at a sample, and see its picture. Even ones are "
        "paid for. At first half of them are even; with α = 0.3, nine in ten.",
        {"target": "digits_latent", "reward": "digits:02468", "truth": "judge:02468", "alpha": 0.3, "mode": "both"},
        200,
    ),
    _scene(
        "flow", "Halfway from noise",
        "Flow time 0.6: samples on their way from noise to data, with the velocity that carries them.",
        {"t": 0.6, "arrows": True, "paths": True, "alpha": 0.3}, 100,
    ),
)  # fmt: skip

BY_NAME = {scene.name: scene for scene in SCENES}
