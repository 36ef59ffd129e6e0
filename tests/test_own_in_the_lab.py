"""What somebody painted, typed or read from a table, wherever the lab takes a target or a reward."""

import contextlib
import gc
import io
import math
import re
import threading
import time
from dataclasses import replace

import pytest
import torch

from orwlab import flow, rewards, targets
from orwlab.measure.samples import energy_distance
from orwlab.show.lab import banners, exact, fitting, formula, measures, own, painting, points
from orwlab.show.lab.cell import cell
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.link import Link
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings
from orwlab.show.lab.story import Story
from orwlab.show.notebook import still
from orwlab.show.notebook.controls import make
from orwlab.show.stage.frames import decode
from orwlab.velocity import MixtureField

LINES = painting.write([painting.stroke([[-2, 1], [2, 1]], symmetry="up_down")])
DABS = painting.write([painting.stroke([[2.5, 2.5]], size=0.35, symmetry="both")])
GOOD = painting.write([painting.stroke([[1, 0], [3, 1]], size=0.7)])
CLOUD = points.write(points.sketch([[-2.0, 0], [2, 0], [2, 1], [2.2, 0.4]]))
WAVE = formula.write("exp(-x^2) * sin(3*y)")


@pytest.fixture
def untrained(monkeypatch):
    """No networks are known, and training one takes a moment."""
    monkeypatch.setattr(fitting, "STEPS", 40)
    monkeypatch.setattr(fitting, "TELL_EVERY", 10)
    forget(monkeypatch)


@pytest.fixture
def held(untrained, monkeypatch):
    """Trainings wait in their tenth step until the event is set; it is let go in the end."""
    gate, train = threading.Event(), fitting.train

    def waits(text, progress=False):
        def told(step, of):
            while step >= 10 and not gate.is_set() and progress(step, of):
                time.sleep(0.01)
            return progress(step, of)

        return train(text, told)

    monkeypatch.setattr(fitting, "train", waits)
    yield gate
    gate.set()


def forget(monkeypatch):
    monkeypatch.setattr(fitting, "_kept", type(fitting._kept)())
    monkeypatch.setattr(fitting, "_trainings", {})
    measures.lipschitz.cache_clear()


def meta(s: Session) -> dict:
    return decode(s.frame()["frame"])[0]


def until(s: Session, done, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done() and time.monotonic() < deadline:
        s.advance()
        time.sleep(0.01)
    assert done()


def learns(s: Session) -> bool:
    return len(s.runs) > 0


# Values of a control --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("target", LINES, "Your painting"),
        ("target", CLOUD, "Your points"),
        ("target", "two_moons", "Two moons"),
        ("reward", GOOD, "Your painting"),
        ("reward", "paint:", "Your painting"),  # nothing is paid for anywhere
        ("reward", WAVE, "Your formula: exp(-x^2) * sin(3*y)"),
        ("reward", formula.write("+".join(["x^2*sin(y)"] * 15)), "Your formula: x^2*sin(y)+x^2*sin(y)+x^2…"),
        ("reward", "right", "Right (with a ceiling)"),
    ],
)
def test_a_text_is_a_value_and_has_a_few_words(name, text, words):
    control = BY_NAME[name]
    assert getattr(Settings(**{name: text}), name) == text
    assert getattr(Settings().changed(**{name: text}), name) == text
    assert control.words(text) == words
    assert len(words) <= 40
    assert control.next(text, "eight_gaussians") in control.options


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("target", "paint:", "the painting is empty"),
        ("target", WAVE, "a formula is a reward, not a target"),
        ("target", "points:nothing", "damaged"),
        ("target", "paint:" + "!" * 19_000, "damaged"),
        ("reward", CLOUD, "points are a target, not a reward"),
        ("reward", "formula:1/x", "allowed: values from"),
        ("reward", "formula:__import__('os')", "formula"),
        ("target", "circles", "target is 'circles'; allowed: one of 'gaussian'"),
        ("mode", LINES, "mode is .*; allowed: one of 'learned'"),
        ("weighting", WAVE, "weighting is .*; allowed: one of 'exp'"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_in_a_sentence(name, text, message):
    for attempt in (lambda: Settings(**{name: text}), lambda: Settings().changed(**{name: text})):
        with pytest.raises(ValueError, match=message) as caught:
            attempt()
        assert len(str(caught.value)) < 400


def test_links_and_stories_hold_them():
    given = {
        "scene": {"target": LINES, "reward": WAVE, "alpha": 0.3},
        "log": [[7, "reward", GOOD], [20, "reward", formula.write("x; y".replace("; ", "+"))], [30, "tau", 2.0]],
        "round": 40,
    }
    story = Story.read(given)
    assert story.plain() == given
    read = Link.read(Link(story).text())
    assert read.story == story
    assert read.story.at(25).reward == "formula:x+y"


def test_a_link_with_a_painting_of_twenty_strokes_is_short():
    generator = torch.Generator().manual_seed(0)
    ways = [(torch.randn(40, 2, generator=generator) * 0.3).cumsum(0) for _ in range(20)]
    text = painting.write([painting.stroke(way) for way in ways])
    link = Link(Story.read({"scene": {"target": text}})).text()
    assert link == f"target={text}"  # nothing of it needs to be written otherwise
    assert len(link) < 4000


def test_notebooks_show_it_as_long_as_it_is_chosen():
    made = make("reward", Settings(reward=WAVE))
    assert made.widget.options[-1] == ("Your formula: exp(-x^2) * sin(3*y)", WAVE)
    assert made.widget.value == WAVE
    assert made.write("ring", "rings") == "ring"
    assert [value for _, value in made.widget.options] == BY_NAME["reward"].offered("rings")
    made.widget.value = made.write(GOOD, "rings")
    assert made.widget.label == "Your painting"


def test_alternative_texts_say_it_in_a_few_words():
    settings = Settings(target=CLOUD, reward=GOOD, mode="exact")
    s = Session(settings, particles=30)
    description = {"settings": vars(settings), "particles": 30, "round": 0, "height": 300}
    said = still.words(s.frame(), description)
    assert "Data: Your points; reward: Your painting;" in said
    assert not re.search("paint:|points:", said)


# Rewards --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reward", [GOOD, WAVE])
def test_a_running_network_takes_over_a_reward_of_ones_own(reward):
    s = Session(Settings(speed=0), particles=40, running=True)
    for _ in range(3):
        s.advance()
    s.control(reward=reward)
    for _ in range(3):
        s.advance()
    assert s.runs[0].reward is own.reward(reward)
    assert s.runs[0].round == 6 or s.runs[0].round == 5  # none in the picture that follows a move
    x = torch.tensor([[2.0, 0.5]])
    assert float(rewards.evaluate(s.runs[0].reward, x)) != float(rewards.evaluate(rewards.get("right"), x))
    assert s.story.log[-1][1:] == ("reward", reward)
    s.close()


@pytest.mark.parametrize("alpha", [0.6, 1.1, 5.1])
def test_the_limit_that_follows_a_stroke_is_the_limit(alpha):
    """From the limit before, or from the reference: the same."""
    way = [[-2.0, -1], [0, 0], [1, 1], [2, 1.5], [3, 0]]
    exact._ends.clear()
    for n in range(1, len(way) + 1):
        text = painting.write([painting.stroke(way[:n], size=0.7)])
        followed = exact.limit(Settings(reward=text), alpha)
    assert any(alpha in near for near in exact._ends)
    exact._ends.clear()
    exact._limit.cache_clear()
    found = exact.limit(Settings(reward=text), alpha)
    # each may be off by what remains after its last refresh, which moved less than SETTLED
    assert 0.5 * float((followed.density - found.density).abs().sum()) < 20 * exact.SETTLED
    assert followed.reward == pytest.approx(found.reward, abs=1e-4)
    assert followed.w2 == pytest.approx(found.w2, abs=1e-3)


def test_the_limit_of_a_name_does_not_depend_on_what_was_painted_before():
    exact._limit.cache_clear()
    first = exact.limit(Settings(reward="ring"), 1.0)
    exact.limit(Settings(reward=GOOD), 1.0)
    exact._limit.cache_clear()
    assert torch.equal(exact.limit(Settings(reward="ring"), 1.0).density, first.density)


@pytest.mark.parametrize(
    ("grows", "typed"),
    [
        *((True, typed) for typed in ("x", "log(1 + y^2)", "x*sin(y)", "exp(x)", "x^2 - y^4")),
        *((False, typed) for typed in ("tanh(x)", "-x^2", "sin(3*x)", "min(x, 2)", "exp(-x^2 - y^2)")),
    ],
)
def test_a_formula_without_a_ceiling_is_known(grows, typed):
    text = formula.write(typed)
    assert banners.unbounded(text) == grows
    assert ("a ceiling" in banners.advice(Settings(reward=text))) == grows


def test_names_and_paintings_have_the_ceilings_they_have():
    assert [name for name in rewards.names() if banners.unbounded(name)] == ["plane"]
    assert not banners.unbounded(GOOD)


def test_why_a_typed_reward_has_no_limit():
    settings = Settings(reward=formula.write("2*x"), tau=3.0)
    assert exact.why_none(settings, 0.1) == "no limit: the reward has no ceiling"


# Targets --------------------------------------------------------------------------------------------------------------


def test_the_fast_exact_field_is_the_exact_field(generator):
    target = own.target(DABS)
    x, t = 2 * torch.randn(50, 2, generator=generator), torch.rand(50, generator=generator)
    assert torch.allclose(fitting.exact_field(target)(t, x), MixtureField(target)(t, x), atol=1e-4)


def test_while_a_network_is_trained_the_exact_answer_is_shown(held):
    s = Session(Settings(target=LINES, speed=0, others=(0.3,)), particles=50, running=True)
    first = meta(s)
    assert first["mode"] == "exact"
    assert first["fitting"] == {"step": first["fitting"]["step"], "of": 40}
    assert s.settings.mode == "learned"
    until(s, lambda: s.round >= 5)
    seen = meta(s)
    assert (seen["mode"], seen["state"]) == ("exact", "running")
    assert seen["fitting"]["step"] >= first["fitting"]["step"]
    assert s.story.start.mode == "learned"  # a link to it asks for networks
    s.pause()
    until(s, lambda: s.history.rounds[-1] == s.round)
    wanted = exact.dynamics(s.settings, 1.0)
    wanted.iterate(s.round)
    assert s.history.last("reward")[0] == pytest.approx(wanted.mean_reward)
    s.play()
    held.set()
    until(s, lambda: learns(s))
    assert s.round <= 2  # from the reference again
    assert meta(s)["fitting"] is None
    assert (meta(s)["mode"], s.state) == ("learned", "running")
    assert [run.alpha for run in s.runs] == [1.0, 0.3]
    s.close()


def test_at_rest_it_stays_at_rest_and_waits_for_the_network(held):
    s = Session(Settings(target=CLOUD), particles=50)
    assert s.idle_for <= 0.2
    assert not learns(s)
    held.set()
    until(s, lambda: s.idle_for == math.inf)
    assert (s.state, s.round, learns(s)) == ("paused", 0, True)
    assert meta(s)["lanes"][0]["limit"]["state"] == "there"
    s.close()


def test_what_is_moved_meanwhile_holds_for_the_networks(held):
    s = Session(Settings(target=LINES), particles=50)
    s.step()
    until(s, lambda: s.round == 1)
    s.control(alpha=0.2, reward=GOOD)
    held.set()
    until(s, lambda: learns(s))
    assert (s.round, s.runs[0].alpha) == (0, 0.2)
    assert s.runs[0].reward is own.reward(GOOD)
    assert s.story.plain() == {"scene": {"target": LINES, "alpha": 0.2, "reward": GOOD}, "log": [], "round": 0}
    s.close()


def test_a_story_is_repeated_by_the_networks_once_they_are_there(held):
    given = {"scene": {"target": LINES, "reward": WAVE}, "log": [[3, "alpha", 0.2], [5, "reward", GOOD]], "round": 8}
    s = Session(particles=50)
    s.begin(Story.read(given))
    until(s, lambda: s.round == 8 and meta(s)["replaying"] is None)
    assert not learns(s)
    assert s.story.plain() == given
    held.set()
    until(s, lambda: learns(s) and s.round == 8 and s.idle_for == math.inf)
    assert s.story.plain() == given
    again = Session(particles=50)
    again.begin(Story.read(given))  # the network is known now
    until(again, lambda: again.round == 8 and again.idle_for == math.inf)
    assert learns(again)
    assert again.history.last("reward") == s.history.last("reward")
    for one in (s, again):
        one.close()


def test_the_mode_that_was_chosen_is_kept(held):
    s = Session(Settings(target=LINES, mode="exact"), particles=50)
    assert meta(s)["fitting"] is None  # nobody waits for it
    held.set()
    until(s, lambda: s.idle_for == math.inf)
    assert not learns(s)
    s.control(mode="both")
    until(s, lambda: s.idle_for == math.inf)
    assert learns(s)
    assert meta(s)["mode"] == "both"
    s.close()


def test_leaving_the_target_ends_the_training(held):
    s = Session(Settings(target=LINES), particles=50)
    training = fitting._trainings[LINES]
    s.control(target="two_moons")
    assert fitting._trainings == {}
    until(s, lambda: s.idle_for == math.inf)
    assert learns(s)
    done = threading.Event()
    fitting._thread.submit(done.set)  # the thread is free again, though nothing let the training go on
    assert done.wait(10)
    assert training.network is None
    assert fitting.known(LINES) is None
    s.close()


def test_a_session_that_is_dropped_waits_no_more(held):
    def come_and_go():
        s = Session(Settings(target=LINES), particles=50)
        until(s, lambda: not s._limits.pending)  # that thread has it in its hands, too
        return fitting._trainings[LINES]

    training = come_and_go()
    deadline = time.monotonic() + 20
    while training.waiting and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    done = threading.Event()
    fitting._thread.submit(done.set)
    assert done.wait(10)
    assert training.network is None
    other = Session(Settings(target=DABS), particles=50)
    assert list(fitting._trainings) == [DABS]
    other.close()


def test_two_who_want_the_same_share_one_training(held, monkeypatch):
    begun, train = [], fitting.train
    monkeypatch.setattr(fitting, "train", lambda text, progress: begun.append(text) or train(text, progress))
    first, second = (Session(Settings(target=LINES), particles=50) for _ in range(2))
    first.close()  # the other one still waits
    held.set()
    until(second, lambda: learns(second))
    assert begun == [LINES]
    third = Session(Settings(target=LINES), particles=50)
    assert learns(third)  # at once
    assert third.runs[0].reference is not None
    for one in (second, third):
        one.close()


def test_the_same_text_gives_the_same_network(untrained, monkeypatch):
    first = fitting.network(LINES)
    assert fitting.network(LINES) is first
    forget(monkeypatch)
    again = fitting.network(LINES)
    assert again is not first
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(next(fitting.network(DABS).parameters()), next(first.parameters()))


def test_few_networks_are_kept_besides_those_in_use(untrained, monkeypatch):
    monkeypatch.setattr(fitting, "STEPS", 1)
    one = fitting.Fitting(lambda: None)
    texts = [painting.write([painting.stroke([[k / 2, 0]])]) for k in range(fitting.KEPT + 3)]
    used = fitting.network(texts[0])
    one.want(texts[0])
    assert not one.missing(texts[0])
    for text in texts[1:]:
        fitting.network(text)
    assert len(fitting._kept) == fitting.KEPT
    assert fitting.known(texts[1]) is None
    assert fitting.known(texts[0]) is used
    one.forget()
    assert fitting.known(texts[0]) is None


def test_a_training_that_fails_is_said(untrained, monkeypatch):
    def fails(text, progress):
        raise ValueError("lr is 2, and the network is no longer finite")

    monkeypatch.setattr(fitting, "train", fails)
    s = Session(Settings(target=LINES), particles=50)
    until(s, lambda: s.banner is not None)
    assert s.banner.title == "No network could learn this target."
    assert "exact answer" in s.banner.text
    assert meta(s)["fitting"] is None
    until(s, lambda: s.idle_for == math.inf)
    s.step()
    until(s, lambda: s.round == 1)  # it goes on with the exact answer
    s.close()


@pytest.mark.parametrize("text", ["eight_gaussians", WAVE, "paint:", "nobody"])
def test_only_targets_of_ones_own_are_trained(text):
    with pytest.raises(ValueError, match="allowed"):
        fitting.train(text)


def test_hundreds_of_paintings_do_not_fill_the_memory():
    for k in range(40):
        text = painting.write([painting.stroke([[k / 10, 0]])])
        s = Session(Settings(reward=text, mode="exact"), particles=10)
        s.close()
    for k in range(24):
        exact._at_rest(painting.write([painting.stroke([[k / 10, 1]], size=1.2)]), 32)
    for cache in (own._target, own._reward, exact._at_rest, exact._fine, exact._modes, measures.region):
        assert cache.cache_info().currsize <= cache.cache_info().maxsize <= 64
    assert len(exact._ends) <= exact.ENDS


def test_names_still_have_their_own_networks():
    assert measures.network("two_moons") is measures.network("two_moons")
    assert own.target("two_moons").name == targets.get("two_moons").name


# A notebook's cell ----------------------------------------------------------------------------------------------------


STORIES = {
    "painted": {"scene": {"target": LINES, "reward": GOOD, "alpha": 0.3}, "round": 4},
    "typed on the way": {"scene": {"target": "two_moons"}, "log": [[2, "reward", WAVE]], "round": 4},
    "points": {"scene": {"target": CLOUD}, "log": [[2, "reward", GOOD], [3, "reward", "ring"]], "round": 4},
}


def printed(source: str) -> list[float]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(source, "cell", "exec"), {})
    return [float(number) for number in re.findall(r"-?\d+\.\d{3}\b", out.getvalue())]


@pytest.mark.parametrize("mode", ["learned", "exact"])
@pytest.mark.parametrize("name", STORIES)
def test_the_cell_prints_the_labs_numbers(untrained, monkeypatch, name, mode):
    story = Story.read(STORIES[name])
    s = Session(particles=20)
    s.begin(replace(story, start=story.start.changed(mode=mode)))
    until(s, lambda: learns(s) == (mode == "learned") and s.round == 4 and s.idle_for == math.inf)
    wanted = [*s.history.last("reward"), *s.history.last("diversity")]
    s.close()
    forget(monkeypatch)  # the cell trains its own
    source = cell(story, mode)
    assert printed(source) == pytest.approx(wanted, abs=6e-4)
    head = source.splitlines()[0]
    assert not re.search("paint:|points:|formula:", head)
    assert len(head) < 120


# How good they are ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("text", [LINES, DABS])
def test_a_network_trained_here_samples_its_target(text, generator):
    target, network = own.target(text), fitting.train(text)
    x = flow.push(network, flow.noise(4000, (2,), generator=generator), network.solver)
    fresh, other = (target.sample(4000, generator=generator) for _ in range(2))
    assert energy_distance(x, fresh) < abs(energy_distance(other, fresh)) + 0.004
    mass = torch.zeros(target.n_modes, dtype=torch.float64).index_add(0, target.modes, target.weights)
    found = torch.bincount(target.mode_of(x), minlength=target.n_modes) / len(x)
    assert 0.5 * float((found - mass).abs().sum()) < 0.03
