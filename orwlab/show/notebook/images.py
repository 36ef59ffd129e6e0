"""Fine-tuning on images in a notebook: the grids of the Images page, from the same noise, steered while they learn.

from orwlab.show import images
images.stage(wanted=(2, 3), alpha=0.1)
"""

import base64
import io
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import anywidget
import ipywidgets
import traitlets

from orwlab import checks
from orwlab.show import grids
from orwlab.show.lab import messages
from orwlab.show.lab.image_session import ImageSession
from orwlab.show.lab.image_settings import CONTROLS, ImageSettings, ImageStory
from orwlab.show.notebook import controls as parts
from orwlab.show.notebook import view
from orwlab.show.notebook.scheduler import Player, Scheduler, shared
from orwlab.tasks.digits import EVEN

WITHOUT_KERNEL = "images that are fine-tuned: run this cell to move them"
COMMANDS = ("toggle", "step", "reset")
STEERED = ("alpha", "others")  # what has a control
STILL = 4  # pixels of the still picture for one of an image


def stage(
    task: str = "digits",
    alpha: float = 0.2,
    others: Sequence[float] = (),
    *,
    wanted: Sequence[int] = EVEN,
    files: str = "small",
    seed: int = 0,
) -> "ImagesStage":
    """A run on images to steer in a notebook: what the reference draws, and beside it what becomes of it.

    It begins with the reference, paused; it trains in the kernel, in the background, once somebody presses Play and as
    long as it is on the screen.

    Args:
        task: "digits", or "photographs", of which a round takes about a second.
        alpha: weight of the W2 term; the slider's.
        others: up to three more alphas, beside it, from the same seed and the same noise.
        wanted: the digits that are paid for, at least one and not all.
        files: which photographs are paid for: those whose JPEG files are "small" or "large".
        seed: of everything random.

    Keys on the images: space plays and rests, s a round, r the reference; Enter on an image shows its way from noise.

    Raises:
        ValueError: something does not fit; the message names it, its value and what is allowed.
    """
    checks.choice("task", task, ("digits", "photographs"))
    settings = ImageSettings(task, _listed(wanted), files, alpha=alpha, others=_listed(others), seed=seed)
    return ImagesStage(settings)


def _listed(values: Any) -> Any:
    """A range as the list that it stands for; anything else is for the settings to judge."""
    return tuple(values) if isinstance(values, range) else values


class ImagesView(anywidget.AnyWidget):
    """The grids. ``on_message`` is called with everything that a browser says; see ``images_view.js``."""

    _esm = grids.javascript() + view.script("images_view.js")
    _css = grids.stylesheet() + view.stylesheet()
    first = traitlets.Dict().tag(sync=True)
    notice = traitlets.Unicode().tag(sync=True)
    """a sentence below the images, for what could not be done"""

    def __init__(self, first: dict[str, Any], on_message: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(first=first)
        self.on_msg(lambda _, content, buffers: on_message(content if isinstance(content, dict) else {}))


class Steered:
    """A session of the scheduler's thread, and what other threads want of it: that is done before the next round."""

    def __init__(self, session: ImageSession) -> None:
        self.session = session
        self.state = session.state
        self._wishes: deque[Callable[[], None]] = deque()
        self._sent = session.seq

    @property
    def seq(self) -> int:
        """See ``ImageSession``."""
        return self.session.seq

    @property
    def idle_for(self) -> float:
        """0 while there is something to do."""
        return 0.0 if self._wishes or not self.session.idle else math.inf

    def wish(self, action: Callable[[], None]) -> None:
        """Have it done by the thread whose session it is."""
        self._wishes.append(action)

    def pause(self) -> None:
        """Rest after the round that is under way."""
        self.wish(self.session.pause)

    def advance(self, budget: float) -> bool:
        """See ``ImageSession.advance``; also what was wished for is something new."""
        asked = False
        while self._wishes:
            self._wishes.popleft()()
            asked = True
        new = self.session.advance(budget)
        self.state = self.session.state
        return new or asked

    def frame(self) -> dict[str, Any]:
        """What is new since the last one."""
        have, self._sent = self._sent, self.session.seq
        return self.session.frame(have)


class ImagesStage(ipywidgets.VBox):
    """What ``stage`` returns: buttons and controls above the grids.

    ``play``, ``pause``, ``step`` and ``reset`` do what the buttons do; ``control`` changes settings; ``close`` ends it.
    """

    def __init__(self, settings: ImageSettings, scheduler: Scheduler | None = None) -> None:
        session = ImageSession(ImageStory(settings))
        session.advance()  # the reference is there at once, also for those without a kernel
        self.settings = settings
        self._scheduler = scheduler or shared
        self._played = Steered(session)
        self._player = Player(self._played, self._on_frame, self._say)
        self._first = session.frame()
        self.view = ImagesView(self._first, self._on_message)
        self._controls = {name: parts.made(CONTROLS[name], getattr(settings, name), "") for name in STEERED}
        self._following = False  # whether the controls are moved here, and not by somebody
        self._buttons = {
            "toggle": parts.button("Play", "play", "Train, or rest (key: space)"),
            "step": parts.button("Step", "step-forward", "One round (key: s)"),
            "reset": parts.button("Reset", "refresh", "Back to the pretrained reference (key: r)"),
        }
        for name, button in self._buttons.items():
            button.on_click(lambda _, name=name: getattr(self, name)())
        for name, control in self._controls.items():
            control.widget.observe(lambda change, name=name: self._on_control(name, change["new"]), names="value")
        buttons = ipywidgets.HBox([*self._buttons.values()])
        bar = ipywidgets.HBox([buttons, *(control.widget for control in self._controls.values())])
        bar.add_class("orw-bar")
        super().__init__([bar, self.view], layout={"width": "100%"})
        self.add_class("orw-live")
        self._scheduler.add(self._player)

    # What one can do ------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Train, as long as somebody looks."""
        self._press("play")

    def pause(self) -> None:
        """Rest after the round that is under way."""
        self._press("pause")

    def toggle(self) -> None:
        """Play, or pause."""
        self._press("toggle")

    def step(self) -> None:
        """One round."""
        self._press("step")

    def reset(self) -> None:
        """Back to the pretrained reference, paused."""
        self._press("reset")

    def control(self, **changes: Any) -> None:
        """Change settings, as the slider does.

        Raises:
            ValueError: in plain words; nothing is changed then.
        """
        self.settings = self.settings.changed(**changes)
        self._played.wish(lambda: self._played.session.control(**changes))
        self._follow()
        self._scheduler.nudge()

    def close(self) -> None:
        """End the run and take the widget away."""
        player = getattr(self, "_player", None)
        if player is not None:
            self._scheduler.remove(player)
        super().close()

    def _press(self, name: str) -> None:
        self._played.wish(getattr(self._played.session, name))
        self._scheduler.nudge()

    # What happens ---------------------------------------------------------------------------------------------------

    def _on_message(self, message: dict[str, Any]) -> None:
        """Somebody's browser has said something; nothing in it is trusted."""
        kind, whose = messages.text(message, "kind"), messages.text(message, "view")
        if kind == "gone":
            self._player.acknowledgements.gone(whose)
            return
        visible = message.get("visible") is not False
        self._player.acknowledgements.heard(whose, messages.count(message.get("seq")), visible=visible)
        if kind == "hello":
            self._played.wish(lambda: self._show(self._played.session.frame()))
        elif kind == "command" and messages.text(message, "name") in COMMANDS:
            self._press(messages.text(message, "name"))
        elif kind == "path":
            self._played.wish(lambda: self._answer(message))
        self._scheduler.nudge()

    def _answer(self, message: dict[str, Any]) -> None:
        try:
            found = self._played.session.path(message.get("lane"), message.get("k"))
        except ValueError as error:
            found = {"error": f"{error}."}
        self.view.send({"kind": "path", "ask": messages.count(message.get("ask")), "value": found})

    def _on_control(self, name: str, value: Any) -> None:
        if self._following:
            return
        try:
            self.control(**{name: self._controls[name].read(value)})
        except ValueError as error:
            self._say(f"{error}.")
            return
        self._say("")

    def _follow(self) -> None:
        """Make the controls show the settings. Only the kernel's thread comes here."""
        self._following = True
        try:
            for name, control in self._controls.items():
                value = control.write(getattr(self.settings, name), "")
                if control.widget.value != value:
                    control.widget.value = value
        finally:
            self._following = False

    def _on_frame(self, value: dict[str, Any]) -> None:
        self._show(value)
        running = value["state"] == "running"
        button = self._buttons["toggle"]
        if (button.description == "Pause") != running:
            button.description, button.icon = ("Pause", "pause") if running else ("Play", "play")

    def _show(self, value: dict[str, Any]) -> None:
        self.view.send({"kind": "frame", "value": value})

    def _say(self, sentence: str) -> None:
        self.view.notice = sentence

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """As any widget; and for those without a kernel what the reference draws, as a picture."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        return {
            **data,
            "text/plain": WITHOUT_KERNEL,
            "image/png": enlarged(self._first["reference"]["sheet"]),
        }, metadata


def enlarged(sheet: str) -> str:
    """A sheet of images, a PNG as a data URL, with ``STILL`` pixels for each of its own: base64 of a PNG.

    Raises:
        ValueError: it is no such thing.
    """
    from PIL import Image

    head, _, data = sheet.partition(",") if isinstance(sheet, str) else ("", "", "")
    if head != "data:image/png;base64":
        raise checks.fail("sheet", sheet, "a PNG as a data URL")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    file = io.BytesIO()
    image.resize((STILL * image.width, STILL * image.height), Image.Resampling.NEAREST).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()
