"""Replays: pictures kept in bounded memory in the browser, and in one file."""

import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from orwlab.show.lab.session import Session
from orwlab.show.stage import replay

MODULE = Path(replay.__file__).with_name("replay.js")


def in_node(code, tmp_path):
    """What ``code`` leaves in ``found``, with the recorder at hand."""
    if shutil.which("node") is None:
        pytest.skip("no Node")
    (tmp_path / "run.mjs").write_text(
        f'import {{ Recorder }} from "{MODULE.as_uri()}";\nlet found;\n{code}\nconsole.log(JSON.stringify(found));'
    )
    done = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FILL = """
const recorder = new Recorder({ most: %(most)d, keys: %(keys)d });
const text = "x".repeat(30000);
for (let round = 0; round < %(rounds)d; round += %(step)d) {
  recorder.add({ scene: "s", exact: "", frame: text + round }, { run: "a", round });
}
const rounds = recorder.entries.map((entry) => entry.round);
found = { size: recorder.size, rounds };
"""


@pytest.mark.parametrize(("rounds", "step"), [(3000, 1), (40_000, 37), (30, 1)])
@pytest.mark.parametrize(("most", "keys"), [(1_000_000, 1000), (100_000_000, 50)])
def test_memory_is_bounded_and_the_rounds_stay_even(tmp_path, rounds, step, most, keys):
    found = in_node(FILL % {"most": most, "keys": keys, "rounds": rounds, "step": step}, tmp_path)
    kept = found["rounds"]
    assert found["size"] <= most
    assert len(kept) <= keys
    assert (kept[0], kept[-1]) == (0, (rounds - 1) // step * step)
    assert kept == sorted(set(kept))
    if rounds > 100:
        assert len(kept) >= min(keys, most // 30_000) // 3  # it uses the room that it has
        gaps = [b - a for a, b in itertools.pairwise(kept)]
        assert max(gaps) <= 6 * max(step, sorted(gaps)[len(gaps) // 2])


FLOWS = """
const recorder = new Recorder({ most: 2e6, keys: 400 });
const text = "x".repeat(20000), flow = "f".repeat(19000);
let most = 0;
for (let round = 0; round < 3000; round++) {
  const key = round %% %(gap)d === 0 ? flow + round : "";
  recorder.add({ scene: "s", exact: "", frame: text + round, flow: key }, { run: "a", round, flow: true });
  most = Math.max(most, recorder.size);
}
const all = (entries) => entries.map(({ round, flow }) => [round, flow !== ""]);
found = { most, kept: all(recorder.entries), packed: all(Recorder.unpack(recorder.pack()).entries) };
recorder.settle();
found.settled = all(recorder.entries);
"""


@pytest.mark.parametrize("gap", [1, 3, 7])
def test_key_rounds_are_kept_with_their_flow_and_others_only_while_they_are_the_newest(tmp_path, gap):
    found = in_node(FLOWS % {"gap": gap}, tmp_path)
    kept = found["kept"]
    assert found["most"] <= 2e6
    assert kept[-1] == [2999, 2999 % gap == 0]  # the newest is there, key round or not
    assert all(flow and round % gap == 0 for round, flow in kept[:-1])
    assert len(kept) >= 10
    settled = kept if kept[-1][1] else kept[:-1]
    assert found["settled"] == found["packed"] == settled


def test_where_no_flow_is_promised_all_rounds_are_key_rounds(tmp_path):
    found = in_node(
        """
        const recorder = new Recorder();
        for (let round = 0; round < 5; round++) recorder.add({ scene: "s", frame: `f${round}` }, { run: "a", round });
        recorder.settle();
        found = recorder.entries.map(({ round, flow }) => [round, flow]);
        """,
        tmp_path,
    )
    assert found == [[k, ""] for k in range(5)]


def test_a_file_of_before_has_no_flow(tmp_path):
    found = in_node(
        """
        found = Recorder.unpack({ texts: ["s", "", "f"], entries: [[0, 0, 1, 2]] }).entries;
        """,
        tmp_path,
    )
    assert found == [{"round": 0, "scene": "s", "exact": "", "frame": "f", "flow": ""}]


def test_a_run_that_went_back_forgets_what_came_later(tmp_path):
    found = in_node(
        """
        const recorder = new Recorder();
        const value = (name) => ({ scene: "s", exact: "", frame: name });
        const add = (round, run = "a") => recorder.add(value(`${run}${round}`), { run, round });
        const rounds = () => recorder.entries.map((entry) => entry.round);
        found = [];
        for (let round = 0; round < 10; round++) add(round);
        add(4); found.push(rounds());
        add(5); found.push(rounds());
        add(0, "b"); found.push(rounds());
        """,
        tmp_path,
    )
    assert found == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5], [0]]


def test_a_recorder_is_packed_and_unpacked(tmp_path):
    found = in_node(
        """
        const recorder = new Recorder();
        for (let round = 0; round < 5; round++) {
          recorder.add({ scene: round < 3 ? "one" : "two", exact: "", frame: `f${round}` }, { run: "a", round });
        }
        const packed = recorder.pack();
        found = { packed, same: JSON.stringify(Recorder.unpack(JSON.parse(JSON.stringify(packed))).entries) ===
          JSON.stringify(recorder.entries.map(({ between, ...entry }) => entry)) };
        """,
        tmp_path,
    )
    assert found["same"]
    assert sorted(found["packed"]["texts"]) == sorted(["one", "two", "", *(f"f{k}" for k in range(5))])  # each once


@pytest.fixture(scope="module")
def values():
    session = Session(particles=30, flow=True)
    pairs = [(0, session.frame())]
    for k in range(1, 4):
        session.step()
        session.advance()
        pairs.append((k, session.frame()))
    session.close()
    return pairs


def test_the_page_of_python_holds_the_same_as_the_browsers(values, tmp_path):
    text = replay.page(values, title="One & <two>", note="a note")
    assert "stage.configure({ revealed: false });" in text
    assert "stage.configure({ revealed: true });" in replay.page(values, revealed=True)
    assert "<title>One &amp; &lt;two&gt;</title>" in text
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)  # nothing is asked for
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    inside = json.loads(re.search(r'id="pictures">(.*?)</script>', text, re.DOTALL)[1])
    (tmp_path / "pictures.json").write_text(json.dumps(inside))
    found = in_node(
        """
        import { readFileSync } from "node:fs";
        found = Recorder.unpack(JSON.parse(readFileSync("pictures.json", "utf8"))).entries;
        """,
        tmp_path,
    )
    assert [entry.pop("round") for entry in found] == [0, 1, 2, 3]
    assert found == [{part: value[part] for part in ("scene", "exact", "frame", "flow")} for _, value in values]
    assert all(entry["flow"] for entry in found)


def test_nothing_in_a_picture_can_end_the_script(values):
    odd = {**values[0][1], "scene": "</script><script>alert(1)</script>"}
    text = replay.page([(0, odd)])
    assert text.count("</script>") == replay.shell().count("</script>")


@pytest.mark.parametrize("wrong", [[], [(0, {})], [(0, "frame")], [(-1, {"frame": "x"})], [(1, {"frame": "x"})] * 2])
def test_what_no_replay_can_be_made_of_is_named(wrong):
    with pytest.raises(ValueError, match=r"values|round"):
        replay.page(wrong)
