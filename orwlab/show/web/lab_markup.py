"""What stands on the Live lab's page: its words and controls. ``lab.js`` brings them to life."""

from orwlab import rewards
from orwlab.show.lab.settings import ALPHA_MAX, LR_MAX, LR_MIN, TAU_MAX, Settings, target_names
from orwlab.show.web import controls
from orwlab.show.web.slider import Scale, slider

ALPHA = Scale(0.01, ALPHA_MAX, positions=81, ticks=(0, 0.1, 1, 10, 100), log=True, zero=True)
TAU = Scale(0.0, TAU_MAX, positions=100, ticks=(0, 1, 2, 3, 4, 5), digits=3)
RATE = Scale(LR_MIN, LR_MAX, positions=80, ticks=(1e-5, 1e-4, 1e-3, 0.01, 0.1), log=True)
TIME = Scale(0.0, 1.0, positions=50, ticks=(0, 0.25, 0.5, 0.75, 1), digits=2)
BESIDE = (0.0, 0.3, 3.0)  # alphas that are offered for comparison

_REWARDS = {
    "right": "Right (with a ceiling)",
    "plane": "Plane (without a ceiling)",
    "bump": "Bump (one good place)",
    "ring": "Ring (one good distance)",
    "angle": "Angle (up is good)",
    "box": "Box (in or out)",
    "two_bumps": "Two bumps (good, better)",
}
_SPEEDS = {
    1: "1 round a second",
    4: "4 rounds a second",
    20: "20 rounds a second",
    0: "as fast as it goes",
}

_KEYS = {
    "Space": "play or pause",
    "← →": "smaller or larger α",
    "↓ ↑": "smaller or larger τ",
    "S": "one step: a single round, then pause",
    "R": "reset: back to the reference",
    "P": "present: the stage fills the screen",
    "+ − 0": "on the stage: zoom in, zoom out, the whole picture",
    "?": "this list",
    "Esc": "leave the presentation, close this list",
}


def markup(default: Settings) -> str:
    """The page's HTML with the controls set to ``default``."""
    return f"""
<div class="lab">
  <header class="lab-head">
    <h1>Live lab: teach a flow model what to like</h1>
    <div class="corner">{_corner()}</div>
    <p>Each dot is one sample, and violet ground pays more: watch the dots move there, and what that costs in
    <b>diversity</b>; then drag <b>α</b>.</p>
  </header>
  <section class="lab-stage" aria-label="Stage">
    <div class="orw-stage"></div>
    <div class="notice" role="status" hidden></div>
  </section>
  <section class="lab-side" aria-label="Controls">
    <div class="lab-strip">{_strip(default)}</div>
    <div class="lab-more">{_essentials(default)}{_groups(default)}</div>
  </section>
  <section class="lab-try" aria-labelledby="try-title">{_try()}</section>
  <p class="lab-said" aria-live="assertive"></p>
  {_keys()}
</div>"""


def _corner() -> str:
    return controls.button("Present", "The stage fills the screen (P)", ident="present", command="present") + (
        controls.button("Keys", "What can be done by keyboard (?)", ident="help", open="lab-keys")
    )


def _strip(default: Settings) -> str:
    button = controls.button
    buttons = (
        button("Pause", "Play or pause (space)", ident="toggle", command="toggle"),
        button("Step", "One round, then pause (S)", ident="step", command="step"),
        button("Reset", "Back to the reference, with these settings (R)", ident="reset", command="reset"),
        button("Reset to demo", "Everything as when you came", ident="demo", press="reset_to_demo"),
    )
    info = "How strongly the model is held to the reference; 0 lets it go."
    alpha = slider("alpha", "W2 weight α", info, default.alpha, ALPHA)
    leave = button("Leave (Esc)", "Leave the presentation", ident="leave", command="present")
    return f'<div class="buttons">{"".join(buttons)}</div>{alpha}<div class="leave">{leave}</div>'


def _essentials(default: Settings) -> str:
    return "".join(
        (
            slider(
                "tau",
                "Inverse temperature τ",
                "How sharply samples with a high reward are preferred; 0 ignores the reward.",
                default.tau,
                TAU,
            ),
            controls.radios(
                "mode",
                "Show",
                "The network, the exact answer, or both.",
                default.mode,
                {"learned": "Learned", "both": "Both", "exact": "Exact"},
            ),
            controls.choice(
                "target",
                "Target",
                "What the reference learned; starts again.",
                default.target,
                {name: name.replace("_", " ").capitalize() for name in target_names()},
            ),
            controls.choice(
                "reward",
                "Reward",
                "What is paid for: violet ground pays more.",
                default.reward,
                {name: _REWARDS.get(name, name) for name in rewards.names()},
            ),
        )
    )


def _groups(default: Settings) -> str:
    rows = []
    for k, alpha in enumerate(BESIDE):
        on = k < len(default.others)
        value = default.others[k] if on else alpha
        word = ("Second", "Third", "Fourth")[k]
        rows.append((f"{word} α", on, slider(f"other-{k}", f"{word} α", "", value, ALPHA)))
    compare = controls.several("others", "Up to three more values of α, from the same seed and the same noise.", rows)
    return (
        controls.group("Compare alphas", compare)
        + controls.group("Training", *_training(default))
        + controls.group("View", *_view(default))
    )


def _training(default: Settings) -> tuple[str, ...]:
    return (
        controls.choice(
            "weighting",
            "Weights w",
            "How a reward becomes a weight. A new choice starts again.",
            default.weighting,
            {"exp": "w = exp(τ r), the paper's", "mean_one": "divided by their mean", "clipped": "with a ceiling"},
        ),
        controls.choice(
            "coupling",
            "Coupling",
            "How noise x₀ and samples x₁ are paired in training. A new choice starts again.",
            default.coupling,
            {"independent": "independent", "ot": "optimal transport"},
        ),
        controls.number(
            "steps_per_round",
            "Gradient steps a round",
            "How long the model imitates one draw of its own samples before it draws again.",
            default.steps_per_round,
        ),
        slider("lr", "Learning rate", "How far one gradient step goes; too far, and it diverges.", default.lr, RATE),
        controls.number(
            "seed",
            "Seed",
            "The same seed and the same moves give the same run. A new one starts again.",
            default.seed,
        ),
        controls.choice("speed", "Speed", "How many rounds it does in a second.", default.speed, _SPEEDS),
    )


def _view(default: Settings) -> tuple[str, ...]:
    return (
        slider(
            "t",
            "Flow time t",
            "On the way from noise (t = 0) to finished samples (t = 1).",
            default.t,
            TIME,
        ),
        controls.radios(
            "background",
            "Background",
            "What the colour of the ground says.",
            "reward",
            {"reward": "Reward", "density": "Data", "none": "Plain"},
        ),
        controls.switch("ghost", "Reference", "Grey lines around the data that the reference has learned.", True),
        controls.switch("contours", "Exact contours", "Lines around the exact limit, in “Both” and “Exact”.", True),
        controls.switch("arrows", "Velocity arrows", "The model's velocity v(t, x) at flow time t.", default.arrows),
        controls.switch("paths", "Trajectories", "How some samples flow from noise to where they are.", default.paths),
    )


def _try() -> str:
    base = {"others": [], "mode": "learned"}
    buttons = (
        controls.attempt(
            "Let go: α = 0",
            "Nothing holds the samples now. The model imitates its own best samples, round after round: the reward "
            "rises, the variety goes, and everything ends in one place, even outside the data.",
            {**base, "alpha": 0, "tau": 2},
            ("reset", "play"),
        ),
        controls.attempt(
            "Hold on: α = 1",
            "Held to the reference, the same training comes to rest: near the dashed line, where a perfect network "
            "would.",
            {**base, "alpha": 1, "tau": 1},
            ("reset", "play"),
        ),
        controls.attempt(
            "The exact answer",
            "The contours show the distribution that a perfect network would end in. No network was needed to compute "
            "it. Drag α and watch both.",
            {"mode": "both", "others": []},
            ("play",),
        ),
        controls.attempt(
            "Four α side by side",
            "The same seed and the same noise; only α differs. Small α: high reward, little variety. Large α: the "
            "reference again.",
            {"alpha": 0, "others": [0.3, 1, 3], "mode": "learned"},
            ("play",),
        ),
    )
    return f"""<h2 id="try-title">Try this</h2><div class="attempts">{"".join(buttons)}</div>
<p class="attempted" role="status">Four moves that tell the story. Each sets the controls and says what to watch.</p>"""


def _keys() -> str:
    rows = "".join(f"<dt><kbd>{key}</kbd></dt><dd>{does}</dd>" for key, does in _KEYS.items())
    return f"""<dialog id="lab-keys" aria-labelledby="keys-title"><h2 id="keys-title">Keys</h2><dl>{rows}</dl>
<form method="dialog"><button>Close</button></form></dialog>"""
