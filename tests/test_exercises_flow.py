"""Exercises of notebook 01: right answers pass, plausible wrong ones fail for the right reason."""

import math

import pytest
import torch

from orwlab.teach.exercises import flow


def cosine(t, x0, x1, scale=math.pi / 2):
    a = math.pi / 2 * t
    return a.cos() * x0 + a.sin() * x1, scale * (a.cos() * x1 - a.sin() * x0)


def two_points(t, x, a, b, variance=None, divide=True):
    var = (1 - t) ** 2 if variance is None else variance(t)
    at = torch.stack([-((x - t * a) ** 2) / (2 * var), -((x - t * b) ** 2) / (2 * var)])
    p = torch.softmax(at, 0)
    x1 = p[0] * a + p[1] * b
    return (x1 - x) / (1 - t) if divide else x1 - x


def midpoint(v, t, h, x):
    return x + h * v(t + h / 2, x + h / 2 * v(t, x))


def linear(A, x1, sign=-1, inverse=True):
    x0 = x1 @ torch.linalg.matrix_exp(-A if inverse else A).T
    return -0.5 * x0.square().sum(1) - math.log(2 * math.pi) * x1.shape[1] / 2 + sign * A.trace()


def test_right_answers_pass(capsys):
    flow.cosine_path(cosine)
    flow.two_point_field(two_points)
    flow.loss_that_stays(lambda t, s: s**2 / ((1 - t) ** 2 + t**2 * s**2))
    flow.second_order_step(midpoint)
    flow.second_order_step(lambda v, t, h, x: x + h / 2 * (v(t, x) + v(t + h, x + h * v(t, x))))  # Heun
    flow.log_density_of_a_linear_flow(linear)
    assert capsys.readouterr().out.count(": yes") == 14


WRONG = [
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x0, x1, 1.0), "u_t.*NO"),  # no chain rule
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x1, x0), "x_t.*NO"),  # noise and data swapped
    (flow.cosine_path, lambda t, x0, x1: (cosine(t, x0, x1)[0], x1 - x0), "u_t.*NO"),  # the linear path's
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x0, x1)[0], "two tensors"),
    (flow.two_point_field, lambda t, x, a, b: (0.5 * (a + b) - x) / (1 - t), "weighted by"),  # not the posterior
    (flow.two_point_field, lambda *args: two_points(*args, variance=lambda t: 1 - t), "variance"),
    (flow.two_point_field, lambda *args: two_points(*args, divide=False), "1 - t"),
    (flow.loss_that_stays, lambda t, s: 1 + s**2, "forgets"),
    (flow.loss_that_stays, lambda t, s: s**2 / ((1 - t) + t * s**2), "NO"),
    (flow.loss_that_stays, lambda t, s: 0.0, "NO"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t, x), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t + h / 2, x), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t, x + h / 2 * v(t, x)), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: h * v(t, x), "x \\+ h"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, sign=1), "trace"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, inverse=False), "exp"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A.T, x), "row by row"),
]


@pytest.mark.parametrize(("check", "wrong", "reason"), WRONG, ids=[f"{w[0].__name__} {i}" for i, w in enumerate(WRONG)])
def test_wrong_answers_fail(check, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        check(wrong)
