"""The lessons that come along: what each says is right is held to the mathematics, or to the run that it is about."""

import functools
import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from orwlab.exact import optima
from orwlab.show.classroom import lesson as lessons
from orwlab.show.classroom import predictions, truths, veil
from orwlab.show.lab import exact, measures, own
from orwlab.show.lab.exact import why_never
from orwlab.show.lab.session import Session
from orwlab.show.lab.settings import Settings

NAMES = lessons.names()
BATCH = 30  # rounds a second that a slow computer does as fast as it goes


@functools.cache
def read(name):
    return lessons.read(lessons.text_of(name))


def scene(name, title):
    """The one of this title, and its right answer as words where it is a choice."""
    found = next(one for one in read(name).scenes if one.title == title)
    if isinstance(found.ask, lessons.Choose):
        return found, found.ask.options[found.ask.answer - 1]
    return found, None


@functools.cache
def ended(link, rounds, **changes):
    """The session of a link after so many rounds."""
    story = lessons.Link.read(link).story
    start = story.start.changed(**changes) if changes else story.start
    session = Session(particles=400)
    session.begin(replace(story, start=start, round=rounds))
    for _ in range(20_000):
        session.advance()
        if session.state == "stopped" or (session.story.round >= rounds and not session.wants_work):
            break
    assert session.state == "paused"
    assert session.story.round == rounds
    return session


def curve(session, name):
    """What was read of a lane in every reading: (lanes, readings)."""
    return session._it.readings.history.series(name)


def last(session, name):
    return curve(session, name)[:, -1]


def mass(session):
    return session._it.readings.mode_mass.numpy()


def outside(session, target="eight_gaussians"):
    """The share of the samples where no data are."""
    return measures.region(target).fraction_outside(session._it.samples[0])


def settings(name, title):
    return scene(name, title)[0].seen.story.settings


def settled(settings, axis=96):
    """The exact limit on a grid of its own, beside ``exact.limit`` that the answers come from."""
    state = exact.dynamics(settings, settings.alpha, axis)
    state.fixed_point(1e-6, max_rounds=300)
    assert not state.problems
    return state


def places(state, density):
    """Of every mode the mass of a density, (K,), and its middle, (K, 2)."""
    cells = state.cells
    labels = own.target(state.target.name).mode_of(cells.flat)
    q = (density * cells.dx**2).flatten()
    masses = torch.stack([q[labels == k].sum() for k in range(int(labels.max()) + 1)])
    middles = torch.stack([q[labels == k] @ cells.flat[labels == k].to(q) for k in range(len(masses))])
    return masses, middles / masses[:, None]


@functools.cache
def plain_grid(target, side=240, size=6.0):
    """Points of a grid that knows nothing of the oracle's, (n, 2), their mass under the data, and their modes."""
    axis = torch.linspace(-size, size, side, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    p = own.target(target).log_prob(x).exp()
    return x, p / p.sum(), own.target(target).mode_of(x)


def after(settings, rounds):
    """Theorem 2: the modes' masses when the data have been multiplied by w to the power ``rounds``."""
    x, p, modes = plain_grid(settings.target)
    log = p.clamp_min(1e-300).log() + rounds * settings.tau * own.reward(settings.reward)(x)
    q = log.softmax(0)
    return torch.stack([q[modes == k].sum() for k in range(int(modes.max()) + 1)])


# What all have --------------------------------------------------------------------------------------------------------


def test_there_are_six_with_all_kinds_of_question():
    assert [name.split("_")[0] for name in NAMES] == ["1", "2", "3", "4", "5", "6"]
    kinds = {one.ask.kind for name in NAMES for one in read(name).scenes if one.ask}
    assert kinds == {"choose", "alpha", "place", "curve", "order"}


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_some_minutes_and_its_runs_leave_time_to_talk(name):
    lesson = read(name)
    assert 5 <= lesson.minutes <= 10
    assert 3 <= len(lesson.scenes) <= 5
    assert sum(one.ask is not None for one in lesson.scenes) > len(lesson.scenes) / 2, "most ask something"
    total = 0.0
    for one in lesson.scenes:
        story = one.seen.story
        seconds = story.round / BATCH + max(0, one.rounds - story.round) / (story.settings.speed or BATCH)
        assert seconds <= 20, one.title
        total += seconds
    assert total < 60 * lesson.minutes / 2


@pytest.mark.parametrize("name", NAMES)
def test_each_answer_has_a_reason_of_one_or_two_sentences(name):
    for one in read(name).scenes:
        sentences = len(re.findall(r"[.!?](?:\s|$)", one.why))
        assert sentences in ((1, 2) if one.ask else (0,)), one.title


@pytest.mark.parametrize("name", NAMES)
def test_no_picture_names_an_illness_before_it_is_asked_for(name):
    """What the stage says over its picture, while people guess, is not the answer."""
    for one in read(name).scenes:
        if isinstance(one.ask, lessons.Choose) and one.title != "The rescue":  # there it says what everybody is told
            banner = ended(one.link, one.seen.story.round)._it.banner(0)
            assert banner is None, one.title


@pytest.mark.parametrize("name", NAMES)
def test_what_everybody_is_told_before_does_not_say_the_answer(name):
    """What room, title and text beside the stage say holds neither the right option nor the reason."""
    lesson = read(name)
    for one in lesson.scenes:
        told = " ".join([lesson.title, lesson.about, one.title, one.say]).lower()
        assert one.why == "" or one.why.lower() not in told
        if isinstance(one.ask, lessons.Choose):
            assert one.ask.answer is not None
            assert one.ask.options[one.ask.answer - 1].lower() not in told


def test_right_options_are_not_always_in_the_same_place():
    places = [one.ask.answer for name in NAMES for one in read(name).scenes if isinstance(one.ask, lessons.Choose)]
    assert len(places) >= 14
    for place in set(places):
        assert places.count(place) <= len(places) / 2


# 1: collapse ----------------------------------------------------------------------------------------------------------


def test_two_hundred_rounds_leave_one_small_spot():
    found, right = scene("1_collapse", "Two hundred rounds")
    assert right == "One small spot"
    session = ended(found.link, found.rounds)
    assert mass(session)[0].argmax() == 1  # the one at the upper right
    assert mass(session)[0].max() > 0.95, "and neither all eight nor the neighbours"
    assert last(session, "diversity")[0] < 0.25 * curve(session, "diversity")[0, 0]
    assert last(session, "reward")[0] > 0.9, "nearly as high as it can be"
    assert outside(session) < 0.05, "it has not left the data"


def test_all_eight_spots_come_back():
    found, right = scene("1_collapse", "The rescue")
    assert right == "All eight spots come back"
    start = found.seen.story.round
    assert found.seen.story.settings.alpha == 10
    assert mass(ended("#reward=bump&tau=2&alpha=0", start))[0].max() > 0.95, "they were lost"
    session = ended(found.link, found.rounds)
    assert mass(session)[0].min() > 0.04
    assert last(session, "diversity")[0] > 3, "and no one wide spot"


def test_all_that_pays_the_same_stays():
    found, right = scene("1_collapse", "Another reward")
    assert right.startswith("All three spots at the right")
    spots = [0, 1, 7]
    start = found.seen.story.settings
    assert after(start, found.rounds)[spots].tolist() == pytest.approx([1 / 3] * 3, abs=1e-3), "exactly, a third each"
    session = ended(found.link, found.rounds)
    assert mass(session)[0][spots].sum() > 0.97
    assert mass(session)[0][spots].min() > 0.1, "neither one spot nor one of the three"
    assert last(session, "reward")[0] > 0.97
    assert outside(session) < 0.1, "not off the data"
    x = session._it.samples[0]
    modes = own.target("eight_gaussians").mode_of(x)
    for k in spots:
        assert float(x[modes == k].std(0).mean()) > 0.2, "as wide as before, or nearly"


# 2: what alpha does ---------------------------------------------------------------------------------------------------


def test_shares_change_before_places():
    found, right = scene("2_what_alpha_does", "From much α to little")
    assert right.startswith("First their shares change")
    changed, moved = {}, {}
    for alpha in found.seen.story.settings.alphas:
        state = settled(found.seen.story.settings.changed(alpha=alpha, others=()))
        (before, there), (now, here) = places(state, state.reference_density), places(state, state.density)
        changed[alpha] = float((now - before).abs().sum() / 2)
        moved[alpha] = float((here - there).norm(dim=1).max())
    assert set(changed) == {10, 1, 0.1}
    assert 0.25 < changed[1] < 0.35, "three of ten"
    assert moved[1] < 0.1, "no spot by a tenth: neither places first, nor both together"
    assert 0.85 < moved[0.1] < 0.95, "and not only shares"
    assert changed[10] < 0.05
    assert moved[10] < 0.02


@pytest.mark.slow
def test_twice_the_reward_takes_a_tenth_of_alpha():
    found, _ = scene("2_what_alpha_does", "Twice the reward")
    value = truths.truth(found)["value"]
    assert 0.08 < value < 0.1, "less than a tenth"
    start = found.seen.story.settings
    assert float(settled(start).mean_reward) == pytest.approx(0.40, abs=0.005)
    assert float(settled(start.changed(alpha=value)).mean_reward) == pytest.approx(0.80, abs=0.01)
    assert float(settled(start.changed(alpha=0.5)).mean_reward) < 0.62, "a half is far from enough"


@pytest.mark.slow
def test_the_tightly_held_stops_first_and_the_free_one_never():
    found, right = scene("2_what_alpha_does", "Who stops first?")
    assert right == "First α = 3; never α = 0"
    start = found.seen.story.settings
    arrives = {}
    for alpha in (3, 0.3):
        end = settled(start.changed(alpha=alpha, others=()), exact.AXIS).mean_reward
        state = exact.dynamics(start, alpha)
        arrives[alpha] = 0
        while abs(float(state.mean_reward) - float(end)) > 0.01 * float(end):
            state.step()
            arrives[alpha] += 1
    assert arrives[3] < arrives[0.3]
    assert why_never(start, 0.0).startswith("no limit at α = 0")
    session = ended(found.link, found.rounds)
    w2 = curve(session, "w2")
    late = np.abs(w2[:, -1] - w2[:, int(0.8 * w2.shape[1])])
    assert late[0] < 0.15
    assert late[1] < 0.6
    assert late[2] > 2.0, "it is still on its way"
    near = np.abs(w2 - w2[:, -1:]) < 0.1 * w2[:, -1:]
    first = [int(np.argmax(lane)) for lane in near]
    assert first[0] < first[1] < first[2]


@pytest.mark.slow
def test_the_narrowest_model_has_the_most_effective_samples():
    found, _ = scene("2_what_alpha_does", "Samples that count")
    told = truths.truth(found)
    start = found.seen.story.settings
    assert start.alphas == (0.3, 1, 3, 30)
    assert told["value"] == [4, 3, 2, 1]
    for alpha, reading in zip(start.alphas, told["exact"]):
        state = settled(start.changed(alpha=alpha, others=()))
        q = (state.density * state.cells.dx**2).flatten()
        w = (start.tau * own.reward(start.reward)(state.cells.flat)).exp()
        share = float((q @ w) ** 2 / (q @ w.square()))
        assert reading["effective"] == pytest.approx(share, abs=0.01)
    shares = [reading["effective"] for reading in told["exact"]]
    assert min(a - b for a, b in pairwise(shares)) > 0.05, "the order is clear"
    diversity = [reading["diversity"] for reading in told["exact"]]
    assert diversity == sorted(diversity), "the most effective is the narrowest"


# 3: who dies first ----------------------------------------------------------------------------------------------------


def test_the_spot_that_neither_place_pays_is_the_first_to_die():
    found, _ = scene("3_who_dies_first", "The first to go")
    value = truths.truth(found)["value"]
    assert math.dist(value, (0, -3)) < 0.1
    start = found.seen.story.settings
    left = [(after(start, n) / after(start, 0)).tolist() for n in range(8)]
    first = next(n for n, shares in enumerate(left) if min(shares) < truths.DEAD)
    order = np.argsort(left[first])
    middles = own.target("eight_gaussians").means
    assert math.dist(middles[order[0]].tolist(), value) < 0.1
    assert left[first][order[1]] > 1.3 * left[first][order[0]], "it is no tie"
    farthest = int((middles - torch.tensor([2.1, 2.1])).norm(dim=1).argmax())
    assert left[first][farthest] > 2 * left[first][order[0]], "nor is it the one farthest from the best place"
    for rounds in (20, 30):
        assert mass(ended(found.link, rounds))[0].argmin() == order[0], "and the network's run shows it"
    assert mass(ended(found.link, found.rounds))[0][order[0]] < truths.DEAD / 8


def test_a_broad_place_leads_at_first_and_a_sharp_one_wins():
    found, right = scene("3_who_dies_first", "Sharp or broad")
    assert right == "After 5 the left one, after 40 the right one"
    start = found.seen.story.settings
    sharp, broad = 0, 2  # the modes at (2.5, 0) and (-2.5, 0)
    early, late = after(start, 5), after(start, 40)
    assert early[broad] > 1.7 * early[sharp]
    assert late[sharp] > 20 * late[broad]
    session = ended(found.link, found.rounds)
    assert mass(session)[0][sharp] > 0.95, "and the stage shows it"
    x = own.target("four_modes").sample(2000, generator=torch.Generator().manual_seed(0))
    left = x[own.target("four_modes").mode_of(x) == broad]
    assert float(own.reward(start.reward)(left).mean()) == pytest.approx(0.66, abs=0.05), "about 0.7"


def test_one_of_two_equal_places_wins_by_chance():
    found, right = scene("3_who_dies_first", "Two equal places")
    other, _ = scene("3_who_dies_first", "The same with another seed")
    assert right == "Nearly all samples at one of them"
    start = found.seen.story.settings
    assert start.changed(seed=other.seen.story.settings.seed) == other.seen.story.settings, "all else is the same"
    assert after(start, 200)[[3, 7]].tolist() == pytest.approx([0.5, 0.5], abs=1e-6), "exactly, a half each"
    one, two = (mass(ended(each.link, each.rounds))[0] for each in (found, other))
    assert one.max() > 0.9
    assert two.max() > 0.9
    assert {int(one.argmax()), int(two.argmax())} == {3, 7}, "not the same place twice"


def test_a_model_is_densest_where_data_were():
    found, _ = scene("3_who_dies_first", "A best place without data")
    value = truths.truth(found)["value"]
    state = settled(found.seen.story.settings)
    peak = state.cells.flat[state.density.argmax()].tolist()
    assert math.dist(value, peak) < 0.2
    best, spot = (1.2, 0.3), (3.0, 0.0)
    assert 0.1 < math.dist(value, spot) < 0.7, "it has moved a little"
    assert math.dist(value, best) > 1.0
    assert value[0] < spot[0], "towards the best place"
    x, _, _ = plain_grid("eight_gaussians")
    top = x[own.reward(found.seen.story.settings.reward)(x).argmax()].tolist()
    assert math.dist(top, best) < 0.05
    assert measures.region("eight_gaussians").fraction_outside(torch.tensor([best])) == 1, "where no data are"
    assert mass(ended(found.link, found.rounds))[0].argmax() == 0, "and the network's run shows it"


# 4: KL or W2 ----------------------------------------------------------------------------------------------------------


def test_the_distance_rises_and_stays():
    found, _ = scene("4_kl_or_w2", "The distance from the reference")
    session = ended(found.link, found.rounds)
    drawn = predictions.of_the_run(found.ask, veil.end_of(session.frame()), found.rounds)
    assert len(drawn) == predictions.CURVE
    assert drawn[0] == 0
    assert drawn[12] > 0.7 * drawn[-1], "fast"
    assert max(drawn[24:]) - min(drawn[24:]) < 0.4, "then it stays"
    assert drawn[-1] == pytest.approx(truths.truth(found)["exact"][0]["w2"], abs=0.5)
    assert 3.4 < truths.truth(found)["exact"][0]["w2"] < 3.6
    assert found.ask.low <= min(drawn) <= max(drawn) < found.ask.high, "it fits the axes"
    assert last(ended("#alpha=0", found.rounds), "w2")[0] > 25, "what it would pass without α"


@functools.cache
def rivals():
    """The limit of the lesson's α, and the two optima of the same mean reward."""
    state = settled(settings("4_kl_or_w2", "The leftmost spot"))
    cells, p, r, goal = state.cells, state.reference_density, state.reward_values, float(state.mean_reward)
    tau = brentq(lambda tau: optima.kl_tilt(cells, p, r, tau).mean_reward - goal, 0.1, 10)
    log = brentq(lambda log: optima.w2_proximal(cells, p, r, math.exp(log)).mean_reward - goal, -3.5, -1, xtol=1e-4)
    return state, optima.kl_tilt(cells, p, r, tau), optima.w2_proximal(cells, p, r, math.exp(log))


def test_the_leftmost_spot_fades_where_it_stands():
    found, right = scene("4_kl_or_w2", "The leftmost spot")
    assert right == "It fades where it stands"
    state, _, w2 = rivals()
    (before, there), (now, here) = places(state, state.reference_density), places(state, state.density)
    leftmost = int(there[:, 0].argmin())
    assert 0.05 < float(now[leftmost] / before[leftmost]) < 0.15, "a tenth of it is left"
    assert float((here[leftmost] - there[leftmost]).norm()) < 0.2, "where it was"
    modes = own.target("eight_gaussians").mode_of(state.cells.flat)
    start = (state.reference_density.flatten() * (modes == leftmost)).double()
    way = (w2.map.reshape(-1, 2) - state.cells.flat).norm(dim=1).double()
    assert float(start[way > 2].sum() / start.sum()) > 0.95, "the W2 optimum carries all of it away"
    session = ended(found.link, found.rounds)
    assert mass(session)[0][leftmost] < 0.35 * float(before[leftmost])
    x = session._it.samples[0]
    stayed = x[own.target("eight_gaussians").mode_of(x) == leftmost]
    assert len(stayed) > 0
    assert float((stayed.mean(0) - there[leftmost]).norm()) < 0.6, "of the network, too"


def test_the_limit_is_neither_optimum_and_near_to_kl():
    found, right = scene("4_kl_or_w2", "Which optimum is it?")
    assert right == "Neither, but much nearer to the KL optimum"
    assert found.seen.story.settings.alpha == settings("4_kl_or_w2", "The leftmost spot").alpha
    state, kl, w2 = rivals()
    assert kl.mean_reward == pytest.approx(w2.mean_reward, abs=1e-3)

    def variation(density):
        return float((state.density - density).abs().sum() * state.cells.dx**2 / 2)

    assert variation(kl.density) == pytest.approx(0.09, abs=0.01)
    assert variation(w2.density) == pytest.approx(0.88, abs=0.02)
    assert state.kl / kl.kl == pytest.approx(1.1, abs=0.03), "a tenth more KL"
    reached = exact.limit(found.seen.story.settings, 0.5).w2
    assert reached / w2.w2_squared == pytest.approx(4 / 3, abs=0.1), "a third more W2²"


def test_the_budget_is_kept_by_less_alpha_than_one_thinks():
    found, _ = scene("4_kl_or_w2", "A budget")
    value = truths.truth(found)["value"]
    assert 2.3 < value < 2.8
    start = found.seen.story.settings.changed(mode="learned")  # on another grid than the answer's

    def distance(alpha):
        return exact.limit(start, alpha).w2

    assert distance(value) == pytest.approx(1.0, abs=0.05)
    assert distance(1.0) == pytest.approx(3.5, abs=0.1)
    assert distance(3.5) < 0.8, "what 1 / α would ask for is too much"


# 5: name the illness --------------------------------------------------------------------------------------------------


def ward(letter):
    """A run of the lesson at its end, and what the lesson calls it."""
    found, right = scene("5_name_the_illness", f"Run {letter}")
    return ended(found.link, max(found.rounds, found.seen.story.round)), right


def test_run_a_has_collapsed():
    session, right = ward("A")
    assert right.startswith("Collapsed")
    assert mass(session)[0].max() > 0.95
    assert last(session, "diversity")[0] < 0.15 * curve(session, "diversity")[0, 0]
    assert outside(session) < 0.05
    assert math.exp(session.settings.tau) == pytest.approx(148, abs=1), "as large as the weights become"


def test_run_b_is_off_the_data():
    session, right = ward("B")
    assert right == "Off the data"
    assert outside(session) > 0.9
    data = own.target("eight_gaussians").sample(2000, generator=torch.Generator().manual_seed(0))
    assert last(session, "reward")[0] > 1.5 * float(own.reward("plane")(data).max())


def test_run_c_moves_and_learns_nothing():
    session, right = ward("C")
    assert right.startswith("Shuffled")
    found, _ = scene("5_name_the_illness", "Run C")
    assert np.abs(curve(session, "reward")[0]).max() < 0.08
    assert last(session, "w2")[0] > 0.1, "it is not asleep"
    assert last(session, "diversity")[0] > 3.5, "nor collapsed"
    assert outside(session) < 0.1
    assert last(session, "effective")[0] < 0.8, "its weights differ"
    twin = ended(found.link, found.seen.story.round, fault="")
    assert last(twin, "reward")[0] == pytest.approx(0.65, abs=0.03)


def test_run_d_is_healthy():
    session, right = ward("D")
    assert right.startswith("Healthy")
    limit = exact.limit(session.settings, session.settings.alpha)
    assert last(session, "reward")[0] == pytest.approx(limit.reward, abs=0.03)
    reward = curve(session, "reward")[0]
    assert abs(reward[-1] - reward[int(0.7 * len(reward))]) < 0.03, "it has levelled off"
    assert mass(session)[0].min() > 0.02, "all eight are there"
    assert outside(session) < 0.1
    assert last(session, "w2")[0] > 2, "it is not asleep"


def test_the_collapsed_run_has_the_most_effective_samples():
    _, right = scene("5_name_the_illness", "A number that misleads")
    shares = {f"Run {letter}": float(last(ward(letter)[0], "effective")[0]) for letter in "ABCD"}
    best, second = sorted(shares.values())[:-3:-1]
    assert shares[right] == best
    assert best > second + 0.05
    assert best == pytest.approx(0.98, abs=0.015)


# 6: hack the reward ---------------------------------------------------------------------------------------------------


def test_the_true_reward_rises_and_falls_below_where_it_began():
    found, right = scene("6_hack_the_reward", "Wanted, and paid for")
    assert right == "It rises, then falls below where it began"
    session = ended(found.link, found.rounds)
    true, paid = curve(session, "truth")[0], curve(session, "reward")[0]
    assert true.max() > true[0] + 0.1
    assert true[-1] < true[0] - 0.15
    assert paid[-1] > 2, "what is paid for has risen all the way"
    assert (np.diff(paid) > -0.02).all()


def test_the_best_alpha_for_what_is_wanted_lies_between():
    found, _ = scene("6_hack_the_reward", "How tight a hold?")
    start = found.seen.story.settings
    wanted = {alpha: exact.mean(start.truth, exact.limit(start, alpha)) for alpha in (0.05, 0.1, 0.2, 0.3, 0.45, 1, 3)}
    assert max(wanted, key=wanted.get) == found.ask.answer == truths.truth(found)["value"]
    assert wanted[0.3] > wanted[0.1] + 0.08, "it falls at the left"
    assert wanted[0.3] > wanted[1] + 0.08, "and at the right"
    assert min(wanted[0.2], wanted[0.45]) > wanted[0.3] - 0.04, "its neighbours are nearly as good, and nearly right"
    free = ended("#truth=formula:exp(-(x-2)^2)&alpha=0", 150)
    assert last(free, "truth")[0] < 0.1, "with α = 0 all samples end too far"


@pytest.mark.slow
def test_the_judge_sees_through_it():
    found, right = scene("6_hack_the_reward", "Even digits")
    assert right == "About 80"
    session = ended(found.link, found.rounds)
    paid, judged = curve(session, "reward")[0], curve(session, "truth")[0]
    assert judged[0] == pytest.approx(0.5, abs=0.03), "half of them are even"
    assert paid[-1] == pytest.approx(0.99, abs=0.012)
    assert judged[-1] == pytest.approx(0.8, abs=0.07), "nearest to 80 of the options"
    assert judged.max() > judged[-1] + 0.05, "it was better before"
    assert judged.max() == pytest.approx(0.92, abs=0.05), "for a while the two agree"
    assert np.abs(paid - judged)[: int(judged.argmax()) // 2].max() < 0.05


@pytest.mark.slow
def test_a_hold_pays_in_what_is_wanted():
    found, right = scene("6_hack_the_reward", "The same with a hold")
    assert right == "What is paid for lower, what the judge says higher"
    assert found.seen.story.settings.alphas == (0, 0.3)
    session = ended(found.link, found.rounds)
    paid, judged = last(session, "reward"), last(session, "truth")
    assert paid[1] == pytest.approx(paid[0] - 0.1, abs=0.04)
    assert judged[1] == pytest.approx(judged[0] + 0.1, abs=0.07)
    assert judged[1] > judged[0] + 0.03


# The exact answers ----------------------------------------------------------------------------------------------------


def asking(link, ask, rounds=0):
    return lessons.Scene(title="a scene", link=link, ask=ask, rounds=rounds)


def test_the_peak_is_the_densest_cell():
    limit = exact.limit(Settings(alpha=1.0), 1.0)
    density = torch.zeros_like(limit.density)
    density[70, 20] = 1.0
    side, extent = len(density), limit.extent
    at = [(k + 0.5) * 2 * extent / side - extent for k in (70, 20)]
    assert truths.peak(replace(limit, density=density)) == pytest.approx(at, abs=1e-3), "x first, then y"
    assert truths.peak(None) is None


def test_nothing_dies_where_it_is_held():
    assert truths.first_to_die(Settings(alpha=30.0, mode="exact")) is None
    found = truths.first_to_die(Settings(alpha=0.0, mode="exact"))  # the reward grows to the right
    assert math.dist(found, (-3, 0)) < 0.1


@pytest.mark.slow
def test_a_higher_goal_needs_a_smaller_alpha():
    start = Settings(mode="exact")
    found = [truths.alpha_for(start, lessons.Goal(reading="reward", value=goal)) for goal in (0.1, 0.3, 0.6)]
    assert found == sorted(found, reverse=True)
    for alpha, goal in zip(found, (0.1, 0.3, 0.6)):
        assert exact.limit(start, alpha).reward == pytest.approx(goal, abs=0.01)
    wide = truths.alpha_for(start, lessons.Goal(reading="diversity", value=3.0))
    assert exact.limit(start, wide).diversity == pytest.approx(3.0, abs=0.02), "of what falls with α as of what rises"


@pytest.mark.parametrize("value", [2.0, -1.0])
def test_a_goal_that_no_alpha_reaches_is_said(value):
    with pytest.raises(
        ValueError, match=r"goal\.value is -?\d; allowed: what an α reaches there: from 0\.\d+ to 0\.\d"
    ):
        truths.truth(
            asking("#mode=exact", {"kind": "alpha", "prompt": "?", "goal": {"reading": "reward", "value": value}})
        )


def test_an_order_with_a_lane_without_limit_is_the_runs():
    order = asking("#alpha=0&others=3,0.3&mode=exact", {"kind": "order", "prompt": "?", "by": "reward"}, 10)
    told = truths.truth(order)
    assert told["value"] is None
    assert told["why"] == "no limit at α = 0: nothing holds it back"
    assert told["exact"][0] is None
    assert told["exact"][1]["reward"] < told["exact"][2]["reward"]
    run = predictions.of_the_run(order.ask, veil.end_of(ended(order.link, order.rounds).frame()), order.rounds)
    assert run == [2, 3, 1], "α = 3 least, then 0.3, then 0"


def test_an_order_by_limits_and_what_is_authored():
    order = {"kind": "order", "prompt": "?", "by": "diversity"}
    assert truths.truth(asking("#alpha=1&others=0.3,3&mode=exact", order))["value"] == [2, 1, 3]
    assert truths.truth(asking("", {"kind": "place", "prompt": "?", "answer": [1.0, 2.0]}))["value"] == [1.0, 2.0]
    assert truths.truth(asking("", {"kind": "place", "prompt": "?"}))["value"] is None
    assert truths.truth(asking("", {"kind": "choose", "prompt": "?", "options": ["a", "b"]}))["value"] is None
    assert truths.truth(asking("", None))["exact"][0]["reward"] == pytest.approx(0.397, abs=0.005)


def test_a_race_of_methods_has_no_limit_of_an_alpha():
    told = truths.truth(
        asking("#methods=orw_cfm_w2,raft", {"kind": "choose", "prompt": "?", "options": ["a", "b"], "answer": 2})
    )
    assert told == {"value": 2, "exact": [None, None], "why": ""}


def test_an_errand_says_the_same():
    place = asking("#mode=exact", {"kind": "place", "prompt": "?", "answer": "peak"})
    assert list(truths.pieces(place.model_dump_json())) == [truths.truth(place)]
