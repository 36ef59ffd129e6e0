"""ORW-CFM-W2 on pipelines of diffusers: what a round does, what it is held by, and how a run is kept."""

import os
import sys
import types

import pytest
import torch

from orwlab import files, losses, paths
from orwlab.large import models, tiny
from orwlab.large.settings import Settings
from orwlab.large.training import FORMAT, Diverged, Training

diffusers = pytest.importorskip("diffusers")
pytest.importorskip("accelerate")

PROMPTS = ("a red fox", "a blue owl")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("pipelines")
    return {kind: tiny.save(kind, place / kind) for kind in tiny.KINDS}


@pytest.fixture
def wanted(folders, tmp_path):
    """Settings of a quick run."""

    def made(kind="sd3", folder="run", **values):
        return Settings(
            **{
                **dict(model=folders[kind], folder=tmp_path / folder, prompts=PROMPTS, resolution=16, rank=4),
                **dict(tau=100.0, alpha=0.5, lr=1e-3, images_a_prompt=4, micro_batch=4, sampler_steps=3),
                **dict(precision="fp32", gradient_checkpointing=False, device="cpu", tracker="none", save_every=100),
                **values,
            }
        )

    return made


def greenness(images, prompts):
    return 1.5 * images[:, 1].mean((1, 2)) - 0.5 * images.sum(1).mean((1, 2))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def trained(settings, rounds, reward=greenness):
    run = Training(settings, reward=reward)
    return run, list(run.rounds(rounds))


# -- the algorithm -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_penalty_is_nothing_at_the_first_step_and_then_something(wanted, kind, precision):
    _, seen = trained(wanted(kind, precision=precision, gradient_checkpointing=True), 2)
    assert seen[0].penalty == 0
    assert seen[1].penalty > 0
    assert all(shot.fit > 100 and 1 <= shot.ess < 8 for shot in seen)
    assert [shot.round for shot in seen] == [1, 2]
    assert seen[0].parts.keys() == {"draw", "reward", "learn"}


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_reward_rises_and_a_shuffled_one_does_not(wanted, kind):
    """On the same noise, image by image: what is learned from the reward, from its negative, and from its values dealt
    out to other images of the draw. (What the random network learns from its own draws alone is in all three.)"""

    def shuffled(images, prompts):
        r = greenness(images, prompts)
        return r[torch.randperm(len(r), generator=torch.Generator().manual_seed(int(1e6 * r.abs().sum())))]

    rewards = {"up": greenness, "down": lambda images, prompts: -greenness(images, prompts), "shuffled": shuffled}
    after = {}
    for name, reward in rewards.items():
        more = dict(tau=1000.0, alpha=0.2, lr=2e-2, images_a_prompt=16, micro_batch=16, average_decay=0.9)
        run, _ = trained(wanted(kind, name, **more), 20, reward)
        after[name] = greenness(run.images(PROMPTS, 16), None)
    for more, less in (("up", "shuffled"), ("shuffled", "down")):
        gain = after[more] - after[less]
        assert gain.mean() > 0.002, (more, less)
        assert gain.mean() > 5 * gain.std() / 32**0.5, (more, less)


def test_a_large_alpha_keeps_the_reference(wanted):
    drift = {}
    for alpha in (0.0, 1.0, 1e6):
        run, seen = trained(wanted(folder=f"alpha {alpha}", alpha=alpha, lr=1e-2), 8)
        now, then = (run.images(PROMPTS, 2, of=of) for of in ("policy", "reference"))
        drift[alpha] = seen[-1].penalty, float((now - then).square().mean())
    for k in range(2):
        assert drift[1e6][k] < 0.05 * drift[1.0][k] < 0.05 * drift[0.0][k]


def test_what_is_fitted_is_u_at_uniform_times(wanted):
    run = Training(wanted(tau=0.0, alpha=3.0, steps_per_round=2), reward=greenness)
    x1, c = run._draw()
    fits, ts = [], []
    v = run.model.velocity
    for step in (1, 2):
        t, x0 = run._noise(range(8), step)
        x_t, u_t = paths.get("linear").interpolate(t, x0, x1)
        fits.append(float(losses.fit(v(t, x_t, run._of(c, range(8))).detach(), u_t)))
        ts.append(t)
    assert not torch.equal(*ts)
    assert fits[0] != fits[1]
    learned = run._step(x1, c, torch.ones(8), 1)
    assert float(learned[0]) == pytest.approx(fits[0], rel=1e-5)
    many = torch.cat([run._noise(range(8), step)[0] for step in range(3, 60)])
    assert abs(float(many.mean()) - 0.5) < 0.04
    assert float(many.min()) < 0.02 < 0.98 < float(many.max())


def test_the_gradient_is_the_losses(wanted):
    """(fit + alpha penalty) / (1 + alpha), with weights of mean one within each prompt, over micro-batches."""
    run = Training(wanted(alpha=3.0, micro_batch=2), reward=greenness)
    generator = torch.Generator().manual_seed(0)
    run.model.put_on(
        {k: p.detach() + 0.2 * torch.randn(p.shape, generator=generator) for k, p in run.model.adapters.items()}
    )
    x1, c = run._draw()
    w = run._weighed(run._rewards(x1, c)).exp()
    torch.testing.assert_close(w.reshape(2, 4).mean(1), torch.ones(2))
    t, x0 = run._noise(range(8), 1)
    x_t, u_t = paths.get("linear").interpolate(t, x0, x1)
    told = run._of(c, range(8))
    with run.model.reference():
        v_ref_t = run.model.velocity(t, x_t, told).detach()
    v_t = run.model.velocity(t, x_t, told)
    loss = (losses.fit(v_t, u_t, w) + 3.0 * losses.penalty(v_t, v_ref_t)) / 4.0
    by_hand = torch.autograd.grad(loss, run._learning)
    run._step(x1, c, w, 1)
    for p, g in zip(run._learning, by_hand):
        torch.testing.assert_close(p.grad, g, rtol=1e-3, atol=1e-4 * float(g.abs().max()) + 1e-6)


def test_an_easy_prompt_weighs_no_more_than_a_hard_one(wanted):
    def easier(images, prompts):
        return greenness(images, prompts) + torch.tensor([4.0 * (prompt == PROMPTS[0]) for prompt in prompts])

    runs = [trained(wanted(folder=str(k), tau=16.0), 2, reward) for k, reward in enumerate((greenness, easier))]
    assert runs[1][1][0].reward == pytest.approx(runs[0][1][0].reward + 2.0, abs=1e-4)
    for p, q in zip(*(run._learning for run, _ in runs)):
        torch.testing.assert_close(p, q, atol=2e-4, rtol=0)
    assert (runs[0][0].average["transformer_blocks.0.attn.to_q.lora_B.weight"] != 0).any()


def test_each_prompt_comes_as_often_and_is_scored_as_itself(wanted):
    asked = []

    def reward(images, prompts):
        assert images.shape == (len(prompts), 3, 16, 16)
        asked.extend(prompts)
        return greenness(images, prompts)

    trained(wanted(prompts=("a", "b", "c"), prompts_a_round=2, images_a_prompt=2, micro_batch=3), 3, reward)
    assert sorted(asked) == sorted(["a", "b", "c"] * 4)
    assert all(asked[k] == asked[k + 1] for k in range(0, 12, 2))  # a prompt's images lie in a row


@pytest.mark.parametrize(("weighting", "threshold"), [("best", None), ("above", 0.0), ("above", 9.0)])
def test_other_weightings(wanted, weighting, threshold):
    _, seen = trained(wanted(weighting=weighting, threshold=threshold), 2)
    least, most = {None: (2, 2), 0.0: (2, 8), 9.0: (0, 0)}[threshold]
    assert least - 1e-9 <= seen[1].ess <= most + 1e-9


def test_micro_batches_do_not_change_what_is_learned(wanted):
    (a, seen), (b, others) = (trained(wanted(folder=str(size), micro_batch=size), 3) for size in (8, 3))
    assert seen[0].reward == pytest.approx(others[0].reward, abs=1e-6)
    for p, q in zip(a._learning, b._learning):
        torch.testing.assert_close(p, q, atol=3e-4, rtol=0)
    (a, seen), (b, others) = (trained(wanted(folder=f"seed {seed}", seed=seed), 1) for seed in (0, 1))
    assert abs(seen[0].reward - others[0].reward) > 1e-5


# -- what it looks like --------------------------------------------------------------------------------------------


def test_images_are_of_the_same_noise_whoever_draws(wanted):
    run = Training(wanted(average_decay=1.0, lr=1e-2), reward=greenness)
    first = {of: run.images(PROMPTS, 2, of=of) for of in ("policy", "average", "reference")}
    assert torch.equal(first["policy"], first["reference"])
    assert torch.equal(first["average"], first["reference"])
    list(run.rounds(3))
    then = {of: run.images(PROMPTS, 2, of=of) for of in first}
    assert torch.equal(then["reference"], first["reference"])
    moved = {of: float((then[of] - first[of]).square().mean()) for of in first}
    assert 0 < moved["average"] < moved["policy"]
    assert torch.equal(run.images(PROMPTS, 2, of="policy"), then["policy"])  # and the average is taken off again
    with pytest.raises(ValueError, match=r"^prompts is"):
        run.images(["another"], 2)
    with pytest.raises(ValueError, match=r"^of is"):
        run.images(PROMPTS, 2, of="nobody")


def test_the_running_average_is_the_mean_of_the_steps(wanted):
    run = Training(wanted(average_decay=1.0, lr=1e-2), reward=greenness)
    seen = [torch.cat([p.detach().flatten().clone() for p in run._learning]) for _ in run.rounds(3)]
    mean = torch.cat([p.flatten() for p in run.average.values()])
    torch.testing.assert_close(mean, torch.stack(seen).mean(0), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_diffusers_draws_what_the_average_draws(wanted, folders, kind):
    settings = wanted(kind, lr=1e-2)
    run, _ = trained(settings, 3)
    ours = run.images(PROMPTS, 1)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folders[kind])
    pipeline.set_progress_bar_config(disable=True)
    pipeline.load_lora_weights(settings.folder / "lora")
    x0 = torch.cat([torch.randn(1, *run.model.event_shape, generator=run._seeded("sheet", k)) for k in range(2)])
    theirs = pipeline(
        list(PROMPTS), num_inference_steps=settings.sampler_steps, height=16, width=16, guidance_scale=1.0,
        max_sequence_length=tiny.WORDS, output_type="pt",
        latents=x0 if kind == "sd3" else pipeline._pack_latents(x0, 2, *run.model.event_shape),
    ).images  # fmt: skip
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(run.images(PROMPTS, 1, of="reference"), theirs, atol=1e-3)


def test_curves_have_each_round_once_even_after_an_interruption(wanted):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings = wanted(tracker="tensorboard", save_every=2)
    trained(settings, 2)
    lost = Training(settings, reward=greenness)
    next(lost.rounds(5))  # round 3 is in the curves, and not in the state
    again, seen = trained(settings, 2)
    curves = EventAccumulator(str(settings.folder / "curves")).Reload()
    assert {"reward", "penalty", "fit", "ess", "seconds"} <= set(curves.Tags()["scalars"])
    found = {event.step: event.value for event in curves.Scalars("reward")}
    assert [event.step for event in curves.Scalars("reward")] == [1, 2, 3, 4]
    assert found[4] == pytest.approx(seen[-1].reward, rel=1e-6)
    assert again.round == 4


# -- keeping a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_run_goes_on_as_if_it_had_not_stopped(wanted, precision):
    more = dict(precision=precision, steps_per_round=2, prompts=("a", "b", "c"), prompts_a_round=2)
    whole, seen = trained(wanted(folder="whole", **more), 4)
    trained(wanted(folder="parts", **more), 2)
    again = Training(wanted(folder="parts", **more), reward=greenness)
    assert again.round == 2
    numbers = [(s.reward, s.penalty, s.fit, s.ess) for s in again.rounds(2)]
    assert numbers == [(s.reward, s.penalty, s.fit, s.ess) for s in seen[2:]]
    assert same(again.state_dict(), whole.state_dict())
    assert torch.equal(again.images(("a",), 2), whole.images(("a",), 2))


def test_a_step_in_float16_that_is_too_large_is_left_out(wanted):
    run = Training(wanted(precision="fp16"), reward=greenness)
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": 2.0**30})
    before = {name: p.detach().clone() for name, p in run.model.adapters.items()}
    next(run.rounds(1))
    assert same(before, {name: p.detach() for name, p in run.model.adapters.items()})
    assert same(before, run.average)
    assert run.steps == 0
    assert run.scaler.get_scale() == 2.0**29
    run.scaler.load_state_dict(run.scaler.state_dict() | {"scale": 2.0**10})
    next(run.rounds(1))
    assert run.steps == 1


def test_rounds_end_where_the_settings_say(wanted):
    assert [s.round for s in Training(wanted(rounds=2), reward=greenness).rounds()] == [1, 2]
    assert list(Training(wanted(rounds=2), reward=greenness).rounds()) == []
    assert [s.round for s in Training(wanted(rounds=3), reward=greenness).rounds()] == [3]


def test_an_interrupted_round_never_was(wanted):
    whole, _ = trained(wanted(folder="whole"), 3)
    asked = []

    def reward(images, prompts):
        asked.append(0)
        if len(asked) == 4:  # in the middle of the second round's draw
            raise KeyboardInterrupt
        return greenness(images, prompts)

    run = Training(wanted(folder="parts"), reward=reward)
    rounds = run.rounds(3)
    next(rounds)
    before = run.state_dict()
    with pytest.raises(KeyboardInterrupt):
        next(rounds)
    assert same(run.state_dict(), before)
    learn = run._descend
    run._descend = lambda totals: (learn(totals), (_ for _ in ()).throw(MemoryError))  # after the step itself
    with pytest.raises(MemoryError):
        next(run.rounds(1))
    assert same(run.state_dict(), before)
    run._descend = learn
    list(run.rounds(2))
    assert same(run.state_dict(), whole.state_dict())


def test_a_state_that_cannot_be_written_leaves_the_last_one(wanted, monkeypatch):
    settings = wanted(save_every=1)
    run, _ = trained(settings, 1)
    kept = run.state_dict()

    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(files, "save_file", full)
        with pytest.raises((OSError, ValueError), match="No space"):
            list(run.rounds(1))
    assert same(Training(settings, reward=greenness).state_dict(), kept)
    with monkeypatch.context() as patched:  # between the state and the weights for diffusers
        patched.setattr(run.model, "export", full)
        with pytest.raises(OSError, match="No space"):
            list(run.rounds(1))
    assert Training(settings, reward=greenness).round == run.round > 1
    assert sorted(path.name for path in settings.folder.iterdir()) == [
        *(".lock", "lora", "state.previous.safetensors", "state.safetensors")
    ]


def test_a_run_that_diverges_ends_at_its_last_good_state(wanted):
    settings = wanted()
    run, _ = trained(settings, 1)
    rounds = run.rounds(5)
    next(rounds)
    good = run.state_dict()
    assert Training(settings, reward=greenness).round == 1  # the second is not on the disk yet
    run.optimizer.param_groups[0]["lr"] = 1e30
    with pytest.raises(Diverged, match=r"stopped being finite in round 4 \(alpha 0.5, tau 100, lr 0.001\)"):
        list(rounds)
    assert same(run.state_dict(), good)
    assert run.round == 2
    assert same(Training(settings, reward=greenness).state_dict(), good)


def test_a_bad_state_on_the_disk_gives_way_to_the_good_one_beside_it(wanted):
    settings = wanted(save_every=1)
    run, _ = trained(settings, 1)
    good = run.state_dict()
    run.optimizer.param_groups[0]["lr"] = 1e30
    next(run.rounds(2))  # kept, and nobody has drawn from it yet
    again = Training(settings, reward=greenness)
    assert again.round == 2
    with pytest.raises(Diverged):
        list(again.rounds(1))
    assert same(again.state_dict(), good)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x, c: x.mean((1, 2)), "reward.* of shape"),
        (lambda x, c: x.mean((1, 2, 3)) * torch.nan, "reward.* is NaN or infinite"),
        (lambda x, c: 1 / 0, "reward raised ZeroDivisionError"),
    ],
)
def test_a_reward_that_answers_wrongly(wanted, answer, said):
    run = Training(wanted(), reward=answer)
    before = run.state_dict()
    with pytest.raises(ValueError, match=said):
        list(run.rounds(1))
    assert same(run.state_dict(), before)


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_folder_of_other_settings(wanted):
    trained(wanted(), 1)
    with pytest.raises(ValueError, match=r"^tau is 5.0; allowed: 100"):
        Training(wanted(tau=5.0), reward=greenness)
    with pytest.raises(ValueError, match=r"^folder is .*resume: true"):
        Training(wanted(resume=False), reward=greenness)
    assert Training(wanted(micro_batch=2, rounds=7), reward=greenness).round == 1


def test_a_damaged_state(wanted):
    settings = wanted()
    trained(settings, 1)
    state = settings.folder / "state.safetensors"
    content = bytearray(state.read_bytes())
    content[-1] ^= 1
    state.write_bytes(content)
    with pytest.raises(ValueError, match="undamaged"):
        Training(settings, reward=greenness)
    files.write(state, {"round": torch.tensor(1)}, {"format": "another"})
    with pytest.raises(ValueError, match=FORMAT):
        Training(settings, reward=greenness)


def test_a_folder_that_cannot_be_written_is_named_before_the_model_is_read(wanted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"^folder is .*a folder that can be written"):
        Training(wanted(folder="file/run", model="nobody/nothing"), reward=greenness)


def test_guidance_is_said_to_be_beside_the_theory(wanted):
    with pytest.warns(UserWarning, match=r"^guidance is 3: images are drawn from another field"):
        Training(wanted(guidance=3.0), reward=greenness)


def test_eight_bits_need_bitsandbytes(wanted, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(ValueError, match=r"^eight_bit is True; allowed: false, where bitsandbytes"):
        Training(wanted(eight_bit=True), reward=greenness)


def test_an_optimiser_that_counts_with_plain_numbers_is_kept_too(wanted, monkeypatch):
    """As bitsandbytes' do."""

    class Counting(torch.optim.SGD):
        def step(self):
            super().step()
            for p in self.param_groups[0]["params"]:
                state = self.state[p]
                state["step"] = state.get("step", 0) + 1
                state["bytes"] = torch.full((3,), state["step"], dtype=torch.uint8)
                assert type(state["step"]) is int

    optim = types.ModuleType("bitsandbytes.optim")
    optim.Adam8bit = Counting
    monkeypatch.setitem(sys.modules, "bitsandbytes", types.ModuleType("bitsandbytes"))
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", optim)
    trained(wanted(eight_bit=True, lr=1e-9), 2)
    again = Training(wanted(eight_bit=True, lr=1e-9), reward=greenness)
    next(again.rounds(1))
    assert {state["step"] for state in again.optimizer.state.values()} == {3}


def test_a_model_of_ones_own(wanted, folders):
    model = models.load(folders["sd3"], rank=2)
    run = Training(wanted(model="nobody/nothing", rank=2), model=model, reward=greenness)
    assert next(run.rounds(1)).round == 1
    assert run.model is model
    assert os.listdir(run.settings.folder / "lora") == ["pytorch_lora_weights.safetensors"]
