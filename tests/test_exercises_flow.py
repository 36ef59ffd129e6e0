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


def linear(A, x1, sign=-1, inverse=True, d=None):
    x0 = x1 @ torch.linalg.matrix_exp(-A if inverse else A).T
    return -0.5 * x0.square().sum(1) - math.log(2 * math.pi) * (d or x1.shape[1]) / 2 + sign * A.trace()


def elementwise(A, x1):
    return (
        linear(A, x1)
        + 0.5 * (x1 @ torch.linalg.matrix_exp(-A).T).square().sum(1)
        - 0.5 * (x1 @ (-A).exp().T).square().sum(1)
    )


def exponential_step(v, t, h, x):
    """Exact where every coordinate grows by itself, and wrong elsewhere."""
    return x * torch.exp(h * v(t + h / 2, x) / x)


def drift_of_a_half_step(v, t, h, x):
    """Goes half a step ahead, and stays there."""
    return x + h / 2 * v(t + h / 2, x + h / 2 * v(t, x))


def test_right_answers_pass(capsys):
    flow.cosine_path(cosine)
    flow.two_point_field(two_points)
    flow.loss_that_stays(lambda t, sigma: sigma**2 / ((1 - t) ** 2 + t**2 * sigma**2))
    flow.second_order_step(midpoint)
    flow.second_order_step(lambda v, t, h, x: x + h / 2 * (v(t, x) + v(t + h, x + h * v(t, x))))  # Heun
    flow.log_density_of_a_linear_flow(linear)
    assert capsys.readouterr().out.count(": yes") == 16


WRONG = [
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x0, x1, 1.0), "u_t.*NO"),  # no chain rule
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x1, x0), "x_t.*NO"),  # noise and data swapped
    (flow.cosine_path, lambda t, x0, x1: (cosine(t, x0, x1)[0], x1 - x0), "u_t.*NO"),  # the linear path's
    (flow.cosine_path, lambda t, x0, x1: cosine(t, x0, x1)[0], "two tensors"),
    (flow.two_point_field, lambda t, x, a, b: (0.5 * (a + b) - x) / (1 - t), "weighted by"),  # not the posterior
    (flow.two_point_field, lambda *args: two_points(*args, variance=lambda t: 1 - t), "variance"),
    (flow.two_point_field, lambda *args: two_points(*args, divide=False), "1 - t"),
    (flow.cosine_path, lambda t, x0, x1: (cosine(t, x0, x1)[0], -cosine(t, x0, x1)[1]), "u_t.*NO"),  # backwards
    (flow.cosine_path, lambda t, x0, x1: cosine(180 / math.pi * t, x0, x1), "x_t.*NO"),  # degrees
    (flow.two_point_field, lambda *args: -two_points(*args), "velocity at t = 0"),  # sign
    (flow.two_point_field, lambda *args: two_points(*args, variance=lambda t: t**2 + 1e-9), "variance"),
    (flow.two_point_field, lambda t, x, a, b: two_points(t, x, -1.0, 2.0), "data 2.5 and 0.5"),
    (flow.two_point_field, lambda t, x, a, b: two_points(t, x, min(a, b), max(a, b)).flip(0), "velocity at"),
    (flow.loss_that_stays, lambda t, s: 1 + s**2, "forgets"),
    (flow.loss_that_stays, lambda t, s: s**2 / ((1 - t) + t * s**2), "NO"),
    (flow.loss_that_stays, lambda t, s: s / ((1 - t) ** 2 + t**2 * s**2) ** 0.5, "NO"),  # not squared
    (flow.loss_that_stays, lambda t, s: (1 - t) ** 2 + t**2 * s**2, "NO"),  # Var(x_t)
    (flow.loss_that_stays, lambda t, s: s**2 / (t**2 + (1 - t) ** 2 * s**2), "NO"),  # time backwards
    (flow.loss_that_stays, lambda t, s: s**2, "NO"),  # the value at t = 0
    (flow.loss_that_stays, lambda t, s: 1 + s**2 - (t * s**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * s**2), "NO"),
    (flow.loss_that_stays, lambda t, s: 0.0, "NO"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t, x), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t + h / 2, x), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t, x + h / 2 * v(t, x)), "first-order|does not converge"),
    (flow.second_order_step, lambda v, t, h, x: h * v(t, x), "x \\+ h"),
    (flow.second_order_step, lambda v, t, h, x: x - h * v(t + h / 2, x + h / 2 * v(t, x)), "x \\+ h"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t + h / 2, x + h * v(t, x)), "first-order"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t + h, x + h / 2 * v(t, x)), "first-order"),
    (flow.second_order_step, lambda v, t, h, x: x + h * v(t + h, x + h * v(t, x)), "first-order"),
    (flow.second_order_step, drift_of_a_half_step, "x \\+ h"),
    (flow.second_order_step, exponential_step, "x \\+ h|first-order"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, sign=1), "trace"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, inverse=False), "exp"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A.T, x), "row by row"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, d=1), "2 dimensions.*NO"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, d=2), "3 dimensions.*NO"),  # right in the plane
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x, sign=0), "trace"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x) + A.trace() - torch.linalg.det(A), "trace"),
    (flow.log_density_of_a_linear_flow, lambda A, x: linear(A, x).exp(), "trace"),  # the density itself
    (flow.log_density_of_a_linear_flow, elementwise, "exp"),
]


@pytest.mark.parametrize(("check", "wrong", "reason"), WRONG, ids=[f"{w[0].__name__} {i}" for i, w in enumerate(WRONG)])
def test_wrong_answers_fail(check, wrong, reason):
    with pytest.raises(AssertionError, match=reason):
        check(wrong)


def test_the_error_of_forty_steps_is_called_so(capsys):
    """Midpoint's error falls fourfold: with 40 steps it is the larger one."""
    flow.second_order_step(midpoint)
    printed = capsys.readouterr().out
    turned, x, h = 0.0, torch.tensor([[1.0, 0.5], [-2.0, 0.3]], dtype=torch.float64), 1 / 40
    solution = torch.view_as_real(torch.view_as_complex(x) * torch.exp(torch.tensor(1j * math.sin(1.0))))
    while turned < 40:
        x = midpoint(lambda t, x: math.cos(t) * torch.stack([-x[:, 1], x[:, 0]], 1), turned * h, h, x)
        turned += 1
    assert f"error with 40 steps: measured {float((x - solution).abs().max()):.4g}," in printed
