"""What a browser may send: anything at all. Every order that is none is answered with a sentence, the others count."""

import inspect
import json
import logging
import math
import random
import string

import pytest
from gradio.routes import App
from own_loop import in_own_loop
from starlette.testclient import TestClient

from orwlab.show.lab import messages
from orwlab.show.lab.controls import TABLE
from orwlab.show.lab.settings import Settings
from orwlab.show.web import lab_page, pages
from orwlab.show.web.broadcast import WAITING, Registry
from orwlab.show.web.gradio_stage import gradio_stage

NAMES = [control.name for control in TABLE]


class NoPool:
    """Of a registry whose sessions never work."""

    shut_down = False
    first_picture: dict = {}  # noqa: RUF012


@pytest.fixture
def lab():
    """A registry, the one visitor's broadcast, and what the page's orders are answered with."""
    registry = Registry(20, NoPool())
    broadcast = in_own_loop(registry.open("ada", Settings()))
    obey = lab_page._obey(registry)
    return registry, broadcast, lambda arguments: in_own_loop(obey(arguments))


def junk(dice: random.Random, depth: int = 0):
    """Any value that JSON can hold, and some that only Python's reader of it lets in."""
    simple = [
        None, True, False, 0, -1, 3, 0.5, 10**30, -(10**400), 1e308, math.nan, math.inf, -math.inf, "", "alpha", "1",
        "pause", "\ud800", "\x00", "<script>", "ä" * 10_000, "__class__", "toString",
    ]  # fmt: skip
    kind = dice.random()
    if depth > 4 or kind < 0.6:
        return dice.choice(simple)
    if kind < 0.8:
        return [junk(dice, depth + 1) for _ in range(dice.randrange(5))]
    keys = [
        "name",
        "value",
        "stamp",
        "press",
        "scene",
        "log",
        "trace",
        "run",
        "".join(dice.choices(string.printable, k=3)),
    ]
    return {dice.choice(keys): junk(dice, depth + 1) for _ in range(dice.randrange(5))}


def odd_order(dice: random.Random):
    """Nearly an order: each part right or anything."""
    order = {
        "name": dice.choice([*NAMES, junk(dice)]),
        "value": junk(dice),
        "stamp": dice.choice([1, math.nan, junk(dice)]),
    }
    if dice.random() < 0.3:
        order["press"] = dice.choice(["toggle", junk(dice)])
    for name in list(order):
        if dice.random() < 0.1:
            del order[name]
    return dice.choice([order, junk(dice)])


@pytest.mark.parametrize("seed", range(20))
def test_malformed_calls_raise_nothing_and_log_nothing(lab, caplog, seed):
    registry, broadcast, obey = lab
    acknowledge = gradio_stage({}, registry.acknowledge).acknowledge
    dice = random.Random(seed)
    caplog.set_level(logging.INFO)
    for _ in range(40):
        run = dice.choice([broadcast.name, broadcast.name, junk(dice)])
        batch = dice.choice([[odd_order(dice) for _ in range(4)], junk(dice)])
        answer = obey(dice.choice([[run, batch], [run, batch], junk(dice), [run, batch, 1], [run]]))
        json.dumps(answer, allow_nan=False).encode()
        assert all(error["text"].encode() and len(error["text"]) < 500 for error in answer.get("errors", []))
        assert in_own_loop(acknowledge(dice.choice([[run, junk(dice)], junk(dice)]))) is False
        broadcast._orders.clear()
    assert Settings(**vars(broadcast.settings)) == broadcast.settings
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


def test_malformed_calls_over_http(lab, caplog):
    registry, broadcast, _ = lab
    demo = pages.build(registry)
    stage = next(key for key, block in demo.blocks.items() if hasattr(block, "obey"))
    dice = random.Random(0)
    with TestClient(App.create_app(demo)) as client:  # raises what the server's code raises
        for k in range(400):
            data = junk(dice) if k % 3 else [broadcast.name, [odd_order(dice) for _ in range(4)]]
            call = {"component_id": stage, "fn_name": dice.choice(["obey", "acknowledge"]), "session_hash": "s"}
            answer = client.post("/gradio_api/component_server", content=json.dumps({**call, "data": data}))
            assert answer.status_code == 200, (data, answer.text)
            assert answer.json() in (True, False) or "known" in answer.json()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_no_handler_runs_in_a_thread_beside_the_event_loop(lab):
    demo = pages.build(lab[0])
    handlers = [function.fn for function in demo.fns.values() if function.fn is not None]
    stage = next(block for block in demo.blocks.values() if hasattr(block, "obey"))
    assert len(handlers) >= 3
    for handler in [*handlers, stage.obey, stage.acknowledge]:
        assert inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler), handler


@pytest.mark.parametrize(
    "order",
    [
        None, 3, "pause", [], [1], {"name": "alpha"}, {"value": 1, "stamp": 1}, {"name": "alpha", "value": 1},
        {"name": ["alpha"], "value": 1, "stamp": 1}, {"name": "colour", "value": 1, "stamp": 1},
        {"name": "alpha", "value": None, "stamp": 1}, {"name": "alpha", "value": {"a": []}, "stamp": 1},
        {"name": "alpha", "value": 10**400, "stamp": 1}, {"name": "alpha", "value": math.nan, "stamp": 1},
        {"name": "alpha", "value": 2, "stamp": math.nan}, {"name": "alpha", "value": 2, "stamp": math.inf},
        {"name": "alpha", "value": 2, "stamp": "5"}, {"name": "alpha", "value": 2, "stamp": None},
        {"name": "others", "value": {"0": 1}, "stamp": 1}, {"name": "others", "value": [[1]], "stamp": 1},
        {"name": "seed", "value": 0.5, "stamp": 1}, {"name": "arrows", "value": 1, "stamp": 1},
        {"scene": None}, {"scene": {"a": 1}}, {"scene": {}, "log": [[0]]}, {"scene": {}, "round": -1}, {"trace": -1},
        {"trace": 0.5}, {"scene": {}, "state": "gone"}, {"press": None}, {"press": "close"}, {"press": ["pause"]},
        {"press": "__init__"},
    ],
    ids=repr,
)  # fmt: skip
def test_one_bad_order_does_not_lose_the_others(lab, order):
    _, broadcast, obey = lab
    before = {"name": "tau", "value": 0.5, "stamp": 1}
    answer = obey([broadcast.name, [before, order, {"press": "pause"}, {"name": "alpha", "value": 3, "stamp": 2}]])
    assert len(answer["errors"]) == 1
    assert "; allowed: " in answer["errors"][0]["text"]
    assert (answer["settings"]["tau"], answer["settings"]["alpha"]) == (0.5, 3.0)
    assert broadcast.settings == Settings(tau=0.5, alpha=3.0)
    assert [action for action, _ in broadcast._orders] == ["move", "pause", "move"]


def test_a_bad_stamp_does_not_lock_a_control(lab):
    _, broadcast, obey = lab
    for stamp in (math.nan, math.inf, 1e300, True, -1):
        obey([broadcast.name, [{"name": "alpha", "value": 9, "stamp": stamp}]])
    answer = obey([broadcast.name, [{"name": "alpha", "value": 2, "stamp": 5}]])
    assert answer == {
        "known": True,
        "settings": vars(Settings(alpha=2)),
        "errors": [],
    }


def test_too_much_at_once_is_refused(lab):
    _, broadcast, obey = lab
    answer = obey([broadcast.name, [{"press": "step"}] * 10_000])
    assert any("allowed: at most 200" in error["text"] for error in answer["errors"])
    assert len(broadcast._orders) == WAITING


def test_nobody_else_is_reached(lab):
    registry, broadcast, obey = lab
    for run in (broadcast.name[:-1], broadcast.name.upper() + "x", [broadcast.name], {"a": 1}, None, 0):
        assert obey([run, [{"press": "pause"}]]) == {"known": False}
        assert not registry.acknowledge(run, 1)


def test_nothing_but_the_settings_is_asked_for(lab):
    _, broadcast, obey = lab
    assert obey([broadcast.name, [{}, {}]]) == {"known": True, "settings": vars(Settings()), "errors": []}
    assert not broadcast._orders


@pytest.mark.parametrize(
    ("value", "meant"),
    [(0, 0), (7, 7), (7.0, 7), (2**53, 2**53), (-1, None), (0.5, None), (True, None), ("7", None), (None, None),
     (math.nan, None), (math.inf, None), (10**400, None), ([7], None)],
)  # fmt: skip
def test_counts(value, meant):
    assert messages.count(value) == meant
