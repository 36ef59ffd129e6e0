"""What a run of large models may go on from: the same model and reward, a whole state, a folder of its own."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from orwlab import files
from orwlab.large import keeping, models, origin, preflight, sheets, tiny, training, words
from orwlab.large.__main__ import main
from orwlab.large.keeping import FORMAT, PREVIOUS, STATE
from orwlab.large.settings import Settings
from orwlab.large.training import Diverged, Training

pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

ROOT = Path(__file__).parents[1]
REWARD = "import helper\n\ndef score(images, prompts):\n    return helper.scale() * images[:, 0].mean((1, 2))\n"
HELPER = "def scale():\n    return 1.0\n"


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    place = tmp_path_factory.mktemp("pipelines")
    return {kind: tiny.save(kind, place / kind) for kind in tiny.KINDS}


@pytest.fixture
def place(pipelines, tmp_path):
    """A person's folder, with a model and a reward that can be changed."""
    shutil.copytree(pipelines["sd3"], tmp_path / "sd3")
    (tmp_path / "helper.py").write_text(HELPER)
    (tmp_path / "mine.py").write_text(REWARD)
    return tmp_path


@pytest.fixture(autouse=True)
def unread():
    """Modules of one's own are read again in each test."""
    yield
    unload()


def wanted(place, **values):
    return Settings(
        place,
        **{
            **dict(
                model="sd3", prompts=("a fox", "an owl"), reward="mine:score", clip_model=None, folder="run", rank=4
            ),
            **dict(tau=50.0, lr=1e-3, images_a_prompt=2, micro_batch=4, sampler_steps=2, precision="fp32"),
            **dict(gradient_checkpointing=False, device="cpu", tracker="none", sheet_every=0),
            **values,
        },
    )


def went(place, rounds=1, by=None, **values):
    run = Training(wanted(place, **values), reward=by)
    list(run.rounds(rounds))
    return run


def brightness(images, prompts):
    return images.mean((1, 2, 3))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# -- what decides ------------------------------------------------------------------------------------------------------


def edit_weights(folder, part, name):
    """One number of many."""
    (path,) = (folder / part).glob("*.safetensors")
    tensors = load_file(path)
    value = tensors[name].clone()
    value.view(-1)[value.numel() // 2] += 1e-3
    save_file(tensors | {name: value}, path, {"format": "pt"})


def edit_config(folder, part, old, new):
    (path,) = [p for p in (folder / part).glob("*config.json") if "generation" not in p.name]
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


CHANGES = {
    "transformer": lambda at: edit_weights(at, "transformer", "transformer_blocks.1.ff.net.2.weight"),
    "vae": lambda at: edit_config(at, "vae", '"scaling_factor": 1.5', '"scaling_factor": 1.6'),
    "scheduler": lambda at: edit_config(at, "scheduler", '"shift": 3.0', '"shift": 2.0'),
    "text_encoder_2": lambda at: edit_weights(at, "text_encoder_2", "text_projection.weight"),
}


@pytest.mark.parametrize("part", CHANGES)
def test_another_model_of_that_name_is_refused_and_named(place, part):
    went(place)
    CHANGES[part](place / "sd3")
    with pytest.raises(ValueError, match=rf"^{part} is not what it was when the run in .*resume: anyway"):
        Training(wanted(place))
    with pytest.warns(UserWarning, match=f"^after round 1: {part} is another one$"):
        run = Training(wanted(place, resume="anyway"))
    assert run.round == 1
    next(run.rounds(1))
    run.save()
    history = files.read(place / "run" / STATE, FORMAT)[1]["history"]
    assert [entry["after"] for entry in history] == [0, 1]
    changed = {name for name in history[0]["origin"] if history[0]["origin"][name] != history[1]["origin"][name]}
    assert changed == {part}
    assert Training(wanted(place)).notes == [], "and then it is the run's own"


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_each_number_of_a_model_counts_whatever_its_type(pipelines, precision):
    dtype = training.TYPES[precision]
    chosen = Settings(model=pipelines["flux"], prompts=["a"], folder="run", clip_model=None, reward="a:b")
    model = models.load(pipelines["flux"], resolution=16, rank=2, dtype=dtype)
    before = origin.of(model, brightness, chosen)
    assert {"transformer", "vae", "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"} < set(
        before
    )
    other = models.load(pipelines["flux"], resolution=16, rank=4, dtype=dtype, seed=5)
    assert origin.of(other, brightness, chosen) == before, "adapters are the run's own"
    other.encode(["a prompt"])
    assert origin.of(other, brightness, chosen) == before, "nor does use count"
    rows = torch.arange(12 * origin.ROW, dtype=dtype).reshape(3, -1)  # of 8 KiB
    assert origin._bits(rows) == origin._bits(torch.cat([rows.flatten()[:1], rows.flatten()])[1:]), "wherever they lie"
    for name, value in (("rows", rows), ("and a tail", rows.flatten()[: 8 * origin.ROW + 7]), ("none", rows[:0])):
        for k in range(0, value.numel(), max(1, value.numel() // 5)):
            touched = value.clone()
            touched.view(-1)[k] = -1.5
            assert origin._bits(touched) != origin._bits(value), (name, k)


def test_an_edited_reward_is_noticed_also_in_what_it_imports(place):
    went(place)
    assert Training(wanted(place)).round == 1
    for file, text, old, new in (("mine.py", REWARD, "[:, 0]", "[:, 1]"), ("helper.py", HELPER, "1.0", "2.0")):
        (place / file).write_text(text.replace(old, new))
        unload()
        for refused in (lambda: Training(wanted(place)), lambda: preflight.check(wanted(place))):
            with pytest.raises(ValueError, match=r"^reward is not what it was .*its code or what it refers to changed"):
                refused()
        (place / file).write_text(text)
        unload()
    assert Training(wanted(place)).round == 1
    with pytest.raises(ValueError, match=r"^reward is not what it was"):
        Training(wanted(place), reward=lambda images, prompts: -brightness(images, prompts))


def test_a_reward_that_changes_when_it_is_asked_is_the_same_at_the_next_start(place, capsys):
    (place / "mine.py").write_text(
        "class Score:\n    asked = None\n"
        "    def __call__(self, images, prompts):\n"
        "        self.asked = (self.asked or 0) + 1\n"
        "        return images[:, 0].mean((1, 2))\n"
    )
    text = (
        "model: sd3\nprompts: [a fox, an owl]\nreward: mine:Score\nclip_model: null\nfolder: run\nrank: 4\n"
        "precision: fp32\ndevice: cpu\ntracker: none\nsampler_steps: 1\nimages_a_prompt: 2\nsheet_every: 0\n"
    )
    for rounds in (1, 2):
        (place / "train.yaml").write_text(f"{text}rounds: {rounds}\n")
        assert main([str(place / "train.yaml")]) == 0
        unload()
    assert "round 2 of 2" in capsys.readouterr().out


def unload():
    for name in ("mine", "helper"):
        sys.modules.pop(name, None)


def test_a_folder_may_move_and_be_copied(place, tmp_path_factory):
    run = went(place)
    home = tmp_path_factory.mktemp("elsewhere") / "moved"
    shutil.copytree(place, home)
    (home / "sd3").rename(home / "the-same-model")
    unload()
    again = Training(wanted(home, model="the-same-model"))
    assert sys.modules["helper"].__file__.startswith(str(home))
    assert again.round == 1
    assert same(again.state_dict(), run.state_dict())


def test_another_clip_is_another_reward(place):
    tiny.save_clip(place / "clip")
    chosen = dict(reward="clip", clip_model="clip")
    went(place, **chosen)
    (place / "clip").rename(place / "the-same")
    chosen["clip_model"] = "the-same"
    assert Training(wanted(place, **chosen)).round == 1
    tiny.save_clip(place / "the-same", seed=1)
    with pytest.raises(ValueError, match=r"^reward is not what it was"):
        Training(wanted(place, **chosen))


def test_a_clip_in_which_sheets_compare_is_compared_too(place):
    tiny.save_clip(place / "clip")
    went(place, clip_model="clip")
    tiny.save_clip(place / "clip", seed=1)
    with pytest.raises(ValueError, match=r"^clip_model is not what it was"):
        Training(wanted(place, clip_model="clip"))


def test_a_reward_that_cannot_be_described_is_said_to_be_so(place, monkeypatch):
    def no(value):
        raise ValueError("a lock has no description")

    monkeypatch.setattr(origin.meaning, "of", no)
    with pytest.warns(UserWarning, match="a change in it will not be noticed"):
        run = went(place, by=brightness)
    assert run.origin["reward"] is None
    monkeypatch.undo()
    assert Training(wanted(place), reward=brightness).round == 1


# -- what a run is steered by ------------------------------------------------------------------------------------------


def test_after_it_has_diverged_a_run_goes_on_with_other_values_and_says_which(place):
    run = went(place, 2)
    run.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(Diverged):
        list(run.rounds(3))
    assert "after round 2: lr is 0.0005" in preflight.check(wanted(place, lr=5e-4)).warnings[0]
    with pytest.warns(UserWarning, match=r"after round 2: lr is 0.0005 in place of 0.001, tau is 5.0 in place of 50.0"):
        again = Training(wanted(place, lr=5e-4, tau=5.0))
    assert again.round == 2
    assert again.optimizer.param_groups[0]["lr"] == 5e-4
    assert [(entry["after"], entry["lr"], entry["tau"]) for entry in again.history] == [(0, 1e-3, 50.0), (2, 5e-4, 5.0)]
    list(again.rounds(1))
    with pytest.raises(ValueError, match=r"^tau is 50.0; allowed: 5.0, with which .*; or resume: anyway"):
        Training(wanted(place, lr=5e-4))
    assert Training(wanted(place, lr=5e-4, tau=5.0)).history == again.history
    with pytest.raises(ValueError, match=r"^rank is 2; allowed: 4"):
        Training(wanted(place, rank=2, resume="anyway"))


def test_after_it_has_diverged_a_bounded_reward_may_take_the_place(place):
    run = went(place)
    run.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(Diverged):
        list(run.rounds(3))
    with pytest.warns(UserWarning, match="after round 1: reward is another one"):
        Training(wanted(place), reward=brightness)


def test_the_advice_after_a_divergence_is_one_that_can_be_followed(place, capsys, monkeypatch):
    text = "\n".join(
        f"{name}: {value}"
        for name, value in dict(
            model="sd3", prompts="[a fox, an owl]", reward="mine:score", clip_model="null", folder="run", rank=4,
            precision="fp32", device="cpu", tracker="none", sheet_every=0, sampler_steps=2, images_a_prompt=2,
            micro_batch=4, rounds=3, save_every=1,
        ).items()
    )  # fmt: skip
    (place / "train.yaml").write_text(text)
    whole = training.Training._whole_round

    def wild(run):
        if run.round == 1 and run.settings.lr > 1e-5:
            run.optimizer.param_groups[0]["lr"] = 1e30
        return whole(run)

    monkeypatch.setattr(training.Training, "_whole_round", wild)
    assert main([str(place / "train.yaml")]) == 1
    said = capsys.readouterr().err
    assert "reward. This is round 1 in " in said
    assert "with another alpha, tau, lr or reward the same command goes on from there" in said
    (place / "train.yaml").write_text(text + "\nlr: 1e-5\n")
    assert main([str(place / "train.yaml")]) == 0
    out = capsys.readouterr().out
    assert " ".join(out.split()).count("note after round 1: lr is 1e-05 in place of 0.0001") == 1
    assert "round 3 of 3" in out


# -- the state before --------------------------------------------------------------------------------------------------


def test_a_state_that_cannot_be_read_gives_way_to_the_one_before(place):
    run = went(place, 3, save_every=1)
    whole = run.state_dict()
    state, previous = place / "run" / STATE, place / "run" / PREVIOUS
    assert int(files.read(previous, FORMAT)[0]["round"]) == 2
    for content in (b"", state.read_bytes()[:-100], state.read_bytes()[:40]):
        state.write_bytes(content)
        with pytest.warns(UserWarning, match=r"state.safetensors cannot be read .*the state before it, of round 2"):
            again = Training(wanted(place, save_every=1))
        assert again.round == 2
        assert "PosixPath" not in str(again.notes)
    list(again.rounds(1))
    assert same(again.state_dict(), whole), "and ends where it would have"
    assert int(files.read(previous, FORMAT)[0]["round"]) == 2, "what could not be read took nobody's place"
    state.unlink()
    with pytest.warns(UserWarning, match="there is no such file"):
        assert Training(wanted(place)).round == 2
    previous.write_bytes(b"")
    state.write_bytes(b"")
    with pytest.raises(ValueError, match=r"^path is '.*state.safetensors'; allowed: a readable"):
        Training(wanted(place))


def test_where_a_disk_has_no_links_the_state_before_is_a_copy(place, monkeypatch):
    def no(*arguments, **more):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no)
    run = went(place, 2, save_every=1)
    assert int(files.read(place / "run" / PREVIOUS, FORMAT)[0]["round"]) == 1
    run.save()
    run.save()  # the same state once more
    assert sorted(path.name for path in (place / "run").iterdir()) == [".lock", "lora", PREVIOUS, STATE]


# -- one run in a folder -----------------------------------------------------------------------------------------------

SECOND = """
import sys
from pathlib import Path
from orwlab.large import keeping
class Owner: pass
owner, folder = Owner(), Path({folder!r})
for line in sys.stdin:
    try:
        print("held", keeping.hold(folder, owner), flush=True)
        keeping.let_go(folder, owner) if line == "try\\n" else None
    except ValueError as error:
        print(error, flush=True)
"""


@contextlib.contextmanager
def second(folder):
    """Another process: what it is told when it wants the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND.format(folder=str(folder))],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def told(line="try"):
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        yield told
    finally:
        process.kill()
        process.wait()


def test_a_second_process_is_told_which_has_the_folder(place):
    run = went(place)
    beside = Training(wanted(place))  # in one process that is one's own affair
    with second(place / "run") as told:
        said = told()
        assert said.startswith(
            f"folder is '{place / 'run'}'; allowed: one in which no other run is under way; process "
        )
        assert f"process {os.getpid()} on " in said
        run.close()
        assert f"process {os.getpid()} on " in told(), "the other still has it"
        beside.close()
        assert told() == "held"
        assert told("keep") == "held"
        with pytest.raises(ValueError, match=r"^folder is .*no other run is under way; process \d+ on "):
            Training(wanted(place))
    assert Training(wanted(place)).round == 1, "a lock falls with its process, however it ends"


def test_a_disk_without_locks_is_said_to_have_none(tmp_path, monkeypatch):
    def no(*arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no)
    owner = type("Owner", (), {})()
    assert keeping.hold(tmp_path, owner).endswith(
        "(No locks available): that no second run is started in it is up to you"
    )


# -- sheets that were not drawn ----------------------------------------------------------------------------------------


def test_a_sheet_that_was_interrupted_is_drawn_at_the_next_start(place, capsys, monkeypatch):
    (place / "train.yaml").write_text(
        "model: sd3\nprompts: [a fox, an owl]\nreward: mine:score\nclip_model: null\nfolder: run\nrank: 4\nrounds: 2\n"
        "precision: fp32\ndevice: cpu\ntracker: none\nsampler_steps: 1\nimages_a_prompt: 2\nsheet_images: 2\n"
    )

    def killed(self, round):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sheets.Sheets, "add", killed)
        assert main([str(place / "train.yaml")]) == 130
    assert not (place / "run" / "numbers.jsonl").exists()
    capsys.readouterr()
    for often in range(2):
        assert main([str(place / "train.yaml")]) == 0
        assert ("sheet of round 2, which was not there: reward" in capsys.readouterr().out) == (often == 0)
        assert [row["round"] for row in sheets.kept(place / "run" / "numbers.jsonl")] == [2]
    assert (place / "run" / "sheets" / "000002.png").exists()


# -- what nobody else's settings decide --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_torchs_default_type_decides_nothing(place, pipelines, kind):
    def done(folder):
        more = dict(model=str(pipelines[kind]), resolution=16, folder=folder)
        run = went(place, 2, by=brightness, **more)
        return run.state_dict(), run.images(["a fox"], 1)

    plain, drawn = done("plain")
    torch.set_default_dtype(torch.float64)
    try:
        wide, seen = done("wide")
        made = tiny.save(kind, place / "wide")
    finally:
        torch.set_default_dtype(torch.float32)
    assert same(plain, wide)
    assert torch.equal(drawn, seen)
    for path in pipelines[kind].rglob("*.safetensors"):
        assert path.read_bytes() == (made / path.relative_to(pipelines[kind])).read_bytes()


def test_no_generator_of_a_gpu_is_seeded(pipelines, monkeypatch, tmp_path):
    def no(seed):
        raise AssertionError("the GPUs' generators are somebody's")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", no)
    before = torch.get_rng_state()
    models.load(pipelines["sd3"], rank=2, seed=3)
    tiny.save_clip(tmp_path / "clip")
    assert torch.equal(torch.get_rng_state(), before)


def test_a_device_is_known_by_its_number(monkeypatch):
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    assert models.numbered(torch.device("cuda")) == torch.device("cuda:3")
    assert models.numbered(torch.device("cuda:1")) == torch.device("cuda:1")
    assert models.numbered(torch.device("cpu")) == torch.device("cpu")


def test_a_rank_is_no_larger_than_the_layers(place):
    said = r"^rank is 1000000; allowed: a whole number from 1 to 16, the least width"
    with pytest.raises(ValueError, match=said):
        models.load(place / "sd3", rank=10**6)
    with pytest.raises(ValueError, match=said):
        preflight.check(wanted(place, rank=10**6))
    assert preflight.check(wanted(place, rank=16)).learned == sum(
        p.numel() for p in models.load(place / "sd3", rank=16).adapters.values()
    )


# -- times and words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("kind", tiny.KINDS)
def test_what_learns_is_at_the_time_that_the_network_hears(pipelines, kind, precision):
    model = models.load(pipelines[kind], resolution=16, rank=2, dtype=training.TYPES[precision])
    n = 64
    t = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    x = torch.zeros(n, *model.event_shape)
    heard = []
    model.network.time_text_embed.time_proj.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    with torch.no_grad():
        model.velocity(t, x, model.encode(["a"])[[0] * n])
    times = model.heard(t)
    torch.testing.assert_close(1 - heard[0].double() / 1000, times.double(), atol=2e-7, rtol=0)
    beside = float((times - t).abs().max())
    if kind == "sd3" or precision == "fp32":
        assert torch.equal(times, t)
    else:
        assert beside < {"bf16": 0.004, "fp16": 0.0005}[precision]
        assert beside > {"bf16": 0.001, "fp16": 0.0001}[precision], "there is something to be heard"


def test_a_run_learns_at_the_times_that_are_heard(place, pipelines, monkeypatch):
    run = Training(wanted(place, model=str(pipelines["flux"]), resolution=16, precision="bf16"), reward=brightness)
    seen = []
    path = training.paths.get("linear")
    spy = types.SimpleNamespace(interpolate=lambda t, *x: seen.append(t) or path.interpolate(t, *x))
    monkeypatch.setattr(training.paths, "get", lambda name: spy)
    next(run.rounds(1))
    run.round = 0  # once more
    t = run._noise(range(4), 1)[0]
    assert torch.equal(seen[0], run.model.heard(t))
    assert not torch.equal(seen[0], t)


def test_many_prompts_take_no_more_memory_than_few(place, monkeypatch):
    prompts = tuple(f"prompt {k}" for k in range(6))
    more = dict(prompts=prompts, prompts_a_round=2, sheet_prompts=1)
    whole = went(place, 4, by=brightness, folder="all", **more)
    assert whole.words.all
    assert whole.model._encoders() == []
    each = words.bytes_of(whole.words.of(prompts[:1]))
    monkeypatch.setattr(words, "MOST", 3 * each)
    some = went(place, 4, by=brightness, folder="some", **more)
    assert not some.words.all
    assert len(some.words) == 3
    for name, value in some.average.items():
        torch.testing.assert_close(value, whole.average[name], atol=2e-4, rtol=0)
    went(place, 2, by=brightness, folder="parts", **more)
    parts = went(place, 2, by=brightness, folder="parts", **more)
    assert same(parts.state_dict(), some.state_dict()), "whatever was kept when it stopped"
    assert torch.equal(parts.images(prompts[:1], 1), some.images(prompts[:1], 1))


def test_a_check_counts_what_prompts_take(place, monkeypatch):
    prompts = tuple(f"prompt {k}" for k in range(60))
    few, many = (preflight.check(wanted(place, prompts=prompts[:n])) for n in (6, 60))
    assert "all 60 prompts, encoded at the start" in many.host[1]
    assert many.host[0] == 10 * few.host[0]
    assert "main memory" in str(many)
    monkeypatch.setattr(words, "MOST", few.host[0])
    bounded = preflight.check(wanted(place, prompts=prompts, prompts_a_round=2))
    assert "6 of 60 prompts" in bounded.host[1]
    assert bounded.host[0] > few.host[0], "the text encoders stay"
    assert bounded.memory["text encoders, beside it"] > 0


# -- what one may ask for beside ---------------------------------------------------------------------------------------


def test_states_that_stay_are_where_a_run_can_begin_again(place):
    whole = went(place, 4, keep_every=2, save_every=100)
    kept = place / "run" / keeping.KEPT
    assert sorted(path.name for path in kept.iterdir()) == ["000002", "000004"]
    (place / "again").mkdir()
    shutil.copy(kept / "000002" / STATE, place / "again" / STATE)
    again = went(place, 2, folder="again")
    assert same(again.state_dict(), whole.state_dict())
    (two,), (four,) = ((kept / name / "lora").iterdir() for name in ("000002", "000004"))
    assert two.read_bytes() != four.read_bytes() == (place / "run" / "lora" / four.name).read_bytes()
    some, none = (preflight.check(wanted(place, folder="new", rounds=10, keep_every=k)) for k in (2, 0))
    assert some.disk - none.disk == 5 * 9 * 4 * none.learned


def test_a_gradient_is_cut_to_a_length_and_keeps_its_direction(place):
    def gradient(limit):
        run = went(place, 1, by=brightness, folder=f"at {limit}", max_grad_norm=limit)
        return torch.cat([p.grad.flatten() for p in run._learning])

    free, loose, tight = gradient(None), gradient(1e9), gradient(1e-3)
    assert torch.equal(free, loose)
    assert float(free.norm()) > 0.1
    torch.testing.assert_close(tight, 1e-3 * free / free.norm(), rtol=1e-4, atol=1e-9)


def test_the_learning_rate_rises_over_the_first_steps(place):
    seen = []

    def lrs(run):
        return run.optimizer.param_groups[0]["lr"]

    run = Training(wanted(place, warmup_steps=4), reward=brightness)
    moved = [p.detach().clone() for p in run._learning]
    for _ in run.rounds(2):
        seen.append(lrs(run))
    run.save()
    again = Training(wanted(place, warmup_steps=4), reward=brightness)
    seen += [lrs(again) for _ in again.rounds(4)]
    assert seen == pytest.approx([1e-3 * k / 4 for k in (1, 2, 3, 4, 4, 4)])
    first = Training(wanted(place, folder="first", warmup_steps=4), reward=brightness)
    next(first.rounds(1))
    step = max(float((p.detach() - q).abs().max()) for p, q in zip(first._learning, moved))
    assert step == pytest.approx(1e-3 / 4, rel=0.01), "Adam's first step is as long as lr"


def test_prompts_that_are_held_out_are_scored_and_not_learned_on(place):
    asked = []

    def reward(images, prompts):
        asked.append(set(prompts))
        return images[:, 0].mean((1, 2)) + torch.tensor([10.0 * (prompt == "a hill") for prompt in prompts])

    chosen = wanted(place, held_out=["a hill"], sheet_images=2, sheet_every=1)
    run = Training(chosen, reward=reward)
    list(run.rounds(2))
    assert set().union(*asked) == {"a fox", "an owl"}
    shown = sheets.Sheets(chosen, run.images, reward)
    row = shown.add(2)
    for of, name in (("average", "reward_held_out"), ("reference", "reward_held_out_reference")):
        assert row[name] == pytest.approx(float(reward(run.images(["a hill"], 2, of=of), ["a hill"] * 2).mean()))
    assert 10 < row["reward_held_out"] != row["reward_held_out_reference"]
    assert row["reward"] < 1
    assert "on prompts held out 10." in sheets.told(row)
    with pytest.raises(ValueError, match=r"^held_out is 'a fox'; allowed: prompts that are not among"):
        wanted(place, held_out=["a hill", "a fox"])
    assert "reward_held_out" not in sheets.Sheets(wanted(place), run.images, reward).add(3)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_run_may_begin_with_adapters_that_diffusers_wrote(place, pipelines, kind):
    more = dict(model=str(pipelines[kind]), resolution=16, lr=1e-2)
    first = went(place, 2, by=brightness, **more)
    shutil.copytree(place / "run" / "lora", place / "mine")
    given = {k: v.clone() for k, v in first.average.items()}
    again = Training(wanted(place, folder="again", lora="mine", **more), reward=brightness)
    assert same(given, {name: p.detach() for name, p in again.model.adapters.items()})
    assert torch.equal(again.images(["a fox"], 1), first.images(["a fox"], 1))
    assert torch.equal(again.images(["a fox"], 1, of="reference"), first.images(["a fox"], 1, of="reference"))
    assert next(again.rounds(1)).penalty > 0, "the W2 term holds to the model without them"
    wider = models.load(pipelines[kind], resolution=16, rank=8, lora=place / "mine")
    narrow = models.load(pipelines[kind], resolution=16, rank=4, lora=place / "mine")
    x, c = torch.ones(1, *wider.event_shape), narrow.encode(["a fox"])
    v, w, plain = (m.velocity(0.5, x, c).detach() for m in (narrow, wider, models.load(pipelines[kind], resolution=16)))
    torch.testing.assert_close(v, w, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(v, plain, atol=1e-4)
    with pytest.raises(ValueError, match=r"^rank is 2; allowed: a whole number >= 4, the rank of"):
        models.load(pipelines[kind], resolution=16, rank=2, lora=place / "mine")


def test_adapters_that_peft_wrote_have_its_scale(place):
    from diffusers import SD3Transformer2DModel
    from peft import LoraConfig, get_peft_model

    model = models.load(place / "sd3", rank=2)
    x, c = torch.ones(1, *model.event_shape), model.encode(["a fox"])
    for rooted in (False, True):
        config = LoraConfig(
            r=4, lora_alpha=12, use_rslora=rooted, init_lora_weights=False, target_modules=["to_q", "to_v"]
        )
        network = SD3Transformer2DModel.from_pretrained(place / "sd3" / "transformer")
        with models.seeded(1):
            wrapped = get_peft_model(network, config)
        folder = place / f"peft {rooted}"
        wrapped.save_pretrained(folder)
        ours = models.load(place / "sd3", rank=8, lora=folder)
        with torch.no_grad():
            theirs = wrapped.base_model.model(
                hidden_states=x, timestep=torch.tensor([500.0]), encoder_hidden_states=c.embeds,
                pooled_projections=c.pooled,
            ).sample  # fmt: skip
            v = ours.velocity(0.5, x, c)
        torch.testing.assert_close(v, -theirs, atol=1e-4, rtol=1e-3)
        assert not torch.allclose(v, model.velocity(0.5, x, c), atol=1e-2)


def test_what_is_no_lora_of_this_model(place):
    (place / "empty").mkdir()
    (place / "text").write_text("none")
    save_file({"transformer.proj_out.lora_A.weight": torch.zeros(2, 16)}, place / "other.safetensors")
    wide = {f"transformer.transformer_blocks.0.attn.to_q.lora_{k}.weight": torch.zeros(2, 2) for k in "AB"}
    save_file(wide, place / "wide.safetensors")
    for name, said in (
        ("empty", "with a LoRA"),
        ("text", "with a LoRA"),
        ("other.safetensors", "it has 'proj_out.lora_A.weight'"),
        ("wide.safetensors", "its transformer_blocks.0.attn.to_q is of another width"),
    ):
        with pytest.raises(ValueError, match=f"^lora is .*{said}"):
            preflight.check(wanted(place, lora=name))
    with pytest.raises(ValueError, match=r"^lora is 'nowhere'; allowed: a file or folder that is there"):
        wanted(place, lora="nowhere")


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_images_need_not_be_square(place, pipelines, kind):
    more = dict(model=str(pipelines[kind]), resolution=[8, 16], held_out=["a hill"], sheet_images=2)
    run = went(place, 1, by=brightness, **more)
    images = run.images(["a fox", "an owl"], 2)
    assert images.shape == (4, 3, 8, 16)
    plan = preflight.check(wanted(place, **more), brightness)
    assert plan.event_shape == run.model.event_shape == (4, 8, 16)
    assert "8 x 16 pixels" in " ".join(str(plan).split())  # lines break where a path is long
    sheets.Sheets(run.settings, run.images, brightness).add(1)
    model = models.load(pipelines[kind], resolution=(8, 16), rank=2)
    model.pipeline.set_progress_bar_config(disable=True)
    x0 = torch.randn(2, *model.event_shape, generator=torch.Generator().manual_seed(0))
    theirs = model.pipeline(
        ["a fox", "an owl"], num_inference_steps=3, height=8, width=16, guidance_scale=1.0, output_type="pt",
        max_sequence_length=tiny.WORDS,
        latents=x0 if kind == "sd3" else model.pipeline._pack_latents(x0, 2, *model.event_shape),
    ).images  # fmt: skip
    assert torch.equal(model.decode(model.draw(model.encode(["a fox", "an owl"]), x0, 3)), theirs)
    for wrong, said in (
        ([8], "a whole number of pixels, or two"),
        ([8, 7.5], "a whole number >= 8"),
        ("8", "a whole number"),
    ):
        with pytest.raises(ValueError, match=f"^resolution is .*allowed: {said}"):
            wanted(place, resolution=wrong)
    with pytest.raises(ValueError, match=r"^resolution is 9; allowed: a multiple of 2 pixels"):
        models.load(pipelines[kind], resolution=(8, 9))
    assert wanted(place, resolution=[16, 16]).resolution == 16
