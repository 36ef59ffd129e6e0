"""The stage in a notebook, without a browser: what its controls do, who works when, what it leaves in the file."""

import dataclasses
import threading
import time

import pytest
import torch

from orwlab import flow, rewards, zoo
from orwlab.finetune import FineTuning
from orwlab.show.lab.acknowledgements import DOUBT, EVERY, PATIENCE, WINDOW
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.notebook import live, still
from orwlab.show.notebook.scheduler import LOOK, RATE, Scheduler
from orwlab.show.stage import frames


class ByHand(Scheduler):
    """Its turns are taken by the test."""

    def nudge(self):
        pass

    def turns(self, count, now=0.0):
        """Take this many, each at a time when whoever is ready may work."""
        for k in range(count):
            self.turn(now + k / RATE)


@pytest.fixture
def by_hand(monkeypatch):
    scheduler = ByHand()
    monkeypatch.setattr(live, "shared", scheduler)
    return scheduler


def stage(**kwargs):
    """A stage, and the list of what it sends."""
    made = live.stage(**{"particles": 100, "mode": "learned", "speed": 0.0, **kwargs})
    sent = []
    made.view.send = sent.append
    return made, sent


def says(made, kind, view="one", visible=True, **more):
    made._on_message({"kind": kind, "view": view, "visible": visible, **more})


def header(value):
    return frames.decode(value["frame"])[0]


def newest(sent):
    return frames.decode(sent[-1]["value"]["frame"])


def test_it_shows_the_reference_and_waits(by_hand):
    made, sent = stage(particles=300)
    meta, arrays = frames.decode(made.view.first["frame"])
    assert meta["state"] == "paused"
    assert arrays["x"].reshape(-1, 2).shape == (300, 2)
    says(made, "hello")
    assert sent == [{"kind": "frame", "value": made.view.first}]
    by_hand.turns(3)
    made.session.pause()
    assert header(made.session.frame())["lanes"][0]["round"] == 0


def test_nobody_looking_no_work(by_hand):
    made, sent = stage()
    made.play()
    assert by_hand.turn(0.0) is None
    says(made, "hello")
    sent.clear()
    assert by_hand.turn(0.0) == 0.0
    assert newest(sent)[0]["lanes"][0]["round"] >= 1  # two where the machine took its time since Play
    says(made, "seen", visible=False)
    assert by_hand.turn(1.0) is None
    says(made, "hello", view="two")  # the same stage in a second place
    says(made, "seen", view="two", visible=True)
    assert by_hand.turn(2.0) == 0.0
    says(made, "gone", view="two")
    assert by_hand.turn(3.0) is None


def test_paced_and_in_turn(by_hand):
    stages = [stage() for _ in range(5)]
    for made, _ in stages:
        says(made, "hello")
        made.play()
    by_hand.turns(1)  # whatever was to be drawn before
    assert by_hand.turn(0.0) == 0.0
    for _ in range(30):
        by_hand.turn(10.0)
    counts = [made.session.seq for made, _ in stages]
    assert max(counts) - min(counts) <= 2  # nobody is left behind
    now = 20.0
    while by_hand.turn(now) == 0.0:
        pass
    assert by_hand.turn(now) == pytest.approx(1 / RATE)  # all have had theirs: rest


def test_a_slow_browser_is_waited_for(by_hand):
    made, _ = stage()
    says(made, "hello")
    start = made.session.seq
    made.play()
    by_hand.turns(WINDOW + 20)
    assert made.session.seq - start <= WINDOW
    says(made, "acknowledge", seq=made.session.seq)
    before = made.session.seq
    by_hand.turns(5, now=10.0)
    assert made.session.seq == before + 5


def test_a_silent_browser_is_forgotten_and_comes_back(by_hand):
    made, _ = stage()
    says(made, "hello")
    made.play()
    by_hand.turns(EVERY + 5)
    assert by_hand.turn(DOUBT - 1) == 0.0
    assert by_hand.turn(DOUBT + 2) == LOOK  # in doubt: it rests
    assert by_hand.turn(PATIENCE + 2) is None
    says(made, "acknowledge", seq=made.session.seq)
    assert by_hand.turn(PATIENCE + 3) == 0.0


def test_a_paused_stage_is_not_asked_for_signs_of_life(by_hand):
    made, sent = stage()
    says(made, "hello")
    made.step()
    by_hand.turns(3)
    rounds = newest(sent)[0]["lanes"][0]["round"]
    assert by_hand.turn(1000 * PATIENCE) is not None
    made.play()
    by_hand.turns(3, now=1001 * PATIENCE)
    assert newest(sent)[0]["lanes"][0]["round"] > rounds


def test_the_thread_works_only_while_somebody_looks():
    scheduler = Scheduler()
    made = live.LiveStage(Settings(speed=0.0), (), particles=100, height=300, scheduler=scheduler)
    made.play()
    assert not scheduler.working
    says(made, "hello")
    deadline = time.monotonic() + 30
    while made.session.seq < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert made.session.seq >= 5
    made.close()
    while scheduler.working and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not scheduler.working
    rest = made.session.seq
    time.sleep(0.3)
    assert made.session.seq == rest


def test_controls_steer_the_session(by_hand):
    names = ("alpha", "tau", "reward", "others", "lr", "seed", "steps_per_round", "t", "arrows", "mode")
    made, sent = stage(controls=names, alpha=0.25)
    widgets = {name: made._controls[name].widget for name in names}
    assert widgets["alpha"].value == 0.25  # also when it is no place of the scale
    widgets["alpha"].value = 0.0
    widgets["tau"].value = 2.5
    widgets["reward"].value = "ring"
    widgets["others"].value = "1, 10"
    widgets["arrows"].value = True
    now = made.session.settings
    assert (now.alpha, now.tau, now.reward, now.others, now.arrows) == (0.0, 2.5, "ring", (1.0, 10.0), True)
    says(made, "hello")
    made.step()
    by_hand.turns(3)
    assert [lane["alpha"] for lane in newest(sent)[0]["lanes"]] == [0.0, 1.0, 10.0]
    made.control(alpha=3.0)
    assert abs(widgets["alpha"].value - 3.0) < 0.2
    assert made.session.settings.alpha == 3.0  # moving the slider there is not a second change


def test_every_setting_can_have_a_control(by_hand):
    made, _ = stage(controls=tuple(Settings.__dataclass_fields__))
    assert set(made._controls) == set(Settings.__dataclass_fields__)
    for name, control in made._controls.items():
        assert control.read(control.widget.value) == getattr(Settings(speed=0.0), name), name


def test_what_does_not_fit_is_said_below_the_picture(by_hand):
    made, _ = stage(controls=("others", "alpha"))
    before = made.session.settings
    text = made._controls["others"].widget
    text.value = "1, much"
    assert "further α is '1, much'; allowed: numbers with commas" in made.view.notice
    assert made.session.settings == before
    assert text.value == "1, much"  # to be mended, not typed again
    text.value = "1, 2, 3, 4"
    assert "at most 3 numbers" in made.view.notice
    text.value = "1, 2, 3"
    assert made.view.notice == ""


def test_buttons_and_keys_do_the_same(by_hand):
    made, sent = stage(controls=("alpha",))
    says(made, "hello")
    toggle = made._buttons["toggle"]
    assert toggle.description == "Play"
    says(made, "command", name="toggle")
    assert made.session.state == "running"
    assert toggle.description == "Pause"
    toggle.click()
    assert made.session.state == "paused"
    made._buttons["step"].click()
    by_hand.turns(3)
    assert newest(sent)[0]["lanes"][0]["round"] == 1
    says(made, "command", name="reset")
    by_hand.turns(3, now=5.0)
    assert newest(sent)[0]["lanes"][0]["round"] == 0
    says(made, "command", name="alpha_up")
    assert made.session.settings.alpha > 1.0
    assert made._controls["alpha"].widget.value == made.session.settings.alpha
    for _ in range(100):
        says(made, "command", name="alpha_down")
    assert made.session.settings.alpha == 0.0
    says(made, "command", name="tau_up")
    assert made.session.settings.tau == pytest.approx(1.05)


class Held:
    """Stops another thread than the test's where it is about to write a control's value, until it is let go."""

    def __init__(self, made, name):
        self.arrived, self.go = threading.Event(), threading.Event()
        control = made._controls[name]
        made._controls[name] = dataclasses.replace(control, write=lambda *given: self.stop(control.write(*given)))

    def stop(self, value):
        if threading.current_thread() is not threading.main_thread() and not self.arrived.is_set():
            self.arrived.set()
            assert self.go.wait(20)
        return value


@pytest.fixture
def held(by_hand):
    """A stage whose worker has seen tau 1.05 and is about to show it; let go, and waited for, at the end."""
    made, _ = stage(controls=("alpha", "tau"))
    held = Held(made, "tau")
    made.session.control(tau=1.05)
    worker = threading.Thread(target=made._on_frame, args=(made.session.frame(),), daemon=True)
    worker.start()
    assert held.arrived.wait(20)
    yield made, held, worker
    held.go.set()
    worker.join(20)


def test_a_control_shows_the_last_of_two_changes(held):
    made, held, worker = held
    second = threading.Thread(target=made.control, kwargs={"tau": 2.0}, daemon=True)
    second.start()
    second.join(0.3)  # as far as it comes while the first is on its way
    held.go.set()
    worker.join(20), second.join(20)
    assert made.session.settings.tau == 2.0
    assert made._controls["tau"].widget.value == 2.0


def test_a_slider_that_is_moved_while_the_others_follow_is_not_forgotten(held):
    made, held, worker = held
    mover = threading.Thread(target=setattr, args=(made._controls["alpha"].widget, "value", 0.3), daemon=True)
    mover.start()
    mover.join(0.3)
    held.go.set()
    worker.join(20), mover.join(20)
    assert made.session.settings.alpha == 0.3
    assert made._controls["alpha"].widget.value == 0.3
    assert made._controls["tau"].widget.value == made.session.settings.tau == 1.05


def test_keys_go_through_what_is_shown_and_undo_brings_the_controls_back(by_hand):
    made, sent = stage(controls=("alpha", "reward"))
    says(made, "hello")
    for name in ("mode", "target", "reward"):
        seen = []
        for _ in BY_NAME[name].options:
            says(made, "command", name=f"{name}_next")
            seen.append(getattr(made.session.settings, name))
        assert set(seen) == set(BY_NAME[name].offered(made.session.settings.target))  # round and round
    says(made, "command", name="reset")
    by_hand.turns(3, now=5.0)
    made.control(alpha=0.2, reward="ring")
    made.step()
    by_hand.turns(4, now=10.0)
    made.control(reward="bump")
    by_hand.turns(2, now=15.0)
    assert made._controls["reward"].widget.value == "bump"
    says(made, "command", name="undo")
    by_hand.turns(20, now=20.0)
    assert made.session.settings.alpha == 0.2
    assert made._controls["alpha"].widget.value == 0.2
    assert made._controls["reward"].widget.value == "ring"
    assert newest(sent)[0]["lanes"][0]["alpha"] == 0.2
    assert newest(sent)[0]["round"] == 1


@pytest.mark.parametrize(
    "message",
    [{}, {"kind": "command", "name": "alpha_next"}, {"kind": "command", "name": "background_next"},
     {"kind": "command", "name": "speed_up"}, {"kind": 3},
     {"kind": "command", "name": "close"}, {"kind": "command", "name": ["toggle"]},
     {"kind": "command", "name": "target_up"}, {"kind": "command", "name": "_up"},
     {"kind": "command", "name": "alpha_"}, {"kind": "command", "name": "others_down"},
     {"kind": "acknowledge", "seq": "many"}, {"kind": "acknowledge", "seq": 10**9},
     {"kind": "acknowledge", "seq": 10**400}, {"kind": "seen", "view": {}},
     {"kind": "acknowledge", "seq": float("nan")}, {"kind": "acknowledge", "seq": float("inf"), "visible": []}],
)  # fmt: skip
def test_nonsense_from_a_browser_changes_nothing(by_hand, message):
    made, _ = stage()
    before = (made.session.settings, made.session.state)
    made._on_message(message)
    assert (made.session.settings, made.session.state) == before
    assert made._player.acknowledgements.painted <= made.session.seq


def test_what_a_browser_has_is_not_sent_again(by_hand):
    made, sent = stage()
    says(made, "hello")
    made.play()
    by_hand.turns(4)
    assert sent[-1]["value"]["scene"] is None
    assert sent[-1]["value"]["frame"]
    says(made, "hello", view="two")
    assert all(part is not None for part in sent[-1]["value"].values())


def test_an_error_while_drawing_stops_this_stage_and_is_said(by_hand, monkeypatch):
    (made, _), (other, _) = stage(), stage()
    for one in (made, other):
        says(one, "hello")
        one.play()
    monkeypatch.setattr(made.session, "frame", lambda: 1 / 0)
    by_hand.turns(10)
    assert made.session.state == "paused"
    assert "has stopped: division by zero" in made.view.notice
    assert other.session.seq > 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"target": "nine_gaussians"}, "target is 'nine_gaussians'; allowed: one of"),
        ({"reward": "left"}, "reward is 'left'"),
        ({"alpha": -1}, "α is -1; allowed"),
        ({"alpha": 2 * BY_NAME["alpha"].high}, "α is"),
        ({"tau": float("nan")}, "τ is nan"),
        ({"mode": "nothing"}, "mode is 'nothing'"),
        ({"particles": 1}, "particles is 1"),
        ({"height": 10}, "height is 10"),
        ({"still_round": -1}, "still_round is -1"),
        ({"controls": ("alpha", "speeed")}, "controls is 'speeed'; allowed: one of 'target'"),
        ({"controls": "alpha"}, "controls is 'alpha'; allowed: a tuple"),
        ({"colour": "red"}, "argument is 'colour'; allowed: one of 'target'"),
        ({"others": (1, 2, 3, 4)}, "at most 3"),
        ({"autoplay": "yes"}, "autoplay is 'yes'"),
    ],
)
def test_arguments_that_do_not_fit(kwargs, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        live.stage(**kwargs)


def test_the_same_seed_gives_the_same_samples_everywhere(by_hand):
    chosen = {"target": "two_moons", "reward": "bump", "tau": 1.5, "alpha": 0.5, "seed": 3}
    made, sent = stage(particles=200, **chosen)
    says(made, "hello")
    made.play()
    by_hand.turns(20)
    made.pause()  # then all particles are drawn, also where the machine is busy
    by_hand.turns(4)
    meta, arrays = newest(sent)
    rounds = meta["lanes"][0]["round"]
    assert rounds >= 5
    shown = arrays["x"].reshape(-1, 2)

    app = Session(Settings(**chosen), particles=200, running=True)
    while header(value := app.frame())["lanes"][0]["round"] < rounds:
        app.advance()
    assert (frames.decode(value["frame"])[1]["x"].reshape(-1, 2) == shown).all()

    run = FineTuning(
        zoo.load("two_moons"), rewards.get("bump"), tau=1.5, alpha=0.5, weighting=app.settings.weighting, seed=3
    )
    for _ in run.rounds(rounds):
        pass
    x = flow.push(run.policy, app.watch, run.sampler)
    half_step = 2 * meta["view"][1] / frames.LEVELS  # what 16 bits leave of a position
    torch.testing.assert_close(torch.from_numpy(shown), x, atol=half_step, rtol=0)


def test_what_stays_in_the_file(by_hand):
    made, _ = stage(target="two_moons", reward="ring", others=(0.0,), still_round=40)
    data, _ = made._repr_mimebundle_()
    assert data["text/plain"] == "live stage: run this cell to move it"
    assert data[still.WIDGET]["model_id"] == made.model_id
    assert len(str(data[still.MIME])) < 600  # the frame itself would be a hundred times that
    assert Settings(**data[still.MIME]["settings"]) == made.session.settings
    assert data[still.MIME]["round"] == 40
