"""Fingerprints: nothing that decides is left out, whatever its kind and wherever it lies, and nothing else counts."""

import array
import collections
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import io
import operator
import pathlib
import random
import re
import runpy
import sqlite3
import sys
import threading
import types
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from orwlab import zoo
from orwlab.sweep import meaning, modules


@dataclass(slots=True)
class Slotted:
    k: float

    def __call__(self, x):
        return self.k * x


class Kind(enum.IntEnum):
    A = 1
    B = 2


class Named(tuple):
    def __call__(self, x):
        return x * self[0]


class FromFile:
    """What a copy is made of is a name, behind which anything may lie."""

    def __init__(self, k):
        self.k = k

    def __reduce__(self):
        return FromFile, ("weights",)


class Lazy:
    def __init__(self, k):
        self.k = k
        self.lock = threading.Lock()

    @functools.cached_property
    def twice(self):
        return 2 * self.k

    def __call__(self, x):
        return self.twice * x


class Private(nn.Module):
    def __init__(self, k):
        super().__init__()
        self._k = k

    def forward(self, x):
        return self._k * x


class Times(nn.Module):
    k: float

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        return self.k * x


def plain():
    with torch.random.fork_rng(devices=[]):
        network = nn.Linear(1, 1)
    nn.init.ones_(network.weight)
    nn.init.zeros_(network.bias)
    return network


def buffered(k):
    network = plain()
    network.register_buffer("k", torch.tensor(k), persistent=False)
    return network


def hooked(k):
    network = plain()
    network.register_forward_hook(lambda module, asked, answer: k * answer)
    return network


def parametrised(k):
    network = plain()
    parametrize.register_parametrization(network, "weight", Times(k))
    return network


def cached(k):
    @functools.lru_cache
    def f(x):
        return k * x

    return f


def dispatched(k):
    @functools.singledispatch
    def f(x):
        return x

    f.register(float, lambda x: k * x)
    return f


def wrapped(k):
    @functools.wraps(torch.nn.functional.relu)
    def f(x):
        return k * x

    return f


def remembering(k):
    f = lambda x: f.k * x  # noqa: E731
    f.k = k
    return f


def spline(k):
    return pytest.importorskip("scipy.interpolate").CubicSpline(np.arange(4.0), k * np.arange(4.0) ** 2)


def neighbours(k):
    x = np.arange(12.0)[:, None]
    return pytest.importorskip("sklearn.neighbors").KNeighborsRegressor(2).fit(x, k * x).predict


def local(k):
    class Own:
        def __call__(self, x):
            return k * x

    return Own()


def structured(k):
    return np.array([(1, k)], dtype=[("a", int), ("b", float)])


def scripted(k):
    return torch.jit.script(Times(k))


def generating(k):
    yield k


KINDS = {
    "a numpy number": np.float32,
    "a path": lambda k: pathlib.Path(f"of-{k}"),
    "a deque": lambda k: collections.deque([k], 3),
    "a pattern": lambda k: re.compile(str(k)),
    "a pattern's flags": lambda k: re.compile("a", re.I if k > 1 else 0),
    "torch's generator": lambda k: torch.Generator().manual_seed(int(k)),
    "numpy's generator": lambda k: np.random.default_rng(int(k)),
    "slots": Slotted,
    "an enum": lambda k: Kind(int(k)),
    "a named tuple": lambda k: collections.namedtuple("N", "k")(k),
    "a list of one's own": lambda k: Named([k]),
    "a date": lambda k: datetime.date(2000, 1, int(k)),
    "a decimal": lambda k: decimal.Decimal(str(k)),
    "a fraction": lambda k: fractions.Fraction(1, int(k)),
    "an array": lambda k: array.array("d", [k]),
    "a bytearray": lambda k: bytearray([int(k)]),
    "a memoryview": lambda k: memoryview(bytes([int(k)])),
    "a defaultdict": lambda k: collections.defaultdict(int, a=k),
    "an order": lambda k: collections.OrderedDict(sorted({"a": 1, "b": 2}.items(), reverse=k > 1)),
    "a view of a dict": lambda k: types.MappingProxyType({"a": k}),
    "a sign of zero": lambda k: 0.0 if k > 1 else -0.0,
    "sparse": lambda k: (k * torch.eye(2)).to_sparse(),
    "complex": lambda k: torch.tensor(complex(0, k)),
    "conjugate": lambda k: torch.tensor([1j]).conj() if k > 1 else torch.tensor([1j]),
    "requires_grad": lambda k: torch.ones(1, requires_grad=k > 1),
    "bfloat16": lambda k: torch.tensor(k, dtype=torch.bfloat16),
    "a masked array": lambda k: np.ma.array([1, 2], mask=[k > 1, False]),
    "a structured array": structured,
    "objects in an array": lambda k: np.array([None, k], dtype=object),
    "itemgetter": lambda k: operator.itemgetter(int(k)),
    "methodcaller": lambda k: operator.methodcaller("mul", k),
    "a bound method of a dict": lambda k: {"a": k}.get,
    "a bound operator": lambda k: k.__mul__,
    "lru_cache": cached,
    "singledispatch": dispatched,
    "vectorize": lambda k: np.vectorize(lambda x: k * x),
    "a ufunc": lambda k: np.sin if k > 1 else np.cos,
    "vmap": lambda k: torch.func.vmap(lambda x: k * x),
    "a wrapper with a library's name": wrapped,
    "an attribute of a function": remembering,
    "a class within a function": local,
    "a cached property": Lazy,
    "a generator": generating,
    "a private attribute": Private,
    "an attribute of a part": lambda k: nn.Sequential(nn.LeakyReLU(k)),
    "a buffer that is not kept": buffered,
    "a hook": hooked,
    "a parametrisation": parametrised,
    "torch.jit": scripted,
    "torch.compile": lambda k: torch.compile(nn.LeakyReLU(k)),
    "a compiled function": lambda k: torch.compile(lambda x: k * x),
    "a distribution": lambda k: torch.distributions.Normal(0.0, k),
    "an object that names a file": FromFile,
    "a spline": spline,
    "an estimator": neighbours,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_nothing_that_decides_is_left_out(make):
    """By itself, and where a function refers to it."""
    one, same, other = (make(k) for k in (1.0, 1.0, 2.0))
    assert meaning.of(one) == meaning.of(same)
    assert meaning.of(one) != meaning.of(other)
    of = lambda held: meaning.of(lambda x: held)  # noqa: E731
    assert of(one) == of(same)
    assert of(one) != of(other)


@pytest.mark.parametrize(
    ("make", "call"),
    [
        (lambda: cached(1.0), lambda f: f(3.0)),
        (lambda: dispatched(1.0), lambda f: f(3.0)),
        (lambda: np.vectorize(lambda x: 2 * x), lambda f: f([1, 2])),
        (lambda: Lazy(1.0), lambda f: f(3.0)),
        (lambda: neighbours(1.0), lambda f: f(np.ones((3, 1)))),
        (lambda: torch.distributions.Categorical(logits=torch.zeros(2)), lambda d: d.probs),
        (lambda: parametrised(1.0), lambda f: f(torch.ones(1, 1))),
        (lambda: zoo.load("two_modes_1d"), lambda v: v(torch.tensor(0.5), torch.ones(3, 1))),
        (lambda: plain(), lambda f: f.eval()),
        (lambda: counting, lambda f: f(1.0)),
        (lambda: lambda x: drawn_by() + x, lambda f: f(1.0)),
        (lambda: lambda x: drawn_by_numpy() + x, lambda f: f(1.0)),
    ],
)
def test_it_does_not_matter_whether_it_was_called_before(make, call):
    made = make()
    before = meaning.of(made)
    call(made)
    assert meaning.of(made) == before


drawn_by, drawn_by_numpy = random.random, np.random.rand  # methods of generators that are everybody's
SEEN = None


def counting(x):
    global SEEN
    SEEN = x if SEEN is None else SEEN
    return SEEN


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        (lambda: sqlite3.connect(":memory:"), r"there is a sqlite3\.Connection in held > db, of which nothing"),
        (lambda: np.frompyfunc(lambda x: 2 * x, 1, 1), r"there is a numpy\.ufunc in held > db"),
    ],
)
def test_what_cannot_be_read_is_named_and_never_an_empty_description(thing, message):
    held = {"db": thing()}
    with pytest.raises(ValueError, match=message + ".*allowed: .*__getstate__"):
        meaning.of(lambda x: held)
    with pytest.raises(ValueError, match="lie so deep"):
        meaning.of(functools.reduce(lambda inner, _: [inner], range(5000), []))


def test_locks_and_open_files_are_no_reason_to_refuse():
    assert meaning.of(threading.Lock()) == meaning.of(threading.Lock())
    assert meaning.of(io.StringIO("a"))


def test_functions_that_name_each_other_and_many_names_of_one_thing_take_no_time():
    shared = functools.reduce(lambda inner, _: [inner, inner], range(60), [1.0])
    assert meaning.of(shared) != meaning.of(functools.reduce(lambda inner, _: [inner, inner], range(60), [2.0]))
    names = [f"f{k}" for k in range(30)]
    code = "\n".join(f"def {name}(x): return {K} * ({' + '.join(f'{one}(x)' for one in names)})" for name in names)
    prints = []
    for scale in (1, 1, 2):
        space = {"K": scale}
        exec(code.replace(str(K), "K"), space)
        prints.append(meaning.of(space["f0"]))
    assert prints[0] == prints[1] != prints[2]


K = 7.5

# Modules of one's own -------------------------------------------------------------------------------------------------

FILES = {
    "own_flat.py": "SCALE = 1.0\ndef f(x): return SCALE * x\n",
    "own_uses.py": "import own_flat\ndef f(x): return own_flat.f(x)\n",
    "own_late.py": "def f(x):\n    from own_flat import f\n    return f(x)\n",
    "own_named.py": "import importlib\ndef f(x): return importlib.import_module('own_flat').f(x)\n",
    "own_package/__init__.py": "",
    "own_package/deep/__init__.py": "from .. import near\n",
    "own_package/deep/far.py": "from ..near import f\n",
    "own_package/near.py": "from own_flat import SCALE\ndef f(x): return SCALE * x\n",
    "own_space/inside.py": "import own_flat\ndef f(x): return own_flat.f(x)\n",
    "own_rewards.py": """
import own_flat, own_uses, own_late, own_named, own_package.deep.far, own_space.inside
import own_flat as another
from own_flat import f as taken
from own_package.deep import far
from functools import partial

def by_name(x): return own_flat.f(x)
def by_attribute(x): return own_package.deep.far.f(x)
def by_alias(x): return another.f(x)
def by_from(x): return taken(x)
def by_module(x): return far.f(x)
def by_another(x): return own_uses.f(x)
def by_late(x): return own_late.f(x)
def by_a_word(x): return own_named.f(x)
def by_space(x): return own_space.inside.f(x)
def within(x):
    import own_flat
    return own_flat.f(x)
def within_from(x):
    from own_package.deep.far import f
    return f(x)
def within_within(x):
    def g():
        from own_package import near
        return near.f(x)
    return g()
by_getattr = lambda x: getattr(own_flat, "f")(x)
by_partial = partial(own_uses.f)
class Kind:
    def __call__(self, x): return own_flat.f(x)
by_object = Kind()
class Inner:
    def __init__(self): self.helper = own_flat
    def __call__(self, x): return self.helper.f(x)
by_held = Inner()
""",
    "own_package/inside.py": "def within_relative(x):\n    from .near import f\n    return f(x)\n",
}
REWARDS = [
    *("by_name", "by_attribute", "by_alias", "by_from", "by_module", "by_another", "by_late", "by_a_word", "by_space"),
    *("within", "within_from", "within_within", "by_getattr", "by_partial", "by_object", "by_held"),
]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Files of one's own, and how to import them anew."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget():
        for name in [name for name in sys.modules if name.startswith("own_")]:
            del sys.modules[name]
        importlib.invalidate_caches()

    def found():
        forget()
        rewards = importlib.import_module("own_rewards")
        relative = importlib.import_module("own_package.inside").within_relative
        return {name: getattr(rewards, name) for name in REWARDS} | {"within_relative": relative}

    yield tmp_path, found
    forget()


def test_a_change_in_a_module_of_one_s_own_is_noticed_however_it_is_reached(own):
    folder, found = own
    before = {name: meaning.of(f) for name, f in found().items()}
    assert before == {name: meaning.of(f) for name, f in found().items()}
    assert all(f(2.0) == 2.0 for f in found().values())
    (folder / "own_flat.py").write_text(FILES["own_flat.py"].replace("1.0", "3.0"))
    changed = found()
    assert {name: f(2.0) for name, f in changed.items()} == dict.fromkeys(before, 6.0)
    after = {name: meaning.of(f) for name, f in changed.items()}
    assert [name for name in before if before[name] == after[name]] == []


def test_a_module_in_an_archive_counts_too(tmp_path, monkeypatch):
    prints = []
    for k in (1, 2):
        path = tmp_path / f"{k}" / "own.zip"
        path.parent.mkdir()
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("own_zipped.py", f"def f(x): return {k} * x\n")
        with monkeypatch.context() as patch:
            patch.syspath_prepend(path)
            prints.append(meaning.of(zipped))
    assert prints[0] != prints[1]


def zipped(x):
    import own_zipped

    return own_zipped.f(x)


def test_an_array_in_a_file_counts_by_its_numbers(tmp_path):
    prints = []
    for k in (1.0, 2.0):
        np.save(tmp_path / "a.npy", np.array([k]))
        prints.append(meaning.of(np.load(tmp_path / "a.npy", mmap_mode="r")))
    assert prints[0] != prints[1]


def test_a_module_is_not_run_to_be_read_and_is_noticed_before_it_is_imported(own):
    folder, found = own
    within = found()["within_from"]
    for name in ("own_package.deep.far", "own_package.deep", "own_package.near", "own_package"):
        sys.modules.pop(name, None)
    (folder / "own_package/near.py").write_text("raise SystemExit\n")
    before = meaning.of(within)
    assert "own_package.near" not in sys.modules
    (folder / "own_package/near.py").write_text("raise SystemExit(2)\n")
    assert meaning.of(within) != before


def test_what_is_set_in_a_module_from_outside_is_noticed(own):
    _, found = own
    rewards = found()
    before = {name: meaning.of(rewards[name]) for name in ("by_name", "by_another", "by_from", "within")}
    sys.modules["own_flat"].SCALE = 5.0
    assert all(meaning.of(rewards[name]) != before[name] for name in before)


def test_a_script_counts_by_what_its_functions_do_and_not_by_what_else_stands_there(tmp_path):
    prints = set()
    for text in ("sweep = 1", "sweep = 2", "import io"):
        (tmp_path / "script.py").write_text(f"{text}\nimport math\ndef f(x): return 2 * math.sin(x)\n")
        prints.add(meaning.of(runpy.run_path(str(tmp_path / "script.py"), run_name="__main__")["f"]))
    assert len(prints) == 1


def test_libraries_are_known_by_name_and_version(monkeypatch):
    assert [modules.is_library(name) for name in ("torch.nn", "json", "sys", "orwlab.zoo", "numpy")] == [True] * 5
    assert [modules.is_library(name) for name in (__name__, "__main__", "", "nowhere_at_all")] == [False] * 4
    assert modules.known_as("torch.nn") == ["torch.nn", torch.__version__]
    assert modules.known_as("yaml")[1]
    before = meaning.of(torch.nn.functional.relu)
    modules._version.cache_clear()
    monkeypatch.setattr(torch, "__version__", "0.1")
    assert meaning.of(torch.nn.functional.relu) != before
    modules._version.cache_clear()
