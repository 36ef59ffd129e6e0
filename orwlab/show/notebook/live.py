"""The live stage in a notebook: train while looking, with the app's own stage.

from orwlab.show import live
live.stage(target="eight_gaussians", reward="right", alpha=1.0)
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from orwlab import checks
from orwlab.show.lab import messages
from orwlab.show.lab.controls import BY_NAME, Choice, Number
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.notebook import controls as parts
from orwlab.show.notebook.scheduler import Player, Scheduler, shared
from orwlab.show.notebook.still import MIME
from orwlab.show.notebook.view import StageView

WITHOUT_KERNEL = "live stage: run this cell to move it"
WAYS = {"up": 1, "down": -1}
COMMANDS = ("toggle", "step", "reset", "undo")


def stage(
    target: str = "eight_gaussians",
    reward: str = "right",
    tau: float = 1.0,
    alpha: float = 1.0,
    mode: str = "both",
    controls: Sequence[str] = ("alpha", "tau"),
    *,
    particles: int = 1000,
    height: int = 520,
    autoplay: bool = False,
    still_round: int = 100,
    film: Sequence[tuple[int, Mapping[str, Any]]] = (),
    **settings: Any,
) -> "LiveStage":
    """A fine-tuning run to steer in a notebook: the app's stage with buttons, sliders and menus.

    It begins with the pretrained reference, paused; it trains in the kernel, in the background, once somebody presses
    Play and as long as the stage is on the screen.

    Args:
        target: name of the data.
        reward: name of the reward.
        tau: inverse temperature.
        alpha: weight of the W2 term.
        mode: "learned" (the network's samples), "exact" (the limit without a network) or "both".
        controls: names of settings that get a slider, menu or box, in this order.
        particles: samples on show.
        height: of the picture, in pixels.
        autoplay: whether it trains without being asked to.
        still_round: the round at which the still picture is taken that shows where there is no kernel.
        film: of the film that is recorded for those without a kernel: (round, settings that change then), in order; the
            last round is its end.
        settings: any further setting of the Live lab: ``others``, ``methods`` (names of ``orwlab.methods`` that race in
            place of alphas, all aiming at ``strength``), ``steer`` ("w2" or "kl": alpha by itself, to a
            ``budget`` of that), ``weighting``, ``coupling``, ``fault``, ``steps_per_round``, ``lr``, ``seed``,
            ``measured`` (numbers off the "average" of the weights or off the "iterate"), ``truth`` (a reward that is
            only read, where ``reward`` is its proxy), ``speed``, ``t``, ``arrows``, ``paths``.

    Keys on the picture: space plays and rests, s a round, r the reference, z undoes the last change, e, t and w go
    through what is shown, targets and rewards, arrows move alpha and tau (or strength), p shows it large.

    Raises:
        ValueError: something does not fit; the message names it, its value and what is allowed.
    """
    chosen = {"target": target, "reward": reward, "tau": tau, "alpha": alpha, "mode": mode, **settings}
    for name in chosen:
        checks.choice("argument", name, parts.NAMES)
    if isinstance(controls, str) or not isinstance(controls, Sequence):
        raise checks.fail("controls", controls, "a tuple of names, such as ('alpha', 'tau')")
    if not isinstance(autoplay, bool):
        raise checks.fail("autoplay", autoplay, "True or False")
    return LiveStage(
        Settings(**chosen),
        controls,
        particles=checks.integer("particles", particles, low=2, high=5000),
        height=checks.integer("height", height, low=240, high=2000),
        autoplay=autoplay,
        still_round=checks.integer("still_round", still_round, low=0, high=1000),
        film=_film(film, chosen),
    )


def _film(film: Any, chosen: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """``film``, checked: each of its settings is one that the stage could have begun with."""
    allowed = "(round, settings) pairs with rounds that increase, such as ((150, {'alpha': 3.0}), (300, {}))"
    if isinstance(film, str) or not isinstance(film, Sequence):
        raise checks.fail("film", film, allowed)
    moves: list[tuple[int, dict[str, Any]]] = []
    for move in film:
        if not isinstance(move, Sequence) or len(move) != 2 or not isinstance(move[1], Mapping):
            raise checks.fail("film", film, allowed)
        at = checks.integer("film's round", move[0], low=0, high=1000)
        if moves and at <= moves[-1][0]:
            raise checks.fail("film", film, allowed)
        for name in move[1]:
            checks.choice("film's setting", name, parts.NAMES)
        Settings(**{**chosen, **move[1]})
        moves.append((at, dict(move[1])))
    if moves and moves[-1][0] == 0:
        raise checks.fail("film", film, "an end after round 0")
    return moves


class LiveStage(ipywidgets.VBox):
    """What ``stage`` returns: buttons and controls above the picture.

    ``session`` is the run; ``play``, ``pause``, ``step`` and ``reset`` do what the buttons do; ``undo`` goes back to
    the last change; ``close`` ends it.
    """

    def __init__(
        self,
        settings: Settings,
        controls: Sequence[str],
        *,
        particles: int,
        height: int,
        autoplay: bool = False,
        still_round: int = 0,
        film: Sequence[tuple[int, Mapping[str, Any]]] = (),
        scheduler: Scheduler | None = None,
    ) -> None:
        self._controls = {name: parts.make(name, settings) for name in controls}
        self.session = Session(settings, particles=particles, running=autoplay, name="notebook")
        self.view = StageView(self.session.frame(), height, self._on_message)
        self._still = {"settings": vars(settings), "particles": particles, "round": still_round, "height": height}
        if film:
            self._still["film"] = [[at, dict(changes)] for at, changes in film]
        self._scheduler = scheduler or shared
        self._player = Player(self.session, self._on_frame, self._say)
        self._one_at_a_time = threading.RLock()
        self._follower: int | None = None  # the thread that moves the controls; what it changes, nobody asked for
        self._followed = self.session.settings  # what the controls show
        self._buttons = {
            "toggle": parts.button("Play", "play", "Train, or rest (key: space)"),
            "step": parts.button("Step", "step-forward", "One round (key: s)"),
            "reset": parts.button("Reset", "refresh", "Back to the pretrained reference (key: r)"),
        }
        for name, button in self._buttons.items():
            button.on_click(lambda _, name=name: self._do(getattr(self, name)))
        for name, control in self._controls.items():
            control.widget.observe(lambda change, name=name: self._on_control(name, change["new"]), names="value")
        buttons = ipywidgets.HBox([*self._buttons.values()])
        bar = ipywidgets.HBox([buttons, *(control.widget for control in self._controls.values())])
        bar.add_class("orw-bar")
        super().__init__([bar, self.view], layout={"width": "100%"})
        self.add_class("orw-live")
        self._scheduler.add(self._player)
        self._follow()

    # What one can do ------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Train, as long as somebody looks."""
        self.session.play()

    def pause(self) -> None:
        """Rest after the round that is under way."""
        self.session.pause()

    def toggle(self) -> None:
        """Play, or pause."""
        self.session.toggle()

    def step(self) -> None:
        """One round."""
        self.session.step()

    def reset(self) -> None:
        """Back to the pretrained reference, paused."""
        self.session.reset()

    def undo(self) -> None:
        """Back to the round of the last change, as if it had not been made."""
        self.session.undo()

    def control(self, **changes: Any) -> None:
        """Change settings, as the sliders do.

        Raises:
            ValueError: in plain words; nothing is changed then.
        """
        self.session.control(**changes)
        self._after()

    def close(self) -> None:
        """End the run and take the widget away."""
        player = getattr(self, "_player", None)
        if player is not None:
            self.session.pause()
            self._scheduler.remove(player)
            self.session.close()
        super().close()

    # What happens ---------------------------------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        """Somebody's browser has said something; nothing in it is trusted."""
        kind, view = messages.text(message, "kind"), messages.text(message, "view")
        if kind == "gone":
            self._player.acknowledgements.gone(view)
            return
        visible = message.get("visible") is not False
        self._player.acknowledgements.heard(view, messages.count(message.get("seq")), visible=visible)
        if kind == "hello":
            self.view.show_again()
        if kind == "command":
            self._command(messages.text(message, "name"))
        self._scheduler.nudge()

    def _command(self, name: str) -> None:
        if name in COMMANDS:
            self._do(getattr(self, name))
        setting, _, way = name.rpartition("_")
        if self.session.settings.methods:  # a race has one dial, and it is not alpha
            setting = {"alpha": "strength", "tau": ""}.get(setting, setting)
        control, value = BY_NAME.get(setting), vars(self.session.settings).get(setting)
        if isinstance(control, Number) and control.scale is not None and value is not None and way in WAYS:
            value = control.scale.next(value, WAYS[way])
        elif isinstance(control, Choice) and value is not None and way == "next":
            value = control.next(value, self.session.settings.target)
        else:
            return
        self._do(lambda: self.session.control(**{setting: value}))

    def _on_control(self, name: str, value: Any) -> None:
        if threading.get_ident() != self._follower:
            self._do(lambda: self.session.control(**{name: self._controls[name].read(value)}))

    def _on_frame(self, value: dict[str, str]) -> None:
        self.view.show(value)
        if self.session.settings is not self._followed:  # undone
            self._follow()
        self._follow_state()

    def _do(self, action: Callable[[], None]) -> None:
        """Do what somebody asked for; what cannot be done is said below the picture."""
        try:
            action()
        except ValueError as error:
            self._say(f"{error}.")
            return
        self._say("")
        self._after()

    def _say(self, sentence: str) -> None:
        self.view.notice = sentence

    def _after(self) -> None:
        self._follow()
        self._scheduler.nudge()

    def _follow(self) -> None:
        """Make the controls show the settings as they are.

        The kernel's thread and the one that does the rounds both come here: one after the other, so that the last to
        come writes the newest.
        """
        with self._one_at_a_time:
            before, self._follower = self._follower, threading.get_ident()
            self._followed = self.session.settings
            try:
                for name, control in self._controls.items():
                    value = control.write(getattr(self._followed, name), self._followed.target)
                    if control.widget.value != value:
                        control.widget.value = value
            finally:
                self._follower = before
        self._follow_state()

    def _follow_state(self) -> None:
        """Make the first button say what it would do: after a stop nobody has pressed it."""
        running = self.session.state == "running"
        button = self._buttons["toggle"]
        if (button.description == "Pause") != running:
            button.description, button.icon = ("Pause", "pause") if running else ("Play", "play")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """As any widget, and the few words from which ``still.replace`` makes a picture."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {**data, "text/plain": WITHOUT_KERNEL, MIME: self._still}, metadata
