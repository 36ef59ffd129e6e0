"""Many runs: held to the oracle, done once whatever happens, the same wherever they run, and kept to the last digit."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
import torch

from orwlab import cli, files, methods, rewards, sweep, targets, zoo
from orwlab.exact.dynamics import PopulationDynamics
from orwlab.methods import reft
from orwlab.methods.method import usual_settings
from orwlab.sweep import meaning, once, plan, spec, work
from orwlab.sweep.table import COLUMNS, NUMBERS, Row, Table

LINE = "two_modes_1d"
QUICK = dict(target=LINE, rounds=3, jobs=1, progress=False)


def kept(folder, part="tasks"):
    """Every file of a folder, with when it was written."""
    return {path.name: path.stat().st_mtime_ns for path in (Path(folder) / part).iterdir()}


def numbers(table):
    """All but the seconds, to the last digit."""
    return replace_seconds(table).csv()


def replace_seconds(table):
    return Table(tuple(replace(row, seconds=math.nan) for row in table))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    more = dict(QUICK, rounds=200)
    before = torch.get_rng_state(), torch.get_num_threads()
    table = sweep.run((0.3, 3.0), 1.0, (0, 1), folder=folder, **more)
    assert torch.equal(torch.get_rng_state(), before[0]), "nothing is drawn from torch's own generator"
    assert torch.get_num_threads() == before[1]
    return table, folder, more


# What comes out -----------------------------------------------------------------------------------------------------


def test_networks_come_to_the_exact_value_that_stands_beside(done):
    table, _, _ = done
    assert [(row.alpha, row.seed) for row in table] == [(0.3, 0), (0.3, 1), (3.0, 0), (3.0, 1)]
    for cell in table.cells():
        alpha = cell.rows[0].alpha
        limit = PopulationDynamics(targets.get(LINE), rewards.get("right"), 1.0, alpha, weighting="mean_one")
        start = limit.mean_reward
        limit.fixed_point()
        for row in cell:
            assert row.trusted
            assert not row.error
            assert row.rounds == 200
            assert row.exact == pytest.approx(limit.mean_reward, abs=1e-4)
            assert row.exact_kl == pytest.approx(limit.kl, abs=1e-3)
            assert abs(row.gap) < 0.04 < row.exact - start, "nearer to the limit than to the reference"
            assert row.gap == row.mean_reward - row.exact
            assert row.kl == pytest.approx(row.exact_kl, abs=0.1)
            assert row.diversity == pytest.approx(row.exact_diversity, abs=0.15)
            assert row.strength == pytest.approx(1 / alpha)
            assert row.achieved == pytest.approx(1 / alpha, rel=0.5)
            assert 1 < row.ess <= 256
            assert row.backward == 200 * 256
    held, free = table.select(alpha=3.0), table.select(alpha=0.3)
    for name in ("mean_reward", "exact", "kl", "w2_squared", "achieved"):
        assert free.mean(name).mean > held.mean(name).mean + 0.05, name
    assert free.mean("diversity").mean < held.mean("diversity").mean
    assert free.rows[0].mean_reward != free.rows[1].mean_reward, "seeds differ"
    assert free.rows[0].exact == free.rows[1].exact


def test_what_is_there_is_not_done_again_and_more_is_added(done):
    table, folder, more = done
    before = kept(folder)
    assert len(before) == 4 + 2, "a file a run, and one a cell for what is exact"
    again = sweep.run([0.3, 3], [1], range(2), folder=str(folder), **more)
    assert again == table
    assert kept(folder) == before
    wider = sweep.run((3.0, 0.3), 1.0, (1,), folder=folder, **more)
    assert [(row.alpha, row.seed) for row in wider] == [(3.0, 1), (0.3, 1)]
    assert set(wider.rows) < set(table.rows)
    assert kept(folder) == before


def test_every_setting_that_decides_a_result_makes_another_task(tmp_path):
    first = plan.planned(0.5, target=LINE, rounds=3)
    key = first.run(first.places[0])[0]
    others = [
        dict(alphas=0.6),
        dict(taus=2.0),
        dict(seeds=1),
        dict(target="three_modes_1d"),
        dict(reward="bump"),
        dict(method="orw_cfm"),
        dict(rounds=4),
        dict(lr=1e-4),
        dict(batch_size=128),
        dict(reward={"right": rewards.Direction(10.0)}),
        dict(target={LINE: (targets.get(LINE), zoo.load("three_modes_1d"))}),
    ]
    keys = {key}
    for change in others:
        other = plan.planned(**{"alphas": 0.5, "target": LINE, "rounds": 3} | change)
        keys.add(other.run(other.places[0])[0])
    assert len(keys) == 1 + len(others)
    own = plan.planned(
        0.5, target={LINE: (targets.get(LINE), zoo.load(LINE))}, reward={"right": rewards.Direction()}, rounds=3
    )
    assert own.run(own.places[0])[0] == key, "what means the same is the same"


def test_one_dial_serves_every_method_and_what_comes_to_the_same_is_done_once(tmp_path):
    table = sweep.run((1, 2), (1, 2), method=("reft", "orw_cfm"), folder=tmp_path, **QUICK)
    assert len(table) == 8
    cuts = {(row.alpha, row.tau): row for row in table.select(method="reft")}
    assert {place: row.strength for place, row in cuts.items()} == {(1, 1): 1, (1, 2): 2, (2, 1): 0.5, (2, 2): 1}
    same = [replace(cuts[place], alpha=0, tau=0) for place in ((1, 1), (2, 2))]
    assert numbers(Table(same[:1])) == numbers(Table(same[1:]))
    limit = PopulationDynamics(targets.get(LINE), rewards.get("right"))
    above = reft.Reft.exact(limit.cells, limit.reference_density, limit.reward_values, 0.5)
    assert cuts[2, 1].exact == pytest.approx(above.mean_reward)
    free = table.select(method="orw_cfm")
    assert [row.strength for row in free] == [1, 1, 2, 2], "tau alone"
    assert all(math.isnan(row.exact) and not row.trusted for row in free), "it ends nowhere"
    assert len(kept(tmp_path)) == 2 * (3 + 2), "three strengths and two, each with what is exact"
    assert plan.Place(LINE, "right", "reft", 0.1, 0.3, 0).strength == 3.0, "no digit of rounding makes another run"


def test_where_a_setting_leads_elsewhere_nothing_is_exact(tmp_path):
    (cut,) = sweep.run(1.0, method="reft", threshold=0.25, folder=tmp_path, **QUICK)
    (usual,) = sweep.run(1.0, method="reft", folder=tmp_path, **QUICK)
    (paired,) = sweep.run(1.0, coupling="ot", **QUICK)
    assert [math.isnan(row.exact) for row in (cut, usual, paired)] == [True, False, True]
    assert not cut.error
    assert math.isfinite(cut.mean_reward)


@pytest.mark.parametrize("method", methods.names())
def test_no_setting_but_one_that_says_how_well_is_taken_to_lead_to_the_same_place(method):
    """By a rule: of what is not said to leave the destination as it is, nothing is known."""
    kind = methods.get(method)
    usual = usual_settings(kind)
    assert set(plan.known_settings(method)) <= usual.keys(), "so a setting that is given as usual changes nothing"
    assert kind.goes_there({name: usual[name] for name in plan.known_settings(method)})
    other = dict(
        rank=2, sampler=("euler", 1), coupling="ot", threshold=0.1, anchor=0.0, control_variate=0.5, mix=0.3,
        old_decay=0.9, noisy_steps=3, noise=0.1, rule="exact", clip=0.5, foresight=True, way_steps=5, last=1,
        held=False, batch_size=8, pool_size=8, lr=1e-2, steps_per_round=3, average_decay=0.5,
    )  # fmt: skip
    assert set(plan.known_settings(method)) <= other.keys(), "a new setting is decided here too"
    same = {name for name in plan.known_settings(method) if kind.goes_there({name: other[name]})}
    own = {"noisy_steps", "noise", "rule", "clip", "foresight"} if method == "flow_grpo" else set()
    assert same == {"lr", "steps_per_round", "average_decay"} | own
    assert kind.goes_there({"sampler": ["rk4", 3], "batch_size": 64, "pool_size": 640})
    assert not kind.goes_there({"sampler": ["rk4", 2]})
    assert not kind.goes_there({"sampler": ["euler", 24]})


def test_what_a_method_only_aims_at_is_not_trusted():
    kind, sure = methods.get("flow_grpo"), dict(foresight=True, noise=2**0.5, rule="exact", noisy_steps=20)
    assert kind.is_sure(sure)
    for change in (dict(foresight=False), dict(noise=0.7), dict(rule="euler"), dict(noisy_steps=5)):
        assert not kind.is_sure(sure | change)
    assert methods.get("awm").goes_there({"anchor": 2.0})
    assert methods.get("adjoint_matching").goes_there({"noisy_steps": 40})
    (row,) = sweep.run(1.0, method="flow_grpo", **QUICK)
    assert math.isfinite(row.exact)
    assert not row.trusted
    (coarse,) = sweep.run(1.0, sampler=["euler", 1], **QUICK)
    assert math.isnan(coarse.exact)
    assert not coarse.trusted


def test_own_targets_and_rewards_and_a_density_that_nobody_knows():
    reward = lambda x: (x[:, 0] / 2.5).tanh()  # noqa: E731
    pair = targets.get(LINE), zoo.load(LINE)
    own = dict(QUICK, target={"known": pair, "unknown": (None, pair[1])}, reward={"mine": reward})
    known, unknown = sweep.run(1.0, **own).rows
    (named,) = sweep.run(1.0, **QUICK).rows
    assert known.mean_reward == pytest.approx(named.mean_reward, abs=1e-5)
    assert known.exact == pytest.approx(named.exact, abs=1e-5)
    assert math.isnan(unknown.exact)
    assert math.isnan(unknown.mean_reward), "one column never means two things"
    assert unknown.raw_reward == known.raw_reward == pytest.approx(known.mean_reward, abs=0.05)
    assert known.mean_reward == pytest.approx(known.raw_reward - known.raw_reference + known.exact_reference)
    assert known.exact_reference == pytest.approx(0.0, abs=1e-6), "of a target that is even, and a reward that is odd"
    lines = str(Table((known, unknown))).splitlines()
    assert lines[1].split()[1:5] == ["raw", "reward", "mean", "reward"]
    assert lines[3].split()[:3] == ["unknown", f"{unknown.raw_reward:.3f}", "-"]
    assert "raw reward" not in str(Table((known,)))
    assert unknown.kl == known.kl


# Whatever happens ---------------------------------------------------------------------------------------------------


def test_a_reward_that_raises_is_a_row_and_is_tried_again_and_may_be_mended(tmp_path):
    asked = []

    def reward(x):
        asked.append(len(x))
        raise RuntimeError("no disk\nleft")

    table = sweep.run((1.0, 2.0), reward={"mine": reward, "fine": rewards.Direction()}, folder=tmp_path, **QUICK)
    assert [bool(row.error) for row in table] == [True, True, False, False]
    bad = table.rows[0]
    assert bad.error.startswith("ValueError: reward raised RuntimeError: no disk left")
    assert "\n" not in bad.error
    assert math.isnan(bad.mean_reward)
    assert bad.rounds == 0
    assert table.select(reward="mine", alpha=1.0).mean("mean_reward").n == 0
    before, count = kept(tmp_path), len(asked)
    assert len(before) == 2 + 2
    sweep.run((1.0, 2.0), reward={"mine": reward, "fine": rewards.Direction()}, folder=tmp_path, **QUICK)
    assert len(asked) == 2 * count, "tried again"
    mended = sweep.run(1.0, reward={"mine": rewards.Direction()}, folder=tmp_path, **QUICK)
    assert not mended.rows[0].error, "another reward of that name, of which nothing was finished"
    assert before.items() < kept(tmp_path).items()


def test_a_run_that_diverges_is_a_result(tmp_path):
    more = dict(QUICK, rounds=20, lr=1e4, method="orw_cfm")
    (row,) = sweep.run(1.0, folder=tmp_path, **more)
    assert row.error.startswith("Diverged: the ")
    assert row.rounds < 20
    assert math.isfinite(row.mean_reward), "of the last good state"
    before = kept(tmp_path)
    assert repr(sweep.run(1.0, folder=tmp_path, **more).rows) == repr((row,))
    assert kept(tmp_path) == before
    assert "1 of 1: Diverged" in str(Table((row,)))


@pytest.mark.parametrize("how", ["cut off", "another digit", "empty", "another format", "no text"])
def test_a_damaged_file_is_done_again(how, tmp_path):
    own = once.json_shelf(tmp_path, "f")
    own.put("a", {"number": 0.125, "nan": math.nan})
    path = tmp_path / "a.json"
    assert math.isnan(own.get("a")["nan"])
    text = path.read_bytes()
    path.write_bytes({
        "cut off": text[:-9],
        "another digit": text.replace(b"0.125", b"0.126"),
        "empty": b"",
        "another format": text.replace(b'"f"', b'"g"'),
        "no text": b"\xff\xfe",
    }[how])  # fmt: skip
    with pytest.warns(UserWarning, match=r"a\.json is damaged, and is done again"):
        assert dict(once.each({"a": (float, "0.5")}, own, jobs=1, progress=False)) == {"a": 0.5}
    assert own.get("a") == 0.5


def test_a_folder_in_which_a_name_means_something_else_is_refused(done):
    _, folder, more = done
    before = kept(folder), kept(folder, "names")
    for change, said in [
        (dict(reward={"right": rewards.Direction(1.0)}), "the reward 'right' is another one than here"),
        (dict(target={LINE: (targets.get(LINE), zoo.load("three_modes_1d"))}), f"the target '{LINE}' is another one"),
    ]:
        with pytest.raises(ValueError, match=f"folder is .*{said}.*; allowed: another name"):
            sweep.run(0.3, folder=folder, **more | change)
    assert (kept(folder), kept(folder, "names")) == before


def test_ctrl_c_keeps_what_is_finished(tmp_path, monkeypatch):
    asked, real, more = [], work.run, dict(QUICK, folder=tmp_path)

    def until_the_second(*task):
        asked.append(task)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(*task)

    monkeypatch.setattr(work, "run", until_the_second)
    with pytest.raises(KeyboardInterrupt):
        sweep.run((1.0, 2.0, 3.0), **more)
    before = kept(tmp_path)
    assert len(before) == 3, "two exact values and a run"
    table = sweep.run((1.0, 2.0, 3.0), **more)
    assert len(asked) == 2 + 2
    assert before.items() < kept(tmp_path).items()
    assert len(kept(tmp_path)) == 6
    assert numbers(table) == numbers(sweep.run((1.0, 2.0, 3.0), **more | {"folder": None}))


def asked_of(reward, x):
    return reward(x)


def test_two_callers_at_one_folder_do_not_disturb_each_other(tmp_path):
    found = {}

    def caller(k):
        found[k] = sweep.run((1.0, 2.0), seeds=(0, 1), folder=tmp_path, **QUICK)

    both = [threading.Thread(target=caller, args=(k,)) for k in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert numbers(found[0]) == numbers(found[1])
    assert len(kept(tmp_path)) == 6
    assert all(name.endswith(".json") for name in kept(tmp_path)), "nothing half written is left"


KILLED = """
import sys
from orwlab import sweep
if __name__ == "__main__":
    print("ready", flush=True)
    sweep.run((0.5, 1.0, 2.0), 1.0, range(3), target="two_modes_1d", rounds=40, folder=sys.argv[1], jobs=2)
"""


@pytest.mark.slow
def test_killed_in_the_middle_with_all_its_processes_it_loses_only_what_was_under_way(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    folder = tmp_path / "sweep"
    own = subprocess.Popen(
        [sys.executable, script, folder], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 120
    try:
        while len(list(folder.glob("tasks/*.json"))) < 4:
            assert own.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
    finally:
        os.killpg(own.pid, signal.SIGKILL)
        own.wait()
    before = kept(folder)
    assert 4 <= sum(name.endswith(".json") for name in before) < 3 * 4
    more = dict(alphas=(0.5, 1.0, 2.0), seeds=range(3), target=LINE, rounds=40, jobs=1, progress=False)
    table = sweep.run(folder=folder, **more)
    after = kept(folder)
    assert before.items() <= after.items(), "nothing that was finished is done twice"
    assert sum(name.endswith(".json") for name in after) == 3 * 4
    assert numbers(table) == numbers(sweep.run(**more))


# Wherever it runs ---------------------------------------------------------------------------------------------------


def scaled(x, factor=0.5):
    return (factor * x[:, 0]).tanh()


SMALL = dict(alphas=(0.5, 1.0), seeds=(0, 1), reward={"scaled": scaled}, target=LINE, rounds=3, progress=False)


@pytest.fixture(scope="module")
def here():
    return numbers(sweep.run(**SMALL, jobs=1))


@pytest.mark.parametrize("backend", ["threading", "multiprocessing"])
def test_backends_give_the_same_numbers(backend, here):
    """Of multiprocessing all answers come back at once: it takes the way of those."""
    with joblib.parallel_config(backend=backend):
        assert numbers(sweep.run(**SMALL, jobs=2)) == here


@pytest.mark.slow
def test_a_cluster_gives_the_same_numbers_as_processes_and_none(here, tmp_path):
    """By ``parallel_config`` alone; the reward is one that only this process knows, and workers see no folder."""
    distributed = pytest.importorskip("distributed")
    shift = 0.0
    own = SMALL | {"reward": {"scaled": lambda x: scaled(x) + shift}}
    assert numbers(sweep.run(**own, jobs=2)) == here
    local = dict(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None)
    with (
        distributed.LocalCluster(**local) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert numbers(sweep.run(**own, folder=tmp_path)) == here
    assert len(kept(tmp_path)) == 6


def noisy(x):
    return x[:, 0] + torch.rand(len(x)) + random.random() + torch.from_numpy(np.random.rand(len(x)))  # noqa: NPY002


def test_a_reward_that_draws_from_global_generators_draws_the_same_everywhere():
    """In another order, in other processes, and after other draws; and whoever calls draws on as if nothing were."""
    own = SMALL | {"reward": {"noisy": noisy}, "seeds": 0}

    def drawn():
        return random.random(), float(torch.rand(())), float(np.random.rand())  # noqa: NPY002

    with torch.random.fork_rng(devices=[]):
        random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
        first = drawn()
        random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
        torch.set_default_dtype(torch.float64)
        try:
            table = sweep.run(**own, jobs=1)
            assert torch.get_default_dtype() == torch.float64
        finally:
            torch.set_default_dtype(torch.float32)
        assert drawn() == first
    assert not any(row.error for row in table)
    with joblib.parallel_config(backend="multiprocessing"):
        assert numbers(sweep.run(**own, jobs=2)) == numbers(table)
    back = sweep.run(**own | {"alphas": (1.0, 0.5)}, jobs=1)
    assert numbers(back.select(alpha=1.0)) == numbers(table.select(alpha=1.0))
    assert len({row.mean_reward for row in table}) == len(table), "other tasks draw other numbers"


def test_a_reward_that_cannot_be_sent_is_named_with_what_is_to_blame_before_any_work(tmp_path, monkeypatch):
    held = {"lock": threading.Lock()}

    def reward(x):
        return x[:, 0] if held else x

    own = QUICK | {"reward": {"mine": partial(reward)}, "folder": tmp_path}
    assert not sweep.run(1.0, **own).rows[0].error
    with joblib.parallel_config(backend="threading"):
        assert not sweep.run(1.0, **own | {"jobs": 2}).rows[0].error
    monkeypatch.setattr(once, "each", lambda *_, **__: pytest.fail("work"))
    message = r"reward 'mine' cannot be sent to another process: .*lock.* \(it is func > held > lock\); allowed: jobs=1"
    with pytest.raises(ValueError, match=message):
        sweep.run(1.0, **own | {"jobs": 2})


def lost(name):
    raise type(name, (Exception,), {"__module__": "distributed.scheduler"})("a worker has gone")


def test_a_cluster_s_word_for_a_worker_that_has_gone_is_understood(tmp_path):
    calls = {"a": (lost, "KilledWorker")}
    with pytest.raises(once.WorkerLost, match=r"What is finished is kept: begin again"):
        dict(once.each(calls, once.json_shelf(tmp_path, "f"), jobs=1, progress=False))
    with pytest.raises(Exception, match="has gone") as raised:
        dict(once.each({"a": (lost, "Other")}, once.json_shelf(tmp_path, "f"), jobs=1, progress=False))
    assert not isinstance(raised.value, once.WorkerLost)


def test_a_worker_that_dies_is_said_and_what_is_finished_stays(tmp_path):
    shelf = once.json_shelf(tmp_path, "f")
    shelf.put("a", 1)
    with pytest.raises(once.WorkerLost, match=r"a worker process was ended from outside.*What is finished is kept"):
        dict(once.each({"a": (os._exit, 1), "b": (os._exit, 1)}, shelf, jobs=2, progress=False))
    assert shelf.get("a") == 1


def test_the_engine_keeps_each_answer_when_it_comes(tmp_path):
    shelf, seen = once.json_shelf(tmp_path, "f"), []
    calls = {f"k{k}": (int, str(k)) for k in range(4)}
    for key, value in once.each(calls, shelf, jobs=1, progress=False):
        seen.append((key, value))
        assert len(list(tmp_path.glob("*.json"))) == len(seen)
        if len(seen) == 2:
            break
    rest = dict(once.each(calls, shelf, jobs=1, progress=False))
    assert rest == {f"k{k}": k for k in range(4)}
    with pytest.raises(ValueError, match="invalid literal"):
        dict(once.each({"good": (int, "7"), "bad": (int, "x")}, shelf, jobs=1, progress=False))
    assert shelf.get("good") == 7
    threads = dict(once.each({"t": (torch.get_num_threads,)}, shelf, jobs=1, progress=False))
    assert threads == {"t": 1}
    with pytest.raises(ValueError, match="jobs is 0; allowed: "):
        once.each(calls, shelf, jobs=0)


# What names mean ----------------------------------------------------------------------------------------------------

SCALE = 2.0


def closing_over(value):
    return lambda x: x * value


def test_callables_that_compute_the_same_have_one_fingerprint_and_others_another(monkeypatch):
    one = lambda x: x[:, 0] * 2.0  # noqa: E731
    same = lambda x: x[:, 0] * 2.0  # noqa: E731  (in another line)
    assert meaning.of(one) == meaning.of(same)
    network = zoo.load(LINE)
    different = [
        one,
        lambda x: x[:, 0] * 2.5,
        lambda x: x[:, 1] * 2.0,
        lambda x, y=1: x[:, 0] * 2.0,
        lambda x: x[:, 0] * SCALE,
        closing_over(1.0),
        closing_over(2.0),
        closing_over(torch.ones(2)),
        closing_over(network),
        partial(asked_of, one),
        partial(asked_of, scaled),
        rewards.Direction(0.0),
        rewards.Direction(90.0),
        rewards.get("two_bumps"),
        network,
        zoo.load("three_modes_1d"),
        targets.get(LINE),
        network.forward,
    ]
    prints = [meaning.of(f) for f in different]
    assert len(set(prints)) == len(different)
    assert prints == [meaning.of(f) for f in different]
    assert meaning.of(zoo.load(LINE)) == meaning.of(network)
    monkeypatch.setattr(sys.modules[__name__], "SCALE", 3.0)
    changed = [meaning.of(f) for f in different]
    assert [a != b for a, b in zip(prints, changed)] == [f is different[4] for f in different]
    with torch.no_grad():
        next(network.parameters()).mul_(1.001)
    again = [meaning.of(f) for f in different]
    assert [k for k, (a, b) in enumerate(zip(changed, again)) if a != b] == [8, 14, 17]


def test_a_fingerprint_is_the_same_in_another_process():
    """Where things lie elsewhere in memory, and words have other hashes."""
    code = """
        import functools, os, torch
        pad = [object() for _ in range(int(os.environ["PYTHONHASHSEED"]))]
        from orwlab.sweep import meaning
        class Own:
            def __init__(self):
                self.names = {"b", "a", frozenset("cd")}; self.me = self
                self.of = object(); self.f = lambda x: x
            def __call__(self, x): return x[:, 0] if x.ndim in {2, 3, 4} else helper(x)
        def helper(x): return x.sum() + functools.reduce(max, (1, 2))
        print(meaning.of([Own(), helper, lambda x: helper(x), torch.arange(3), {"z": 1, "a": 2.5}]))
        print(meaning.of([functools.lru_cache(helper), torch.nn.Linear, torch.sin, [].append, Own().__call__]))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    both = [
        subprocess.Popen(command, env=os.environ | {"PYTHONHASHSEED": seed}, text=True, stdout=subprocess.PIPE)
        for seed in ("1", "23")
    ]
    texts = [one.communicate(timeout=100)[0] for one in both]
    assert texts[0] == texts[1]
    assert [len(text) for text in texts[0].split()] == [64, 64]


# The table ----------------------------------------------------------------------------------------------------------

ODD = ["=1+1", "+x", "-x", "@x", "＝1", "'quoted", "''", "a,b", 'a "b"', "a\nb", "a\rb", "\tx", " x ", "ü", ""]


def test_csv_gives_back_every_row_and_no_cell_begins_like_a_formula(tmp_path):
    rows = [
        Row(target=text, reward=text, method="m", alpha=0.1 + k * 1e-17, tau=1e-300, seed=2**32 - 1, strength=math.inf,
            mean_reward=-1 / 3, exact=math.nan, gap=-0.0, trusted=k % 2 == 0, error=text)
        for k, text in enumerate(ODD)
    ]  # fmt: skip
    table = Table(rows)
    text = table.csv()
    again = Table.parsed(text)
    assert repr(again) == repr(table)
    assert repr(Table.parsed("\ufeff" + text)) == repr(table), "as spreadsheets save it"
    for odd in ODD:
        cell = files.cell(odd)
        assert files.uncelled(cell) == odd
        assert cell[:1] not in set("=+-@＝\t\r\n")
    table.write(tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_bytes() == text.encode()
    assert repr(Table.read(tmp_path / "t.csv")) == repr(table)
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(tmp_path / "t.csv")
    assert list(frame.columns) == list(COLUMNS)
    assert frame["mean_reward"].tolist() == [-1 / 3] * len(ODD)
    assert frame["exact"].isna().all()
    assert list(pandas.DataFrame(table.rows).columns) == list(COLUMNS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "text is ''"),
        (lambda text: "a,b\n1,2\n", "allowed: the CSV of a table of a sweep, which begins with target,reward,method"),
        (lambda text: text.replace("True", "yes", 1), "row 2 of text: a cell is 'yes'"),
        (lambda text: text.replace(",200,", ",many,", 1), "row 2 of text: invalid literal for int"),
        (lambda text: text.rpartition(",")[0], "row 5 of text: .*shorter"),
        (lambda text: text.partition("\r")[0], "rows is"),
    ],
)
def test_what_is_no_such_csv_is_said(done, change, message):
    with pytest.raises(ValueError, match=message):
        Table.parsed(change(done[0].csv()))


def test_rows_are_chosen_averaged_and_printed(done):
    table, _, _ = done
    assert len(table) == 4
    assert table.values("alpha") == [0.3, 3.0]
    assert len(table.select(alpha=[0.3, 3], seed=1)) == 2
    first, second = (row.mean_reward for row in table.select(alpha=0.3))
    found = table.mean("mean_reward", alpha=0.3)
    assert found == pytest.approx(((first + second) / 2, abs(first - second) / 2**0.5, 2))
    assert table.mean("exact", alpha=0.3).spread == 0
    assert table.mean("seconds", alpha=0.3, seed=0) == (table.rows[0].seconds, 0.0, 1)
    lost = Table((replace(table.rows[0], error="Diverged: so"), *table.rows[1:]))
    assert lost.mean("mean_reward", alpha=0.3) == (second, 0.0, 1)
    lines = str(lost).splitlines()
    assert lines[0] == f"target {LINE}, reward right, method orw_cfm_w2, tau 1, weights mean_one, 2 seeds"
    others = Table(tuple(replace(row, method="reft") for row in table.rows))
    assert str(others).startswith(f"target {LINE}, reward right, method reft, tau 1, 2 seeds\n")
    assert lines[1].split()[:4] == ["alpha", "mean", "reward", "exact"]
    assert lines[2].split()[:2] == ["0.3", f"{second:.3f}"]
    assert lines[2].endswith("1 of 2: Diverged")
    assert lines[4:] == ["Diverged: so"]
    many = Table([replace(row, seed=k, error=f"E: {k}") for k, row in enumerate((*table, *table))])
    assert str(many).splitlines()[-2:] == ["E: 4", "and 3 other errors"]
    assert f"{table.mean('gap', alpha=3.0).mean:.3f} ± " in lines[3]
    for call, message in [
        (lambda: table.select(alpha=7), r"alpha is 7; allowed: one of 0\.3, 3\.0"),
        (lambda: table.select(beta=7), "setting is 'beta'"),
        (lambda: table.mean("speed"), "what is 'speed'; allowed: one of 'strength'"),
        (lambda: table.mean("alpha"), "what is 'alpha'"),
        (lambda: Table(()), "rows is"),
        (lambda: Table([1]), "rows is"),
        (lambda: Table.read("nowhere.csv"), "path is 'nowhere.csv'"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    assert set(NUMBERS) < set(COLUMNS)


# What is asked for --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (dict(alphas=()), "alphas is"),
        (dict(alphas=-1.0), r"alphas is -1\.0; allowed: a finite number >= 0"),
        (dict(alphas=(0.5, 0.5)), "alphas is .*; allowed: values that are all different"),
        (dict(alphas="much"), "alphas is 'much'; allowed: a number >= 0, or a list of them"),
        (dict(alphas=True), "alphas is True; allowed: a number >= 0, or a list of them"),
        (dict(taus=None), "taus is None; allowed: a number >= 0, or a list of them"),
        (dict(alphas=[True]), "alphas is True; allowed: a finite number >= 0"),
        (dict(taus=math.nan), "taus is nan"),
        (dict(seeds=-1), "a seed of seeds is -1"),
        (dict(seeds=[]), "seeds is"),
        (dict(seeds=0.5), "a seed of seeds is 0.5"),
        (dict(target="lion"), "target is 'lion'; allowed: one of"),
        (dict(target="two_mode_1d"), "target is 'two_mode_1d'; allowed: 'two_modes_1d' .the nearest."),
        (dict(target="digits"), "target is 'digits'"),
        (dict(target={}), "target is"),
        (dict(target={"a": targets.get(LINE)}), r"target 'a' is .*; allowed: \(target, reference\)"),
        (dict(target={"a": (targets.get(LINE), zoo.load("gaussian"))}), "the target of target 'a' is"),
        (dict(target={1: (None, zoo.load(LINE))}), "a name of target is 1"),
        (dict(reward="rihgt"), "reward is 'rihgt'; allowed: 'right' .the nearest."),
        (dict(reward={"a": 1}), "reward 'a' is 1; allowed: a callable"),
        (dict(reward=lambda x: x), "reward is .*or a mapping name -> callable"),
        (dict(method="raft!"), "method is 'raft!'"),
        (dict(method=["reft", "reft"]), "method is"),
        (dict(rounds=0), "rounds is 0"),
        (dict(lr=-1.0), r"lr is -1\.0"),
        (dict(lr=[object()]), "lr is .*; allowed: a number, a word"),
        (dict(treshold=1.0, method="reft"), "treshold is no setting of reft; allowed: 'threshold' .the nearest."),
        (dict(threshold=1.0), "threshold is no setting of orw_cfm_w2"),
        (dict(alphas=0.0, method="reft"), "strength is inf; allowed: 0.001 to 1000; for reft it is tau / alpha"),
        (dict(taus=0.0, method="orw_cfm"), "strength is 0.0; .*for orw_cfm it is tau"),
        (dict(jobs=0), "jobs is 0"),
        (dict(jobs=-2), "jobs is -2; allowed: .*; all but one, as joblib's -2 has it, is to be said"),
        (dict(progress="yes"), "progress is 'yes'"),
        (dict(folder="/dev/null/x"), "folder is '/dev/null/x'"),
        (dict(folder=3), "folder is 3"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_any_work(given, message, monkeypatch):
    monkeypatch.setattr(work, "run", lambda *_: pytest.fail("work"))
    with pytest.raises(ValueError, match=message):
        sweep.run(**{"alphas": 1.0, "target": LINE, "rounds": 1, "jobs": 1} | given)


def test_alpha_may_be_0_for_the_paper_s_method_and_then_nothing_is_exact():
    (row,) = sweep.run(0, **QUICK)
    assert row.strength == math.inf
    assert math.isnan(row.exact)
    assert math.isfinite(row.mean_reward)


# From a file --------------------------------------------------------------------------------------------------------

FILE = f"""\
alphas: [0.5, 1]
seeds: [0]
target: {LINE}
rounds: 2
lr: 1e-3
"""


def test_the_example_in_the_docs_is_one():
    example = textwrap.dedent(spec.__doc__.partition("\n")[2])
    found = spec.parsed(example)
    asked = {name: value for name, value in found.items() if name not in spec.HOW}
    assert len(plan.planned(**asked).places) == 4 * 2 * 3 * 2 * 2
    assert found["lr"] == 1e-3
    assert set(plan.OWN) <= set(found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing is in it; allowed: names and values"),
        ("# only words\n", "nothing is in it"),
        ("[1, 2]", "it is no table"),
        ("alphas: 1\nalpahs: 2", "line 2: alpahs is not known here; allowed: 'alphas' .the nearest."),
        ("alphas: 1\nalphas: 2", "line 2: 'alphas' is there twice"),
        ("taus: 1", "alphas is missing"),
        ("alphas: 1\n\ntaus: [1, -1]", "line 3: taus is -1; allowed: a finite number >= 0"),
        ("alphas: 1\nseeds: [0, x]", "line 2: a seed of seeds is 'x'"),
        ("alphas: 1\ntarget: lion", "line 2: target is 'lion'"),
        ("alphas: 1\nreward: {right: 1}", "line 2: reward is a table"),
        ("alphas: 1\nmethod: reft\nclip: 0.2", "line 3: clip is no setting of reft"),
        ("alphas: 1\nfolder: 3", "line 2: folder is 3"),
        ("alphas: [1", "line 1: this is no YAML|line 2: this is no YAML"),
        ("alphas: !!python/object:os.system 1", "line 1: ! is not known here"),
        ("alphas: &a 1\ntaus: *a", "line 1: & and"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(text, message, tmp_path, capsys):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        spec.read(path)
    assert cli.main(["sweep", str(path)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"orwlab: {path}: ")
    assert [one.name for one in tmp_path.iterdir()] == ["s.yaml"], "no folder is begun"


@pytest.mark.parametrize(
    ("name", "message"), [("none.yaml", "No such file"), (".", "Is a directory"), ("b.yaml", "codec")]
)
def test_a_file_that_cannot_be_read_is_one_sentence(name, message, tmp_path, capsys):
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfe\x00")
    assert cli.main(["sweep", str(tmp_path / name)]) == 1
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_the_command_does_what_the_file_says_and_goes_on(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    assert cli.main(["sweep", str(path), "--jobs", "1"]) == 0
    said = capsys.readouterr()
    table = Table.read(tmp_path / "mine" / "table.csv")
    assert said.out == f"{table}\n"
    assert [row.alpha for row in table] == [0.5, 1.0]
    assert table.rows[0].rounds == 2
    assert numbers(table) == numbers(sweep.run((0.5, 1.0), target=LINE, rounds=2, lr=1e-3, jobs=1, progress=False))
    before = kept(tmp_path / "mine")
    assert cli.main(["sweep", str(path), "--jobs", "1", "--csv", str(tmp_path / "other.csv")]) == 0
    assert kept(tmp_path / "mine") == before
    assert Table.read(tmp_path / "other.csv") == table
    path.write_text(FILE + f"folder: {tmp_path / 'third'}\njobs: 1\n")
    assert cli.main(["sweep", str(path), "--folder", str(tmp_path / "mine")]) == 0
    assert not (tmp_path / "third").exists(), "the option comes first"
    capsys.readouterr()
    path.write_text(FILE + "jobs: 0\n")
    assert cli.main(["sweep", str(path)]) == 1
    assert "jobs is 0" in capsys.readouterr().err


INTERRUPTED = """
import os, signal, sys
from orwlab import cli
from orwlab.sweep import once
put = once.Shelf.put
def then(shelf, key, value):
    put(shelf, key, value)
    if len(list(shelf.folder.glob("*.json"))) == 3 and shelf.folder.name == "tasks":
        os.kill(os.getpid(), signal.SIGINT)
once.Shelf.put = then
sys.exit(cli.main(["sweep", sys.argv[1], "--jobs", "1"]))
"""


def test_ctrl_c_at_the_command_says_what_is_kept_and_where_and_how_to_go_on(tmp_path, capsys):
    path = tmp_path / "my sweep.yaml"
    path.write_text(FILE)
    command = [sys.executable, "-c", INTERRUPTED, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert ended.returncode == cli.INTERRUPTED
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(f"orwlab: interrupted. 3 of 4 tasks are finished, and kept in {tmp_path / 'my sweep'}. ")
    assert f"goes on from there: orwlab sweep '{path}'" in said
    assert "Traceback" not in ended.stderr
    assert cli.main(["sweep", str(path), "--jobs", "1"]) == 0
    assert len(kept(tmp_path / "my sweep")) == 4
    assert sweep.finished(**spec.read(path), folder=tmp_path / "my sweep") == (4, 4)


OWN = """
from own_scale import SCALE
from orwlab import zoo
def redness(x):
    return (SCALE * x[:, 0] / 2.5).tanh()
def pair():
    return zoo.target("two_modes_1d"), zoo.load("two_modes_1d")
class Kind:
    def __call__(self, x):
        return redness(x)
number = 3
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "own_mine.py").write_text(OWN)
    (tmp_path / "own_scale.py").write_text("SCALE = 1.0\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    yield tmp_path
    for name in ("own_mine", "own_scale"):
        sys.modules.pop(name, None)


def test_a_file_names_rewards_and_targets_of_modules_beside_it(beside, capsys):
    path = beside / "s.yaml"
    rest = "alphas: 1\nrounds: 3\njobs: 1\n"
    path.write_text(f'{rest}reward: [right, "own_mine:redness", "own_mine:Kind"]\ntarget: [{LINE}, "own_mine:pair"]\n')
    assert cli.main(["sweep", str(path)]) == 0
    table = Table.read(beside / "s" / "table.csv")
    assert table.values("reward") == ["right", "own_mine:redness", "own_mine:Kind"]
    assert table.values("target") == [LINE, "own_mine:pair"]
    assert len({round(row.mean_reward, 5) for row in table}) == 1, "all mean the same"
    (named,) = sweep.run(1.0, **QUICK)
    assert named.raw_reward == table.rows[0].raw_reward
    (beside / "own_scale.py").write_text("SCALE = 2.0\n")
    sys.modules.pop("own_mine"), sys.modules.pop("own_scale")
    capsys.readouterr()
    assert cli.main(["sweep", str(path)]) == 1
    assert "the reward 'own_mine:redness' is another one than here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            'reward: "own_mine:blueness"',
            "line 2: reward is 'own_mine:blueness'; allowed: the name of something in own_",
        ),
        ('reward: ["own_none:f"]', "line 2: reward is 'own_none:f'; allowed: .*No module named 'own_none'"),
        ('reward: "own_mine:number"', "line 2: reward 'own_mine:number' is 3; allowed: a callable"),
        ('target: "own_mine:number"', r"line 2: target 'own_mine:number' is 3; allowed: \(target, reference\)"),
        ('reward: ["own_mine:redness", "own_mine:redness"]', "line 2: reward is .*all different"),
        ('reward: ["own_mine:redness", rihgt]', "line 2: reward is 'rihgt'"),
        ('reward: "a b:c"', "line 2: reward is 'a b:c'; allowed: \"module:function\""),
    ],
)
def test_what_is_wrong_with_a_name_of_one_s_own_is_said_with_its_line(line, message, beside):
    (beside / "s.yaml").write_text(f"alphas: 1\n{line}\n")
    with pytest.raises(ValueError, match=message):
        spec.read(beside / "s.yaml")


def test_modules_beside_a_file_are_sent_along_with_what_they_import(beside):
    """A process that knows nothing of the folder gets the reward, with the module that it imports."""
    (beside / "s.yaml").write_text('alphas: 1\nreward: "own_mine:redness"\n')
    reward = spec.read(beside / "s.yaml")["reward"]["own_mine:redness"]
    (beside / "sent").write_bytes(cloudpickle.dumps(reward))
    code = "import pickle, sys, torch; print(pickle.load(open(sys.argv[1], 'rb'))(torch.full((1, 1), 2.5)))"
    command = [sys.executable, "-c", code, str(beside / "sent")]
    said = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout
    assert said.startswith("tensor([0.7616"), "tanh of 1"


def test_help_says_what_is_known(capsys):
    with pytest.raises(SystemExit):
        cli.main(["sweep", "--help"])
    said = capsys.readouterr().out
    for word in (*zoo.names("points"), *rewards.names(), *methods.names(), *plan.all_settings(), "mine:redness", "130"):
        assert word in said


def test_json_of_a_kept_task_says_what_it_is_of(done):
    _, folder, _ = done
    kinds = [json.loads(path.read_text())["value"]["task"] for path in (folder / "tasks").iterdir()]
    assert sorted(task["kind"] for task in kinds) == ["limit"] * 2 + ["run"] * 4
    assert {task["target"][0] for task in kinds} == {LINE}
