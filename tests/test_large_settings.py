"""A train.yaml: every fault is one sentence with its line, and what is chosen for one is what fits."""

import re
from pathlib import Path

import numpy as np
import pytest

from orwlab import written
from orwlab.large import settings
from orwlab.large.settings import Settings, read

TOP = "model: some/flow\nprompts: [a fox, an owl, a tree]\nfolder: run\n"  # three lines that lack nothing


@pytest.fixture
def file(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "train.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


FAULTS = {
    TOP + "tau: -1\n": ", line 4: tau is -1; allowed: a finite number >= 0",
    TOP + "lr: fast\n": ", line 4: lr is 'fast'; allowed: a finite number > 0",
    TOP + "lr:\n": ", line 4: lr is null; allowed: a finite number > 0",
    TOP + "rounds: true\n": ", line 4: rounds is True; allowed: a whole number >= 1",
    TOP + "rounds: 1.5\n": ", line 4: rounds is 1.5; allowed: a whole number >= 1",
    TOP + "images_a_prompt: 1\n": ", line 4: images_a_prompt is 1; allowed: a whole number >= 2",
    TOP + "seed: 4294967296\n": ", line 4: seed is 4294967296; allowed: a whole number >= 0 and <= 4294967295",
    TOP + "guidance: 0.5\n": ", line 4: guidance is 0.5; allowed: a finite number >= 1",
    TOP + "average_decay: 1.5\n": ", line 4: average_decay is 1.5; allowed: a finite number >= 0 and <= 1",
    TOP + "precision: bf8\n": ", line 4: precision is 'bf8'; allowed: one of 'bf16', 'fp16', 'fp32'",
    TOP + "tracker: wandb\n": ", line 4: tracker is 'wandb'; allowed: one of 'tensorboard', 'none'",
    TOP + "eight_bit: yes\n": ", line 4: eight_bit is 'yes'; allowed: true or false",
    TOP + "resume: 1\n": ", line 4: resume is 1; allowed: true or false",
    TOP + "revision: 3\n": ", line 4: revision is 3; allowed: a text; quote it if it looks like a number",
    TOP + "reward: mine\n": ", line 4: reward is 'mine'; allowed: clip, or module:function",
    TOP + "weighting: above\n": ": threshold is missing; allowed: a number, the reward above which an image weighs",
    TOP + "threshold: 0.3\n": ", line 4: threshold is 0.3; allowed: none, as the weighting is 'mean_one'",
    TOP + "clip_model: null\n": ", line 4: clip_model is null; allowed: a CLIP or SigLIP, as the reward is clip",
    # what does not fit together
    TOP + "prompts_a_round: 4\n": ", line 4: prompts_a_round is 4; allowed: a whole number from 1 to 3, as many as",
    TOP
    + "micro_batch: 25\n": ", line 4: micro_batch is 25; allowed: a whole number from 1 to 24, the images of a round",
    TOP + "sheet_prompts: 4\n": ", line 4: sheet_prompts is 4; allowed: a whole number >= 1 and <= 3",
    # names
    TOP + "image_a_prompt: 4\n": ", line 4: image_a_prompt is not known; did you mean images_a_prompt?",
    TOP + "Tau: 4\n": ", line 4: Tau is not known; did you mean tau?",
    TOP + "zzz: 4\n": ", line 4: zzz is not known; allowed: model, revision, resolution, prompts, reward,",
    TOP + "home: 4\n": ", line 4: home is not known",
    TOP + "self: 4\n": ", line 4: self is not known",
    TOP + "'': 4\n": ", line 4: '' is not known",
    TOP + "tau: 1\ntau: 2\n": ", line 5: 'tau' is there twice; allowed: once",
    "promts: [a]\n"
    + TOP.replace("prompts: [a fox, an owl, a tree]\n", ""): ", line 1: promts is not known; did you mean",
    TOP.replace("folder: run\n", ""): ": folder is missing",
    # prompts
    TOP.replace("[a fox, an owl, a tree]", "[]"): ", line 2: prompts is empty; allowed: at least one prompt",
    TOP.replace("[a fox, an owl, a tree]", "7"): ", line 2: prompts is 7; allowed: a list of prompts, or the name of",
    TOP.replace("[a fox, an owl, a tree]", "\n  - a fox\n  - 7"): ", line 4: prompts[2] is 7; allowed: a text; quote",
    TOP.replace("[a fox, an owl, a tree]", "['']"): ", line 2: prompts[1] is ''; allowed: a text in one line",
    TOP.replace("[a fox, an owl, a tree]", "no.txt"): ", line 2: prompts is 'no.txt'; allowed: a list of prompts, or",
    TOP.replace("[a fox, an owl, a tree]", "."): ", line 2: prompts is '.'; allowed: a text file with one prompt a",
    # no settings
    "": " is empty; allowed: a line for each setting",
    "- a\n": " is no table; allowed: a line for each setting",
    TOP + "tau: [\n": ", line 5: this is no YAML",
    TOP + "tau: *one\n": ", line 4: & and * are not known here",
}


@pytest.mark.parametrize(("text", "said"), FAULTS.items())
def test_what_is_wrong_is_said_with_its_line_and_what_is_allowed(text, said, file):
    path = file(text)
    with pytest.raises(ValueError, match=r"\A") as found:
        read(path)
    sentence = str(found.value)
    assert sentence.startswith(f"{path}{said}"), sentence
    assert type(found.value) is ValueError
    assert len(sentence.splitlines()) == 1
    assert not re.search(r"pydantic|Input should|value_error", sentence)


def test_without_a_fault_it_is_read(file, tmp_path):
    found = read(file("\ufeff" + TOP + "lr: 1e-3\nalpha: 0\n"))  # with the mark that some editors put in front
    assert (found.lr, found.alpha, found.tau) == (1e-3, 0.0, 1.0)
    assert found.prompts == ("a fox", "an owl", "a tree")
    assert found.folder == tmp_path / "run"
    assert found.home == tmp_path


def test_a_file_that_cannot_be_read(tmp_path, file):
    for path, said in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ValueError, match=f"{path} cannot be read: {said}"):
            read(path)
    with pytest.raises(ValueError, match="is not in UTF-8"):
        read(file(b"model: \xff\n"))
    with pytest.raises(ValueError, match=r"has \d+ characters; allowed: at most"):
        read(file("#" * (settings.LARGEST + 1)))


def test_prompts_in_a_file(file, tmp_path):
    path = file(TOP.replace("[a fox, an owl, a tree]", "mine.txt"))
    (tmp_path / "mine.txt").write_bytes("\ufeffa fox\r\n\r\n  eine Eule – schön \r\n".encode())
    assert read(path).prompts == ("a fox", "eine Eule – schön")
    for content, said in (
        (b"", "mine.txt'; allowed: a text file with at least one prompt; it is empty"),
        (b"\n \n", "at least one prompt; it is empty"),
        (b"a fox\na \xff\n", "allowed: a text file in UTF-8; its line 2 is not"),
        (b"a fox\na\x07\n", "prompts in mine.txt, line 2, is 'a"),
        (b"x" * 2001, "allowed: at most 2000 characters"),
        (b"x\n" * 2**20, "allowed: a text file of at most 1048576 bytes; it has 2097152"),
    ):
        (tmp_path / "mine.txt").write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(said)) as found:
            read(path)
        assert ", line 2: prompts " in str(found.value)


def test_what_nobody_chose_gives_way(file):
    few = read(file(TOP))
    assert (few.prompts_a_round, few.images_a_round, few.micro_batch) == (3, 24, 4)
    fewer = read(file(TOP + "prompts_a_round: 1\nimages_a_prompt: 2\n"))
    assert (fewer.images_a_round, fewer.micro_batch) == (2, 2)


def test_what_sheets_show(file):
    assert read(file(TOP)).sheet_prompts == ("a fox", "an owl", "a tree")
    assert read(file(TOP + "sheet_prompts: 2\n")).sheet_prompts == ("a fox", "an owl")
    assert read(file(TOP + "sheet_prompts: [a new one]\n")).sheet_prompts == ("a new one",)
    many = "[" + ", ".join(f"p{k}" for k in range(9)) + "]"
    assert read(file(TOP.replace("[a fox, an owl, a tree]", many))).sheet_prompts == ("p0", "p1", "p2", "p3")


def test_what_people_have_at_hand_is_taken(tmp_path):
    found = Settings(
        model=tmp_path, prompts=("a",), folder=tmp_path / "run", rounds=np.int64(3), tau=np.float32(0.5), lr=1
    )
    assert (found.model, found.rounds, found.tau, found.lr) == (str(tmp_path), 3, 0.5, 1.0)
    assert [type(value) for value in (found.rounds, found.tau, found.lr)] == [int, float, float]
    with pytest.raises(ValueError, match=r"^rounds is 0; allowed: a whole number >= 1$"):
        Settings(model="a/b", prompts=["a"], folder="run", rounds=0)
    with pytest.raises(ValueError, match=r"^home is 'nowhere'; allowed: a folder that is there$"):
        Settings("nowhere", model="a/b", prompts=["a"], folder="run")


def test_a_model_is_a_folder_if_there_is_one(tmp_path):
    (tmp_path / "mine").mkdir()
    made = dict(prompts=["a"], folder="run")
    assert Settings(tmp_path, model="mine", **made).model == str(tmp_path / "mine")
    assert Settings(tmp_path, model="some/one", **made).model == "some/one"


def test_changed_is_checked_again(file):
    found = read(file(TOP))
    assert found.changed(rounds=7).rounds == 7
    assert found.changed(rounds=7).changed(rounds=found.rounds) == found
    with pytest.raises(ValueError, match=r"^micro_batch is 25; allowed: a whole number from 1 to 24"):
        found.changed(micro_batch=25)
    with pytest.raises(ValueError, match=r"^rounds is 0"):
        read(file(TOP + "rounds: 5\n"), rounds=0)


def test_a_run_goes_on_with_the_settings_on_which_it_depends(file):
    found = read(file(TOP))
    kept = found.as_json()
    for name, value in (
        ("rounds", 9),
        ("micro_batch", 2),
        ("tracker", "none"),
        ("sheet_images", 1),
        ("folder", "other"),
    ):
        found.changed(**{name: value}).goes_on(kept)
    for name, value, said in (
        ("tau", 2, "tau is 2.0; allowed: 1.0, with which the run in"),
        ("threshold", 1, "weighting is above; allowed: mean_one, with"),
        ("gradient_checkpointing", True, ""),
        ("resolution", 512, "resolution is 512; allowed: null, with"),
    ):
        more = dict(weighting="above") if name == "threshold" else {}
        changed = found.changed(**{name: value}, **more)
        if not said:
            changed.goes_on(kept)
            continue
        with pytest.raises(ValueError, match=f"^{said}"):
            changed.goes_on(kept)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        ("-2.5e+1", -25.0),
        ("1.e2", 100.0),
        ("'1e-4'", "1e-4"),
        ("1e", "1e"),
        ("e4", "e4"),
    ],
)
def test_numbers_are_written_as_everybody_writes_them(given, value):
    assert written.read(f"a: {given}", "file", most=10).value == {"a": value}
