"""``python -m orwlab.large``: what it will do, what is wrong before anything is computed, and a run to its end."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from PIL import Image

from orwlab import files, large
from orwlab.large import preflight, settings, tiny, training
from orwlab.large.__main__ import main

ROOT = Path(__file__).parents[1]
WRITTEN = """\
model: tiny-sd3
prompts: [a red fox, a blue owl, a green hill]
reward: paid:redness
clip_model: null
tau: 20
alpha: 0.1
lr: 1e-3
rounds: 4
sampler_steps: 2
images_a_prompt: 2
micro_batch: 6
precision: fp32
folder: run
save_every: 2
sheet_every: 3
sheet_images: 2
"""
REWARDS = """\
def redness(images, prompts):
    return images[:, 0].mean((1, 2)) - images[:, 1].mean((1, 2))

def shape(images, prompts):
    return images.mean((2, 3))

def nothing(images, prompts):
    return images.mean((1, 2, 3)) * float("nan")

def boom(images, prompts):
    return prompts / 2

def breaks_later(images, prompts, calls=[]):
    calls.append(0)
    return images.mean((1, 2, 3)) if len(calls) < 4 else 1 / 0

three = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A person's folder: models, and a module with rewards."""
    place = tmp_path_factory.mktemp("person")
    tiny.save("sd3", place / "tiny-sd3")
    tiny.save_clip(place / "tiny-clip")
    (place / "paid.py").write_text(REWARDS)
    (place / "needs_more.py").write_text("import nothing_of_that_name\n")
    (place / "half.py").write_text("def f(:\n")
    return place


@pytest.fixture
def wrote(folder, tmp_path):
    """Writes a train.yaml with changes, and says where."""
    for part in folder.iterdir():
        if part.name != "__pycache__":
            (tmp_path / part.name).symlink_to(part)

    def write(**changes):
        given = dict(line.split(": ", 1) for line in WRITTEN.splitlines())
        text = "".join(f"{name}: {value}\n" for name, value in (given | changes).items() if value is not None)
        (tmp_path / "train.yaml").write_text(text)
        return str(tmp_path / "train.yaml")

    return write


def said(capsys, status, *arguments):
    """What it says, on either side."""
    assert main(list(arguments)) == status
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return out if status == 0 else err


def test_a_check_says_what_will_be_done_and_does_nothing(wrote, tmp_path, capsys):
    text = said(capsys, 0, wrote(), "--check")
    lines, text = text.splitlines(), " ".join(text.split())
    assert "sd3, 22.7 thousand parameters, 16 x 16 pixels, latents 4 x 16 x 16" in text
    assert "3 prompts x 2 = 6 images, 6 at once on each of 1 x cpu; 1 gradient step" in text
    assert (
        "a round 12 of the network to draw, 12 to learn, and 6 backward" in text
    )  # 6 images: 2 steps; policy and v_ref
    assert "expected" in next(line for line in lines if line.startswith("memory"))
    assert "begins, of 4 rounds" in text
    assert not (tmp_path / "run").exists()


def test_what_a_check_counts_is_what_is_there(wrote, monkeypatch):
    chosen = settings.read(wrote(steps_per_round=3, guidance=2))
    plan = preflight.check(chosen)
    with pytest.warns(UserWarning, match="guidance is 2"):
        run = training.Training(chosen)
    count = {"forward": 0, "backward": 0}
    asked = run.model.velocity

    def counted(t, x, c):
        count["forward"] += len(x)
        answer = asked(t, x, c)
        if answer.requires_grad:
            answer.register_hook(lambda g: count.update(backward=count["backward"] + len(g)))
        return answer

    monkeypatch.setattr(run.model, "velocity", counted)
    next(run.rounds(1))
    assert (count["forward"], count["backward"]) == (plan.to_draw + plan.to_learn, plan.to_learn // 2)
    assert plan.to_draw == 2 * 6 * 2, "guided: each step asks twice"
    assert any("guidance is 2" in note for note in plan.warnings)
    assert plan.learned == sum(p.numel() for p in run.average.values())
    learnt = {id(p) for p in run.model.adapters.values()}
    assert plan.parameters == sum(p.numel() for p in run.model.network.parameters() if id(p) not in learnt)
    list(run.rounds(1))  # of the second the last good state has moments too
    run.save()
    assert 0.85 < (preflight.STATE * 4 * plan.learned) / (chosen.folder / training.STATE).stat().st_size < 1.1


WRONG = {
    "no hub": (dict(model="somebody/flow"), "model is 'somebody/flow'; allowed: a folder .* the hub was not reached"),
    "no flow": (dict(model="old"), r"model is .*old \(StableDiffusionPipeline\)'; allowed: a flow"),
    "no pipeline": (dict(model="tiny-clip"), "model is .*tiny-clip'; allowed: a folder with a pipeline"),
    "half a pipeline": (
        dict(model="half-sd3"),
        "model is .*half-sd3'; allowed: a whole pipeline; its vae cannot be made",
    ),
    "size": (dict(resolution=17), "resolution is 17; allowed: a multiple of 2 pixels"),
    "no clip": (dict(reward="clip", clip_model="some/clip"), "clip_model is 'some/clip'; .* the hub was not reached"),
    "no clip for sheets": (dict(clip_model="some/clip"), "clip_model is 'some/clip'; .* null compares their pixels"),
    "another clip": (dict(clip_model="tiny-sd3"), "clip_model is .*tiny-sd3'; allowed: a CLIP or SigLIP that is there"),
    "shape": (
        dict(reward="paid:shape"),
        r"reward\(x\) is a tensor of shape \(2, 3\).*allowed: real numbers of shape \(2,\)",
    ),
    "nan": (dict(reward="paid:nothing"), r"reward\(x\) is NaN or infinite at 2 of 2 points; allowed: finite values"),
    "raises": (dict(reward="paid:boom"), "reward raised TypeError: unsupported operand"),
    "no callable": (dict(reward="paid:three"), "reward is 'paid:three'; allowed: a callable"),
    "no such name": (dict(reward="paid:gone"), "reward is 'paid:gone'; allowed: the name of something in paid"),
    "no such module": (dict(reward="gone:f"), "reward is 'gone:f'; .* No module named 'gone'"),
    "needs more": (dict(reward="needs_more:f"), "reward is 'needs_more:f'; .* No module named 'nothing_of_that_name'"),
    "not python": (dict(reward="half:f"), r"reward is 'half:f'; .*SyntaxError: .*half\.py, line 1"),
    "file": (dict(folder="paid.py/run"), "folder is .*; allowed: a folder; .*paid.py is a file"),
    "no room": (dict(folder="/proc/run"), "folder is '/proc/run'; allowed: one "),
    "no tracker": (dict(), "tracker is 'tensorboard'; allowed: none; or install tensorboard"),
    "no 8 bits": (dict(eight_bit="true"), "eight_bit is True; allowed: false; or install bitsandbytes"),
    "no GPU": (dict(device="cuda"), "device is 'cuda'; allowed: cpu or auto: torch finds no GPU here"),
    "yaml": (dict(tau="soon"), "train.yaml, line 5: tau is 'soon'; allowed: a finite number >= 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_a_sentence_before_anything_is_computed(name, wrote, tmp_path, capsys, monkeypatch):
    changes, sentence = WRONG[name]
    if name == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is one")
    if name == "no flow":
        shutil.copytree(tmp_path / "tiny-sd3", tmp_path / "old")
        index = tmp_path / "old" / "model_index.json"
        index.write_text(index.read_text().replace("StableDiffusion3Pipeline", "StableDiffusionPipeline"))
    if name == "half a pipeline":
        shutil.copytree(tmp_path / "tiny-sd3", tmp_path / "half-sd3")
        shutil.rmtree(tmp_path / "half-sd3" / "vae")
    found = preflight.importlib.util.find_spec
    absent = {"no tracker": "tensorboard", "no 8 bits": "bitsandbytes"}.get(name)
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda m, *a: None if m == absent else found(m, *a))
    monkeypatch.setattr(training.Training, "__init__", None)  # nothing is begun
    text = said(capsys, 1, wrote(**changes))
    assert len(text.splitlines()) == 1
    assert text.startswith("python -m orwlab.large: ")
    assert re.search(sentence, text), text
    assert not (tmp_path / "run").exists()


def test_no_room_on_the_disk(wrote, capsys, monkeypatch):
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda place: types.SimpleNamespace(free=3 * 2**20))
    text = said(capsys, 1, wrote())
    assert "with 12.7 MiB free for states and sheets (expected); 3 MiB are" in text


def test_processes_share_a_round_evenly(wrote, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert "prompts_a_round and images_a_prompt are 3 and 2; allowed: numbers whose product is a multiple of 4" in said(
        capsys, 1, wrote(), "--check"
    )
    monkeypatch.setenv("RANK", "1")
    assert said(capsys, 1, wrote(), "--check") == "", "the first process speaks"


def test_without_the_extra_it_says_what_brings_it(wrote, capsys, monkeypatch):
    found = large.importlib.util.find_spec
    monkeypatch.setattr(large.importlib.util, "find_spec", lambda m, *a: None if m == "peft" else found(m, *a))
    assert said(capsys, 1, wrote()) == (
        'python -m orwlab.large: peft is not installed; this brings it: pip install "orwlab[large]"\n'
    )
    with pytest.raises(ModuleNotFoundError, match=r"pip install \"orwlab\[large\]\""):
        large.needs()


def test_what_is_not_understood_is_status_2(capsys):
    for arguments in ([], ["train.yaml", "--example"], ["train.yaml", "--rounds", "many"], ["train.yaml", "--chek"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    assert "usage: python -m orwlab.large" in capsys.readouterr().err


def test_the_example_is_a_file_that_loads_and_says_every_setting(tmp_path, capsys):
    (tmp_path / "train.yaml").write_text(said(capsys, 0, "--example"))
    read = settings.read(tmp_path / "train.yaml")
    assert read.model_fields_set == set(settings.Settings.model_fields)
    required = {name: getattr(read, name) for name in ("model", "prompts", "folder")}
    assert read.as_json() == settings.Settings(tmp_path, **required).as_json(), "all else has its default"
    assert all(len(line) < 150 for line in settings.example().splitlines())


@pytest.fixture(scope="module")
def ran(folder, tmp_path_factory):
    """A run from the command line to its end, as a person starts it."""
    place = tmp_path_factory.mktemp("ran")
    for part in ("tiny-sd3", "paid.py"):
        (place / part).symlink_to(folder / part)
    (place / "train.yaml").write_text(WRITTEN)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = subprocess.run(
        [sys.executable, "-m", "orwlab.large", str(place / "train.yaml"), "--rounds", "4"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert list(elsewhere.iterdir()) == [], "paths are the file's"
    return place, done


def test_a_run_says_each_round_and_nothing_of_libraries(ran):
    place, done = ran
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("round ")]
    assert [line.split(":")[0] for line in lines] == [f"round {k} of 4" for k in (1, 2, 3, 4)]
    assert "penalty 0," in lines[0], "adapters begin as nothing"
    assert (
        done.stdout.splitlines()[-1] == f"done: {place / 'run'} holds the adapters (lora), the sheets and numbers.jsonl"
    )


def test_a_run_leaves_sheets_numbers_curves_and_adapters(ran):
    run = ran[0] / "run"
    names = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}
    sheets = {f"sheets/{k:06d}{more}.png" for k in (3, 4) for more in ("", "-beside-reference")}
    assert sheets | {"state.safetensors", "lora/pytorch_lora_weights.safetensors", "numbers.jsonl"} <= names
    assert any("tfevents" in name for name in names)
    rows = [json.loads(line) for line in (run / "numbers.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == [3, 4]
    assert all(0 < row["w2_squared"] < row["floor"] for row in rows), "few rounds: images are changed one by one"
    assert Image.open(run / "sheets/000003.png").width == 1280


def test_a_run_goes_on_where_it_ended_and_ends_where_one_without_a_pause_does(ran, tmp_path, capsys, wrote):
    whole = files.read(ran[0] / "run" / training.STATE, training.FORMAT)[0]
    assert "round 2 of 2" in said(capsys, 0, wrote(), "--rounds", "2")
    assert "goes on after round 2, of 4 rounds" in said(capsys, 0, wrote(), "--check")
    text = said(capsys, 0, wrote())
    assert "2 of 4 rounds are left" in text
    assert "round 2 of" not in text
    again = files.read(tmp_path / "run" / training.STATE, training.FORMAT)[0]
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    rows = [json.loads(line)["round"] for line in (tmp_path / "run" / "numbers.jsonl").read_text().splitlines()]
    assert rows == [2, 3, 4]
    assert "is at round 4: nothing is left to do" in said(capsys, 0, wrote())
    assert "tau is 3.0; allowed: 20.0, with which the run in" in said(capsys, 1, wrote(tau=3))
    assert "folder is" in said(capsys, 1, wrote(resume="false"))
    assert said(capsys, 0, wrote(tau=3), "--check", "--folder", str(tmp_path / "another")), "another folder"


def test_an_interrupt_keeps_the_last_whole_round(wrote, tmp_path, capsys, monkeypatch):
    rounds = training.Training._whole_round

    def interrupted(run):
        if run.round == 3:
            signal.raise_signal(signal.SIGTERM)
        return rounds(run)

    monkeypatch.setattr(training.Training, "_whole_round", interrupted)
    path = wrote(rounds=10, save_every=100)
    assert "interrupted; round 3 is kept, and the same command goes on from there" in said(capsys, 130, path)
    assert int(files.read(tmp_path / "run" / training.STATE, training.FORMAT)[0]["round"]) == 3
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "as before"
    monkeypatch.undo()
    assert "goes on after round 3" in said(capsys, 0, path, "--check")


def test_too_little_memory_is_said_with_what_needs_less(wrote, capsys, monkeypatch):
    def full(run):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(training.Training, "_learn", lambda run, *given: full(run))
    text = said(capsys, 1, wrote())
    assert (
        "the device has too little memory; round 0 is kept. Less is needed with a smaller micro_batch (now 6)" in text
    )


def test_a_reward_that_breaks_on_the_way_is_a_sentence(wrote, capsys):
    assert "reward raised ZeroDivisionError" in said(capsys, 1, wrote(reward="paid:breaks_later"))


@pytest.mark.slow
def test_two_processes_speak_with_one_voice(ran, tmp_path, wrote):
    path = wrote()
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*torchrun, "-m", "orwlab.large", path],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("round 1 of 4") == 1
    alone = files.read(ran[0] / "run" / training.STATE, training.FORMAT)[0]
    together = files.read(tmp_path / "run" / training.STATE, training.FORMAT)[0]
    assert all(torch.allclose(alone[name], together[name], atol=1e-5) for name in alone)
    assert len((tmp_path / "run" / "numbers.jsonl").read_text().splitlines()) == 2
