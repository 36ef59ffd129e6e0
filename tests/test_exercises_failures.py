"""The checks of notebook 12 pass for right answers and fail, with a hint, for the wrong ones that students give."""

import math

import pytest
import torch

from orwlab.methods import failures as gallery
from orwlab.methods.orw import FineTuning
from orwlab.teach.exercises import failures as exercises


def weights_belong(weigh, reward, x1):
    return all(correlation(weigh(x), reward(x)) > 0.99 for x in (x1, x1.flip(0)))


def correlation(a, b):
    return float(torch.corrcoef(torch.stack([a, b]))[0, 1])


def mended(r, tau):
    log_mean = torch.logsumexp(tau * r, 0) - math.log(len(r))
    return torch.exp(tau * r - log_mean), log_mean


def memory(way, s, *, twice=True, spread=True, start=1.0):
    A, B = start, 0.0
    for step in way:
        m = (step.t * s**2 - (1 - step.t)) / ((1 - step.t) ** 2 + step.t**2 * s**2)
        f = step.keep + step.move * m
        A, B = f * A, f ** (2 if twice else 1) * B + (step.spread**2 if spread else step.spread)
    return A / (A**2 + B) ** 0.5, A**2 + B


LIST = (  # the check list, in order
    ("wrong weights", lambda r: r["correlation"] < 0.9),
    ("inverted_temperature", lambda r: abs(r["tau_used"] - 1) > 0.1),
    ("dropout_in_one", lambda r: r["penalty_at_start"] > 0.01),
    ("guided_rollout", lambda r: abs(r["draw_width"] - 1) > 0.12),
    ("weights_that_vanish", lambda r: r["far_over_near"] < 0.5),
    ("no_refresh", lambda r: r["draw_gap"] < -0.15),
    ("penalty_elsewhere", lambda r: r["penalty_ratio"] < 0.8),
)


def diagnose(readings, rules=LIST):
    return next((name for name, found in rules if found(readings)), "healthy")


def batch_loss(policy, reference, x1, w, alpha, batch, x0, t):
    x1 = x1[batch]
    x_t = (1 - t[:, None]) * x0 + t[:, None] * x1
    v_t = policy(t, x_t)
    fit = (w[batch] * (v_t - (x1 - x0)).square().sum(1)).mean()
    return fit + alpha * (v_t - reference(t, x_t)).square().sum(1).mean()


def test_right_answers_pass(capsys):
    exercises.weights_belong(weights_belong)
    exercises.mended(mended)
    exercises.memory(memory)
    exercises.examine(diagnose)
    exercises.batch_loss(batch_loss)
    printed = capsys.readouterr().out
    assert printed.count(": yes") == 6 + 11 + 8 + 12 + 6
    assert "NO" not in printed


def test_a_test_that_moves_samples_and_needs_no_reward_passes_too():
    def moves(weigh, reward, x1):
        order = torch.randperm(len(x1), generator=torch.Generator().manual_seed(9))
        return bool(torch.allclose(weigh(x1)[order], weigh(x1[order])))

    exercises.weights_belong(moves)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (lambda weigh, reward, x1: correlation(weigh(x1), reward(x1)) > 0.99, "Ask twice"),
        (lambda weigh, reward, x1: True, "Correlate"),
        (lambda weigh, reward, x1: False, "constant is added"),
        (lambda weigh, reward, x1: bool(torch.allclose(weigh(x1), reward(x1))), "constant is added"),
        (lambda weigh, reward, x1: correlation(weigh(x1).exp(), reward(x1)) > 0.99, "constant is added"),
        (lambda weigh, reward, x1: bool((weigh(x1).mean() - reward(x1).mean()).abs() < 1e-3), "constant is added"),
    ],
)
def test_tests_that_catch_nothing_or_too_much_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.weights_belong(wrong)


def plain(r, tau):
    w = torch.exp(tau * r)
    return w / w.mean(), w.mean().log()


def centred(r, tau):
    w = torch.exp(tau * (r - r.mean()))
    return w / w.mean(), w.mean().log() + tau * r.mean()


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (plain, "largest tau r"),
        (centred, "not the mean"),
        (lambda r, tau: (torch.softmax(tau * r, 0), mended(r, tau)[1]), "not by the sum"),
        (lambda r, tau: (mended(r, tau)[0], torch.logsumexp(tau * r, 0)), "log n"),
        (lambda r, tau: (mended(r, tau)[0], mended(r - r.max(), tau)[1]), "come back"),
        (lambda r, tau: mended(r, 1.0), "keeps the ratios"),
        (lambda r, tau: mended(r, tau)[0], "a pair"),
    ],
)
def test_wrong_weights_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.mended(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda way, s: memory(way, 1.0),
        lambda way, s: memory(way, s, twice=False),
        lambda way, s: memory(way, s, spread=False),
        lambda way, s: memory(way, s, start=0.5),
        lambda way, s: (memory(way, s)[0] ** 2, memory(way, s)[1]),
        lambda way, s: memory(way[1:], s),
        lambda way, s: memory(way, s**0.5),
    ],
)
def test_wrong_memories_fail(wrong):
    with pytest.raises(AssertionError, match="x_k = A_k x_0"):
        exercises.memory(wrong)


@pytest.mark.parametrize("missing", [name for name, _ in LIST])
def test_a_list_with_a_line_left_out_fails(missing):
    rules = [rule for rule in LIST if rule[0] != missing]
    with pytest.raises(AssertionError, match="Which is the first"):
        exercises.examine(lambda readings: diagnose(readings, rules))


def test_one_verdict_for_all_fails():
    for verdict in ("healthy", "wrong weights", "sick"):
        with pytest.raises(AssertionError, match=f"You said '{verdict}'"):
            exercises.examine(lambda readings, verdict=verdict: verdict)


def buggy(weights="batch", at="x_t"):
    def loss(policy, reference, x1, w, alpha, batch, x0, t):
        x_t = (1 - t[:, None]) * x0 + t[:, None] * x1[batch]
        v_t = policy(t, x_t)
        fit = ((w[batch] if weights == "batch" else w[: len(batch)]) * (v_t - (x1[batch] - x0)).square().sum(1)).mean()
        return fit + alpha * (v_t - reference(t, x_t if at == "x_t" else x1[batch])).square().sum(1).mean()

    return loss


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        (buggy("first", "x1"), "Which weights belong"),
        (buggy("first"), "Which weights belong"),
        (buggy(at="x1"), "same t and x_t"),
        (
            lambda policy, reference, x1, w, alpha, *rest: w.mean() * batch_loss(
                policy, reference, x1, w / w.mean(), alpha, *rest
            ),
            "no weight is in it",
        ),
        (
            lambda policy, *rest: batch_loss(lambda t, x: policy(t, x).detach(), *rest),
            "No detach",
        ),
    ],
)  # fmt: skip
def test_losses_with_a_bug_fail(wrong, where):
    with pytest.raises(AssertionError, match=where):
        exercises.batch_loss(wrong)


@pytest.mark.parametrize("check", ["weights_belong", "mended", "memory", "examine", "batch_loss"])
def test_no_answer_and_answers_that_raise_end_in_a_sentence(check):
    with pytest.raises(AssertionError, match="Asked for"):
        getattr(exercises, check)(None)
    with pytest.raises(AssertionError, match="returned nothing: NO"):
        getattr(exercises, check)(lambda *arguments: None)
    with pytest.raises(AssertionError, match="raised ZeroDivisionError"):
        getattr(exercises, check)(lambda *arguments: 1 / 0)


def test_every_patient_is_a_failure_once_and_six_are_blind():
    assert len(set(exercises.PATIENTS)) == len(exercises.PATIENTS) == 11
    assert set(exercises.PATIENTS) | {"clipped_adjoints"} == set(gallery.names())
    chosen = exercises.blind()
    assert list(chosen) == list("ABCDEF")
    assert len(set(chosen.values())) == 6
    assert "healthy" in chosen.values()
    assert exercises.patient(1).name == exercises.PATIENTS[0]
    assert exercises.kind_of("healthy") is FineTuning
