"""Formulas: read as mathematicians do, safe whatever is typed, and wrong ones are told where."""

import math
import pickle
import random

import pytest
import torch

from orwlab import rewards, targets
from orwlab.oracle import PopulationDynamics
from orwlab.show.lab import formula
from orwlab.show.lab.formula import Formula

X = torch.tensor([[1.5, -0.75], [0.25, 2.0], [-3.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
x, y = X.unbind(1)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("exp(-x^2) * sin(3*y)", (-(x**2)).exp() * (3 * y).sin()),
        ("-x^2", -(x**2)),
        ("(-x)^2", x**2),
        ("2^3^2", 512 + 0 * x),
        ("2^-1", 0.5 + 0 * x),
        ("x**2", x**2),
        ("x - y - 1", x - y - 1),
        ("8/4/2", 1 + 0 * x),
        ("1 + 2*x^2/4", 1 + x**2 / 2),
        ("2*-x", -2 * x),
        ("--x", x),
        ("-2^2", -4 + 0 * x),
        ("+x", x),
        ("x*(y+1)", x * (y + 1)),
        ("pi*e", math.pi * math.e + 0 * x),
        ("π−1", math.pi - 1 + 0 * x),
        ("2·x×y÷4", x * y / 2),
        ("1.5e-1*x + .5 + 2.", 0.15 * x + 2.5),
        ("e*x", math.e * x),
        ("2e0*x", 2 * x),
        ("min(x, y)", torch.minimum(x, y)),
        ("max(x, y, 0.5)", torch.maximum(torch.maximum(x, y), 0.5 + 0 * x)),
        ("sign(x) + step(y)", x.sign() + (y >= 0)),
        ("abs(x) + sqrt(x^2)", 2 * x.abs()),
        ("tanh(x) + cos(y) + tan(x/9)", x.tanh() + y.cos() + (x / 9).tan()),
        ("log(1 + r^2)", (1 + x**2 + y**2).log()),
        ("r", (x**2 + y**2).sqrt()),
        ("cos(angle)", torch.atan2(y, x).cos()),
        ("\texp ( - r ^ 2 )\n", (-(x**2) - y**2).exp()),
        ("((((x))))", x),
    ],
)
def test_a_formula_is_read_as_mathematicians_do(text, wanted):
    found = rewards.evaluate(Formula(text), X)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(formula.read(formula.write(text))(X), wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sqr(x)",
            r"formula: I do not know 'sqr' at character 1; allowed: x, y, r, angle, pi, e, numbers, .* exp, log",
        ),
        ("1 + foo", "I do not know 'foo' at character 5"),
        ("x & y", "I do not know '&' at character 3"),
        ("X", "I do not know 'X' at character 1"),
        ("x²", "I do not know '²' at character 2"),
        ("", "nothing is written; allowed: for example"),
        ("   ", "nothing is written"),
        ("2x", r"between '2' and 'x' at character 2 a \* is missing"),
        ("x y", r"between 'x' and 'y' at character 3 a \* is missing"),
        ("(x)(y)", r"between '\)' and '\(' at character 4 a \* is missing"),
        ("2(x)", r"between '2' and '\(' at character 2 a \* is missing"),
        ("x(2)", r"between 'x' and '\(' at character 2 a \* is missing"),
        ("x +", "it ends too early, after character 3"),
        ("x + * y", r"'\*' at character 5 does not fit there"),
        ("x)", r"'\)' at character 2 does not fit there"),
        ("(x", r"a \) is missing at the end, character 3"),
        ("exp(x", r"a \) is missing at the end"),
        ("exp x", r"after 'exp' at character 1 a \( is missing, as in exp\(x\)"),
        ("exp", r"after 'exp' at character 1 a \( is missing"),
        ("exp()", r"'\)' at character 5 does not fit there"),
        ("exp(x, y)", "'exp' at character 1 takes one number, not 2"),
        ("min(x)", "'min' at character 1 takes two numbers or more, not 1"),
        ("1,5*x", r"the comma at character 2 does not fit there; allowed: 1.5 with a point"),
        ("log(x)", "at x = -6, y = -6 it has no value; allowed: values from -1,000,000 to 1,000,000 wherever"),
        ("1/x", "at x = 0, y = -6 it is infinite"),
        ("1/(x-0.125)", "at x = 0.125, y = -6 it is infinite"),
        ("1/(x-0.0123)", "at x = 0.0123.*, y = .* it is"),  # a pole between all places on a grid
        ("1 + 1/((x-2.001)^2 + (y+3.14159)^2)", r"at x = 2\.00\d*, y = -3\.14\d* it is"),
        ("tan(x)", "it is -?[0-9.]*e"),
        ("exp(r^2)", r"at x = -6, y = -6 it is 1.86e\+31"),
        ("9^9^9^9", "it is infinite"),
        ("1e999", "it is infinite"),
        ("x*1e300*1e-300", "it has no value|it is infinite"),  # in the floating type of networks
        ("(-8)^(1/3)", "it has no value"),
        ("0/0", "it has no value"),
        ("(" * 40 + "x" + ")" * 40, "more than 30 things stand within each other at character 31"),
        ("-" * 40 + "x", "more than 30 things stand within each other"),
        ("2^" * 40 + "x", "more than 30 things stand within each other"),
        ("exp(" * 40, "more than 30 things stand within each other"),
        ("x" * 201, "it has 201 characters; allowed: at most 200"),
        (None, "formula is None; allowed: a text"),
        (7, "formula is 7; allowed: a text"),
        (b"x", "formula is b'x'; allowed: a text"),
    ],
)
def test_wrong_formulas_are_told_where(text, message):
    with pytest.raises(ValueError, match=message):
        Formula(text)


@pytest.mark.parametrize("text", ["x", "paint:AAAAA", None, 7, ""])
def test_only_formulas_are_read(text):
    with pytest.raises(ValueError, match=r"formula is .*; allowed: a text that begins with 'formula:'"):
        formula.read(text)


def test_a_formula_is_known_by_its_text():
    assert Formula("x + y") == Formula("x + y")
    assert hash(Formula("x + y")) == hash(Formula("x + y"))
    assert formula.write("  x + y ") == "formula:x + y"
    assert pickle.loads(pickle.dumps(Formula("x + y"))) == Formula("x + y")
    assert repr(Formula("x")) == "Formula(text='x')"


def test_it_agrees_with_the_gallery():
    points = 3 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    for text, name in [
        ("tanh(x/2.5)", "right"),
        ("x/3", "plane"),
        ("exp(-((x-2.1)^2 + (y-2.1)^2) / (2*1.5^2))", "bump"),
        ("exp(-((r-1.8)/0.8)^2/2)", "ring"),
        ("sin(angle)", "angle"),
        ("step(x)*step(4-x)*step(y+4)*step(4-y)", "box"),
    ]:
        torch.testing.assert_close(Formula(text)(points), rewards.get(name)(points), rtol=1e-5, atol=1e-6)


def test_far_out_it_stays_a_number():
    far = torch.tensor([[100.0, 0.0], [-100.0, 3.0], [1e30, -1e30]])
    assert Formula("exp(x)")(far).tolist()[0] == pytest.approx(math.exp(6), rel=1e-5)  # as at the nearest point
    assert Formula("log(x+7)")(far)[1] == pytest.approx(0.0, abs=1e-6)
    assert Formula("x")(far[:2]).tolist() == [100.0, -100.0]  # while it has values it keeps them
    assert torch.isfinite(Formula("x*y")(far)).all()
    pole = Formula("1/sqrt(abs(x-0.0124))")(torch.tensor([[0.0124, 0.0]]))
    assert pole.tolist() == [formula.LARGEST]


def test_gradients_are_those_of_the_formula():
    points = torch.tensor([[1.0, 2.0], [0.0, 0.0], [100.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(Formula("exp(x) + x^2*y + r")(points).sum(), points)
    root5 = math.sqrt(5)
    torch.testing.assert_close(gradient[0].tolist(), [math.e + 4 + 1 / root5, 1 + 2 / root5], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradient[1].tolist(), [1.0, 0.0])
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("text", ["x*y", "1"])
def test_it_takes_any_numbers(dtype, text):
    values = Formula(text)(torch.ones(3, 2, dtype=dtype))
    assert values.tolist() == [1.0] * 3
    assert values.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


@pytest.mark.parametrize("points", [torch.zeros(3, 1), torch.zeros(0, 2), torch.full((1, 2), math.nan), [], "x"])
def test_it_wants_points(points):
    with pytest.raises(ValueError, match=r"x (is|holds)"):
        Formula("x")(points)


def test_what_comes_out_is_ones_own():
    points = torch.ones(3, 2)
    Formula("x")(points).add_(1)
    assert points.tolist() == [[1.0, 1.0]] * 3


@pytest.mark.filterwarnings("ignore:.*too coarse")
def test_the_oracle_takes_it():
    exact = [
        PopulationDynamics(targets.get("four_modes"), reward, axis=32)
        for reward in (Formula("tanh(x/2.5)"), rewards.get("right"))
    ]
    for dynamics in exact:
        dynamics.iterate(3)
    assert exact[0].mean_reward == pytest.approx(exact[1].mean_reward, abs=1e-9)


PYTHON = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "exec('x=1')",
    "(lambda: x)()",
    "[x for x in y]",
    "x if y else r",
    "x; y",
    "x = 3",
    "f'{x}'",
    "open('/etc/passwd')",
    "x.__class__",
    "x[0]",
    "{x}",
    "x and y",
    "x == y",
    "1_000",
    "0x10",
    "1j",
    "True",
    "None",
    "x:=3",
    "while True: x",
    "x\\\n",
    "x#y",
    "'x'",
    "x//y",
    "x%y",
    "x@y",
    "~x",
    "x<<9999",
]


@pytest.mark.parametrize("text", PYTHON)
def test_python_is_not_spoken(text):
    with pytest.raises(ValueError, match=r"formula: .*(character|allowed)"):
        Formula(text)


def test_a_thousand_strings_end_in_a_reward_or_a_sentence():
    rng = random.Random(0)
    words = [*formula.FUNCTIONS, *formula.VARIABLES, *formula.CONSTANTS, *"+-*/^(),0123456789.", "**", "1e9", " "]
    odd = [*PYTHON, "é", "∞", "\0", "\u202e", "１", "٣", "\ud800", "🙂", "\n", "_", "$", "²", "𝑥", "lambda", "__"]

    def sensible(depth=0):
        kind = rng.randrange(6 if depth < 6 else 2)
        if kind == 0:
            return rng.choice(["x", "y", "r", "angle", "pi", "e"])
        if kind == 1:
            return f"{rng.uniform(0, 9):.3g}"
        if kind == 2:
            return "-" + sensible(depth + 1)
        if kind == 3:
            return f"{rng.choice(['exp', 'log', 'sqrt', 'abs', 'sin', 'tanh', 'sign'])}({sensible(depth + 1)})"
        if kind == 4:
            return f"min({sensible(depth + 1)}, {sensible(depth + 1)})"
        return f"({sensible(depth + 1)} {rng.choice('+-*/^')} {sensible(depth + 1)})"

    makers = [
        lambda: "".join(chr(rng.randrange(1, 0x3000)) for _ in range(rng.randrange(300))),
        lambda: "".join(rng.choice(words) for _ in range(rng.randrange(1, 60))),
        lambda: "".join(rng.choice(words + odd) for _ in range(rng.randrange(1, 40))),
        lambda: rng.choice(["(", "-", "exp(", "x^", "((", "min(x,", "1+("]) * rng.randrange(1, 300),
        sensible,
    ]
    points = 3 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0))
    good, sentences = 0, []
    for k in range(1000):
        text = makers[k % len(makers)]()
        try:
            reward = Formula(text)
        except ValueError as error:
            sentences.append(str(error))
        else:
            assert rewards.evaluate(reward, points).shape == (20,)
            good += 1
    assert 100 < good < 500
    assert good + len(sentences) == 1000
    assert all(one.startswith("formula: ") and len(one) < 400 for one in sentences)
