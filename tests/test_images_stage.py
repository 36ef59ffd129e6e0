"""Images in a notebook, without a browser: who works when, what its controls do, what it leaves in the file."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from orwlab.show.notebook import images
from orwlab.show.notebook.scheduler import RATE, Scheduler


class ByHand(Scheduler):
    """Its turns are taken by the test."""

    def nudge(self):
        pass


@pytest.fixture
def made(monkeypatch):
    """A stage, what it sends, and a function that does all the work that is due."""
    scheduler = ByHand()
    monkeypatch.setattr(images, "shared", scheduler)
    stage = images.stage(wanted=range(2, 4), alpha=0.5)
    sent = []
    stage.view.send = sent.append
    now = [0.0]

    def work(turns=60):
        for _ in range(turns):
            now[0] += 1 / RATE
            scheduler.turn(now[0])
            acknowledge(stage, sent)

    yield stage, sent, work
    stage.close()


def says(stage, kind, view="one", visible=True, **more):
    stage._on_message({"kind": kind, "view": view, "visible": visible, **more})


def acknowledge(stage, sent):
    frames = [message["value"] for message in sent if message["kind"] == "frame"]
    if frames:
        says(stage, "acknowledge", seq=frames[-1]["seq"])


def newest(sent):
    return [message["value"] for message in sent if message["kind"] == "frame"][-1]


def test_it_shows_the_reference_at_once_and_works_for_those_who_look(made):
    stage, sent, work = made
    first = stage.view.first
    assert first["lanes"][0]["sheet"] == first["reference"]["sheet"]
    assert first["settings"]["wanted"] == [2, 3]
    stage.step()
    work(5)
    assert sent == [], "nobody looks"
    says(stage, "hello")
    work()
    frame = newest(sent)
    assert (frame["round"], frame["state"], frame["idle"]) == (1, "paused", True)
    assert frame["lanes"][0]["sheet"] != first["reference"]["sheet"]


def test_buttons_keys_and_the_slider_steer_it(made):
    stage, sent, work = made
    says(stage, "hello")
    stage._buttons["step"].click()
    says(stage, "command", name="step")
    work()
    assert newest(sent)["round"] == 2
    stage._controls["alpha"].widget.value = 2.0
    says(stage, "command", name="step")
    work()
    assert stage.settings.alpha == 2.0
    assert newest(sent)["lanes"][0]["alpha"] == 2.0
    assert newest(sent)["story"]["log"] == [[2, "alpha", 2.0]]
    stage.control(others=(0.0,))
    work()
    assert len(newest(sent)["lanes"]) == 2
    assert stage._controls["others"].widget.value == "0"
    stage.play()
    work(3)
    assert stage._buttons["toggle"].description == "Pause"
    says(stage, "command", name="toggle")
    work()
    assert stage._buttons["toggle"].description == "Play"
    stage.reset()
    work()
    assert newest(sent)["round"] == 0


def test_the_way_of_an_image_is_answered_and_what_cannot_be_is_said(made):
    stage, sent, work = made
    says(stage, "hello")
    says(stage, "path", lane=0, k=5, ask=1)
    says(stage, "path", lane=9, k=5, ask=2)
    work(3)
    answers = {message["ask"]: message["value"] for message in sent if message["kind"] == "path"}
    assert answers[1]["k"] == 5
    assert "allowed" in answers[2]["error"]
    stage._controls["others"].widget.value = "0.1, much"
    assert "further α" in stage.view.notice
    assert stage.settings.others == ()
    stage._controls["others"].widget.value = "0.1"
    assert stage.view.notice == ""


@pytest.mark.parametrize(
    "message", [{}, {"kind": "command", "name": "close"}, {"kind": ["path"]}, {"kind": "path", "view": 3, "k": {}}]
)
def test_a_browser_can_say_anything(made, message):
    stage, _, work = made
    stage._on_message(message)
    work(2)
    assert stage._played.session.round == 0


def test_those_without_a_kernel_have_a_picture(made):
    stage, *_ = made
    data, _ = stage._repr_mimebundle_()
    assert data["text/plain"] == images.WITHOUT_KERNEL
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(data["image/png"]))))
    assert picture.shape == (256, 256)
    assert picture.std() > 40
    with pytest.raises(ValueError, match="allowed: a PNG"):
        images.enlarged("nothing")


@pytest.mark.parametrize(
    "given", [{"task": "faces"}, {"alpha": -1}, {"others": (1, 2, 3, 4)}, {"wanted": ()}, {"files": ""}, {"seed": 0.5}]
)
def test_what_does_not_fit_is_named(given):
    with pytest.raises(ValueError, match="allowed"):
        images.stage(**given)
