"""A pipeline of diffusers as v(t, x, c): the sign, the times, the packing, the adapters, and what is refused."""

import json
import shutil

import pytest
import torch

from orwlab import flow
from orwlab.large import models, tiny

transformers = pytest.importorskip("transformers")
diffusers = pytest.importorskip("diffusers")

PROMPTS = ["a red fox", "a blue owl", "rain"]
STEPS = 5
DEV = 2.0  # the guidance that the Flux model is told


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("pipelines")
    return {kind: tiny.save(kind, place / kind) for kind in tiny.KINDS}


def load(folders, kind, **more):
    return models.load(
        folders[kind], **({"resolution": 16, "rank": 4, "guidance": DEV if kind == "flux" else 1} | more)
    )


@pytest.fixture(scope="module", params=tiny.KINDS)
def model(request, folders):
    return load(folders, request.param)


@pytest.fixture(scope="module")
def c(model):
    return model.encode(PROMPTS)


def noise(model, n=3, seed=0):
    return flow.noise(n, model.event_shape, generator=torch.Generator().manual_seed(seed))


def restless(model, seed=0):
    """Values for the adapters that are not 0."""
    generator = torch.Generator().manual_seed(seed)
    return {name: p.detach() + 0.3 * torch.randn(p.shape, generator=generator) for name, p in model.adapters.items()}


def drawn_by_diffusers(model, x0, *, guidance=None, output_type="latent", **told):
    """What the pipeline itself makes of the noise x0, (n, *event_shape)."""
    pipeline = model.pipeline
    pipeline.set_progress_bar_config(disable=True)
    latents = x0 if model.kind == "sd3" else pipeline._pack_latents(x0, len(x0), *model.event_shape)
    made = pipeline(
        **told, latents=latents, num_inference_steps=STEPS, output_type=output_type, height=16, width=16,
        guidance_scale=model.guidance if guidance is None else guidance,
    ).images  # fmt: skip
    return made if model.kind == "sd3" or output_type != "latent" else pipeline._unpack_latents(made, 16, 16, 1)


# -- the flow ----------------------------------------------------------------------------------------------------


def test_a_draw_is_the_pipelines_own_to_the_last_bit(model, c):
    x0 = noise(model)
    with model.wearing(restless(model)):
        x1 = model.draw(c, x0, STEPS)
        assert torch.equal(x1, drawn_by_diffusers(model, x0, prompt_embeds=c.embeds, pooled_prompt_embeds=c.pooled))
        images = drawn_by_diffusers(model, x0, output_type="pt", prompt=PROMPTS, max_sequence_length=tiny.WORDS)
        assert torch.equal(model.decode(x1), images)
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.05
    assert (x1 - x0).abs().mean() > 0.1


def test_the_flow_of_v_is_the_pipelines_rollout(model, c):
    """orwlab's own Euler steps: equal ones, in a time u in which the scheduler's times are the equal ones."""
    x0, t = noise(model), model.times(STEPS).float()
    assert t[0] == 0
    assert t[-1] == 1
    assert (t.diff() > 0).all()
    assert t.diff().std() > 0.05

    def v(u, x):
        k = round(float(u) * STEPS)
        return STEPS * (t[k + 1] - t[k]) * model.velocity(t[k], x, c)  # dx/du = dt/du v

    x1 = flow.push(v, x0, ("euler", STEPS))
    torch.testing.assert_close(
        x1, drawn_by_diffusers(model, x0, prompt=PROMPTS, max_sequence_length=24), atol=1e-5, rtol=0
    )
    backwards = flow.push(lambda u, x: -v(u, x), x0, ("euler", STEPS))
    assert (backwards - x1).abs().mean() > 0.1


def test_a_velocity_is_minus_the_transformers_answer_at_a_thousand_sigma(folders):
    model = load(folders, "sd3")
    c, x, t = model.encode(PROMPTS), noise(model), torch.tensor([0.0, 0.25, 0.9])
    with torch.no_grad():
        said = model.network(
            hidden_states=x, timestep=torch.tensor([1000.0, 750.0, 100.0]), encoder_hidden_states=c.embeds,
            pooled_projections=c.pooled,
        ).sample  # fmt: skip
    torch.testing.assert_close(model.velocity(t, x, c).detach(), -said, atol=1e-5, rtol=0)


def test_each_row_is_asked_for_itself(model, c):
    x, t = noise(model), torch.tensor([0.1, 0.5, 0.8])
    together = model.velocity(t, x, c).detach()
    for k in range(3):
        alone = model.velocity(t[k], x[k : k + 1], c[k : k + 1]).detach()
        torch.testing.assert_close(alone, together[k : k + 1], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(together, model.velocity(t.flip(0), x, c), atol=1e-3)
    assert not torch.allclose(together, model.velocity(t, x, c[[1, 2, 0]]), atol=1e-5)


def test_times_follow_the_size_of_the_image(folders):
    small, large = (load(folders, "flux", resolution=size) for size in (16, 64))
    assert (large.times(STEPS)[1:-1] < small.times(STEPS)[1:-1]).all()  # a larger image stays longer with the noise
    c, x0 = large.encode(PROMPTS[:1]), noise(large, 1)
    pipeline, packed = large.pipeline, large.pipeline._pack_latents(x0, 1, 4, 64, 64)
    pipeline.set_progress_bar_config(disable=True)
    made = pipeline(
        PROMPTS[:1], latents=packed, num_inference_steps=2, output_type="latent", height=64, width=64,
        guidance_scale=DEV, max_sequence_length=tiny.WORDS,
    ).images  # fmt: skip
    assert torch.equal(large.draw(c, x0, 2), pipeline._unpack_latents(made, 64, 64, 1))


def test_stable_diffusion_3_may_shift_with_the_size_too(folders):
    model = load(folders, "sd3")
    plain = model.times(STEPS)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
    model.pipeline.scheduler = scheduler
    c, x0 = model.encode(PROMPTS), noise(model)
    assert not torch.allclose(model.times(STEPS), plain, atol=1e-2)
    assert torch.equal(model.draw(c, x0, STEPS), drawn_by_diffusers(model, x0, prompt=PROMPTS, max_sequence_length=24))


def test_guidance_is_what_the_pipeline_means_by_it(folders):
    plain, guided = load(folders, "sd3"), load(folders, "sd3", guidance=3.0)
    c, x0 = guided.encode(PROMPTS), noise(guided)
    x1 = guided.draw(c, x0, STEPS)
    theirs = drawn_by_diffusers(guided, x0, prompt=PROMPTS, max_sequence_length=24)
    torch.testing.assert_close(x1, theirs, atol=1e-4, rtol=0)  # the pipeline asks for both at once
    assert not torch.allclose(x1, plain.draw(c, x0, STEPS), atol=1e-2)
    v, w = (m.velocity(torch.tensor(0.5), x0, c) for m in (plain, guided))
    assert torch.equal(v, w)  # v itself knows nothing of it


def test_flux_is_told_the_same_guidance_everywhere(folders):
    other = load(folders, "flux", guidance=8.0)
    model = load(folders, "flux")
    c, x0 = model.encode(PROMPTS), noise(model)
    v, w = (m.velocity(torch.tensor(0.5), x0, c) for m in (model, other))
    assert not torch.allclose(v, w, atol=1e-4)
    assert torch.equal(other.draw(c, x0, STEPS), drawn_by_diffusers(other, x0, prompt=PROMPTS, max_sequence_length=24))


# -- adapters ----------------------------------------------------------------------------------------------------


def test_fresh_adapters_change_nothing_and_only_they_learn(model, c):
    x, t = noise(model), torch.tensor([0.1, 0.5, 0.8])
    v = model.velocity(t, x, c)
    with model.reference():
        v_ref = model.velocity(t, x, c)
    assert torch.equal(v, v_ref)
    assert v.requires_grad
    assert not v_ref.requires_grad
    learning = {id(p) for p in model.network.parameters() if p.requires_grad}
    assert learning == {id(p) for p in model.adapters.values()}
    assert len(learning) > 20
    with model.wearing(restless(model)):
        moved = model.velocity(t, x, c)
        assert (moved - v).abs().mean() > 1e-3
        with model.reference():
            assert torch.equal(model.velocity(t, x, c), v_ref)
        assert torch.equal(model.velocity(t, x, c), moved)
    assert torch.equal(model.velocity(t, x, c), v)


def test_an_error_within_leaves_the_adapters_on(model, c):
    x = noise(model)
    with model.wearing(restless(model)):
        before = model.velocity(torch.tensor(0.5), x, c)
        with pytest.raises(KeyboardInterrupt), model.reference():
            raise KeyboardInterrupt
        assert torch.equal(model.velocity(torch.tensor(0.5), x, c), before)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_checkpointing_gives_the_same_gradient(folders, kind):
    found = []
    for checkpointing in (False, True):
        model = load(folders, kind, gradient_checkpointing=checkpointing)
        model.put_on(restless(model))
        c, x = model.encode(PROMPTS), noise(model)
        with model.reference():
            v_ref = model.velocity(torch.tensor(0.5), x, c)
        (model.velocity(torch.tensor(0.5), x, c) - v_ref.detach()).square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in model.adapters.values()]))
    assert found[0].norm() > 0
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-6)


def test_checkpointing_keeps_less(folders):
    """Without it every layer keeps what it will need; with it each block keeps only what went in."""

    def kept(model):
        sizes = []

        def pack(x):
            sizes.append(x.numel())
            return x

        c, x = model.encode(PROMPTS), noise(model)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            model.velocity(torch.tensor(0.5), x, c)
        return sum(sizes)

    plain, checkpointing = (load(folders, "sd3", gradient_checkpointing=on) for on in (False, True))
    assert kept(checkpointing) < 0.5 * kept(plain)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_file_of_adapters_is_what_diffusers_reads(folders, kind, tmp_path):
    model = load(folders, kind)
    c, x0, values = model.encode(PROMPTS), noise(model), restless(model)
    model.export(tmp_path / "lora", values)
    with model.wearing(values):
        x1 = model.draw(c, x0, STEPS)
    fresh = diffusers.DiffusionPipeline.from_pretrained(folders[kind])
    fresh.load_lora_weights(tmp_path / "lora")
    model.pipeline = fresh
    assert torch.allclose(x1, drawn_by_diffusers(model, x0, prompt=PROMPTS, max_sequence_length=24), atol=1e-5)
    fresh.unload_lora_weights()
    assert not torch.allclose(x1, drawn_by_diffusers(model, x0, prompt=PROMPTS, max_sequence_length=24), atol=1e-3)


def test_others_may_read_a_file_of_adapters(folders, tmp_path):
    model = load(folders, "sd3")
    (tmp_path / "any").write_text("")
    for _ in range(2):
        model.export(tmp_path / "lora", model.adapters)
        (file,) = (tmp_path / "lora").iterdir()
        assert file.stat().st_mode == (tmp_path / "any").stat().st_mode
    with pytest.raises(ValueError, match=r"^folder is .*allowed: a folder that can be written"):
        model.export(tmp_path / "any" / "lora", model.adapters)


def test_adapters_of_another_rank_are_refused(folders):
    other = load(folders, "sd3", rank=2)
    with pytest.raises(ValueError, match=r"^values is"):
        load(folders, "sd3").put_on(other.adapters)


def test_the_network_computes_in_bfloat16_and_the_adapters_stay_float32(folders):
    exact, short = load(folders, "sd3"), load(folders, "sd3", dtype=torch.bfloat16, gradient_checkpointing=True)
    values = restless(exact)
    exact.put_on(values), short.put_on(values)
    assert {p.dtype for p in short.adapters.values()} == {torch.float32}
    frozen = {p.dtype for p in short.network.parameters() if not p.requires_grad}
    assert frozen == {torch.bfloat16}
    x, t = noise(exact), torch.tensor([0.1, 0.5, 0.9])
    v, w = (m.velocity(t, x, m.encode(PROMPTS)) for m in (exact, short))
    assert w.dtype == torch.float32
    assert 1e-6 < (v - w).norm() / v.norm() < 0.03
    w.square().sum().backward()
    v.square().sum().backward()
    flat = [torch.cat([p.grad.flatten() for p in m.adapters.values()]) for m in (exact, short)]
    assert torch.nn.functional.cosine_similarity(*flat, dim=0) > 0.99


# -- what is kept where, and what is left alone -------------------------------------------------------------------


def test_text_encoders_go_and_the_flow_stays(folders):
    model = load(folders, "sd3", guidance=2.0)
    c, x0 = model.encode(PROMPTS), noise(model)
    x1 = model.draw(c, x0, 2)
    model.settle()
    assert model._encoders() == []
    assert torch.equal(model.draw(c, x0, 2), x1)
    with pytest.raises(ValueError, match=r"^prompts is .* dropped the text encoders"):
        model.encode(PROMPTS)


def test_many_prompts_are_as_each_alone(model):
    c = model.encode(PROMPTS, at_once=2)
    assert len(c) == 3
    torch.testing.assert_close(c[1:2].embeds, model.encode(PROMPTS[1:2]).embeds, atol=1e-6, rtol=1e-5)
    assert (c[0:1].pooled - c[1:2].pooled).abs().max() > 1e-4


def test_torchs_generator_is_left_alone(folders, tmp_path):
    before = torch.get_rng_state()
    tiny.save("flux", tmp_path / "another", seed=3)
    model = load(folders, "sd3")
    model.decode(model.draw(model.encode(PROMPTS), noise(model), 2))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_seed_says_what_adapters_and_pipelines_are(folders, tmp_path):
    same, again, other = (load(folders, "sd3", seed=seed).adapters for seed in (0, 0, 1))
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert any(not torch.equal(same[name], other[name]) for name in same)
    weights = "transformer/diffusion_pytorch_model.safetensors"
    read = [(tiny.save("sd3", tmp_path / str(seed), seed) / weights).read_bytes() for seed in (0, 1)]
    assert read[0] == (folders["sd3"] / weights).read_bytes() != read[1]


def test_libraries_are_quiet_and_then_as_before(folders, capfd):
    spoken = transformers.utils.logging.get_verbosity(), diffusers.utils.logging.get_verbosity()
    load(folders, "sd3").encode(["a prompt of more letters than the text encoders read"])
    assert capfd.readouterr() == ("", "")
    assert spoken == (transformers.utils.logging.get_verbosity(), diffusers.utils.logging.get_verbosity())


# -- what is refused, before anything is computed ------------------------------------------------------------------


def index(folder, **changes):
    found = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(found | changes))


@pytest.fixture
def copy(folders, tmp_path):
    return shutil.copytree(folders["sd3"], tmp_path / "copy")


def test_no_such_model(tmp_path):
    with pytest.raises(
        ValueError, match=r"^model is .*allowed: a folder with a pipeline .* no file named model_index.json"
    ):
        models.load(tmp_path)
    for name in ("somebody/nothing", str(tmp_path / "nothing"), "", 3, "a b?"):
        with pytest.raises(ValueError, match=r"^model is .*allowed: a folder with a pipeline"):
            models.index(name)


def test_a_model_that_is_no_flow(copy):
    index(copy, _class_name="StableDiffusionPipeline")
    with pytest.raises(ValueError, match=r"^model is .*\(StableDiffusionPipeline\).*allowed: a flow: StableDiffusion3"):
        models.index(copy)
    index(copy, _class_name="StableDiffusion3Pipeline", scheduler=["diffusers", "DDPMScheduler"])
    with pytest.raises(ValueError, match=r"^model is .*scheduler is DDPMScheduler"):
        models.load(copy)


def test_a_model_whose_flow_has_noise_on_its_way(copy):
    config = json.loads((copy / "scheduler/scheduler_config.json").read_text())
    (copy / "scheduler/scheduler_config.json").write_text(json.dumps(config | {"stochastic_sampling": True}))
    with pytest.raises(ValueError, match=r"^model is .*without noise on its way"):
        models.load(copy)


def test_half_a_model(copy):
    shutil.rmtree(copy / "transformer")
    with pytest.raises(ValueError, match=r"^model is .*allowed: a whole pipeline"):
        models.load(copy)


def test_a_flux_model_that_takes_no_guidance(folders, tmp_path):
    place = shutil.copytree(folders["flux"], tmp_path / "schnell")
    config = json.loads((place / "transformer/config.json").read_text())
    (place / "transformer/config.json").write_text(json.dumps(config | {"guidance_embeds": False}))
    with pytest.raises(ValueError, match=r"^guidance is 2.0; allowed: 1"):
        models.load(place, guidance=2.0, resolution=16)
    model = models.load(place, resolution=16)
    c, x0 = model.encode(PROMPTS), noise(model)
    assert torch.equal(model.draw(c, x0, STEPS), drawn_by_diffusers(model, x0, prompt=PROMPTS, max_sequence_length=24))


@pytest.mark.parametrize(
    ("name", "value"),
    [("resolution", 17), ("resolution", 1000), ("rank", 0), ("dtype", torch.float64), ("guidance", 0.5)],
)
def test_arguments_out_of_range(folders, name, value):
    with pytest.raises(ValueError, match=f"^{name} is "):
        models.load(folders["sd3"], **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("t", 1.5), ("t", [0.1, 0.2]), ("t", "noon"), ("t", float("nan")),
        ("x", torch.zeros(3, 4, 8, 8)), ("x", None),
        ("c", None), ("c", "a red fox"), ("c", 2),
    ],
)  # fmt: skip
def test_a_velocity_of_what_does_not_fit(model, c, name, value):
    good = {"t": torch.tensor(0.5), "x": noise(model), "c": c}
    if isinstance(value, int):
        value = c[:2]
    with pytest.raises(ValueError, match=f"^{name} is .*allowed: "):
        model.velocity(**(good | {name: value}))
    if name != "t":
        good = {"x0": good["x"], "c": c, "steps": 2}
        with pytest.raises(ValueError, match=f"^{name}0? is .*allowed: "):
            model.draw(**(good | {"x0" if name == "x" else name: value}))


def test_what_people_have_at_hand(model, c):
    x = noise(model)
    v = model.velocity(torch.tensor(0.5), x, c)
    assert torch.equal(model.velocity(0.5, x.numpy(), c), v)
    assert torch.equal(model.velocity([0.5] * 3, x.double(), c).float(), v)
    with pytest.raises(ValueError, match=r"^steps is 0"):
        model.draw(c, x, 0)
    with pytest.raises(ValueError, match=r"^prompts is"):
        model.encode("a red fox")


def test_kinds(folders):
    assert {models.FLOWS[models.index(folder)["_class_name"]] for folder in folders.values()} == {"sd3", "flux"}
    assert load(folders, "sd3", resolution=None).resolution == (16, 16)
