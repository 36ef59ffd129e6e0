"""ORW-CFM-W2 for a text-to-image pipeline, on one device or many: the algorithm of ``methods.prompted``, shared out.

    run = Training(settings.read("train.yaml"))
    for snapshot in run.rounds():
        print(snapshot.round, snapshot.reward)

A round takes some prompts, draws a few images of each, weighs a prompt's images against one another, and takes gradient
steps of low-rank adapters on

    E[ w(x1 | c) |v_theta(t, x_t, c) - u_t|^2 + alpha |v_theta(t, x_t, c) - v_ref(t, x_t, c)|^2 ]

with x1 the images' latents. Every process has the whole network and draws, scores and learns its share of the round's
images, in their order. The rewards of all are brought together before they are weighed, for a prompt's images may lie
on several devices; gradients are added up before each step. Then all processes take the same step.

What is random about an image comes from a generator of its own, seeded by the run's seed, the round, the step and the
image's number among all: it is the same however many processes and micro-batches share the work. What is learned then
differs only by the order in which floating-point numbers are added; where that is the same, by nothing (measured).
"""

import contextlib
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from orwlab import checks, flow, losses, paths, weights
from orwlab.large import keeping, models, origin, rewards
from orwlab.large.keeping import FORMAT, STATE
from orwlab.large.models import Model, Told
from orwlab.large.rewards import Reward
from orwlab.large.settings import STEERED, Settings
from orwlab.large.words import Words
from orwlab.methods.run import Diverged, Numbers, newest

__all__ = ["FORMAT", "STATE", "Diverged", "Snapshot", "Training"]

LORA = "lora"
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
OF = ("policy", "average", "reference")
SCALE = 2.0**10  # of a loss in float16 at first: the norms in it are sums, and a step that is too large costs a round
PATIENCE = timedelta(hours=3)  # of processes with one that draws a sheet, or whose reward takes long
LEAST_SCALE = 2.0**-14  # below which it is not the scale's fault


@dataclass(frozen=True, kw_only=True)
class Snapshot(Numbers):
    """What a round measured, on its own draw, before its gradient steps moved the policy."""

    round: int
    seconds: float
    """of the round, in all"""
    parts: dict[str, float]
    """of these the seconds of "draw", "reward" and "learn" """
    memory: float
    """the most that was taken on this process's GPU, in GiB; NaN on a CPU"""


class Training:
    """A run as ``settings`` say; goes on from the folder's last state, if there is one.

    Args:
        settings: see ``settings.Settings``.
        model: to fine-tune in place of the one that ``settings`` name; its text encoders are dropped.
        reward: a callable (images, prompts) -> (n,) in place of theirs.
        known: fingerprints that were taken before, as ``origin`` has them: of a reward that has been asked since, and
            may have changed by that.

    Raises:
        ValueError: the folder cannot be written, holds a run of other settings, of another model or reward, or is
            another process's; model or reward are not there; the processes cannot share a round's images evenly.
    """

    def __init__(
        self,
        settings: Settings,
        model: Model | None = None,
        reward: Reward | None = None,
        *,
        known: Mapping[str, str | None] | None = None,
    ) -> None:
        if not isinstance(settings, Settings):
            raise checks.fail("settings", settings, "a Settings, such as settings.read('train.yaml')")
        if model is not None and not isinstance(model, Model):
            raise checks.fail("model", model, "a Model, such as models.load gives, or None")
        if reward is not None and not callable(reward):
            raise checks.fail("reward", reward, "a callable (images, prompts) -> (n,), or None")
        if known is not None and not isinstance(known, Mapping):
            raise checks.fail("known", known, "fingerprints by name, or None")
        self.settings = settings
        self.accelerator = _accelerator(settings)
        self.round = 0
        self.notes: list[str] = []
        """what a person should know of how the run goes on"""
        self._hold()
        begun = keeping.kept(settings)
        device, count = self.accelerator.device, self.accelerator.num_processes
        share = shared(settings, count)
        if model is None:
            with self.accelerator.local_main_process_first():  # it fetches what the others find
                model = models.load(
                    settings.model, revision=settings.revision, resolution=settings.resolution, device=device,
                    dtype=TYPES[settings.precision], rank=settings.rank, lora=settings.lora, seed=settings.seed,
                    guidance=settings.guidance, gradient_checkpointing=settings.gradient_checkpointing,
                )  # fmt: skip
        self.model = model
        self.reward = rewards.get(settings, device=device) if reward is None else reward
        if model.kind == "sd3" and model.guidance > 1 and self.accelerator.is_main_process:
            warnings.warn(guided(model.guidance), stacklevel=2)

        found = origin.of(model, self.reward, settings, known or {}) if self.accelerator.is_main_process else {}
        self.origin = self._gathered([found])[0]
        self.history: list[dict[str, Any]] = []
        """what the run was steered by, and after which round it began to be so; with ``origin``, if that changed"""
        if self.origin["reward"] is None:
            self._note(origin.UNKNOWN)
        if begun is not None:
            self._compare(begun)  # before anything is computed
        self._steered()
        texts = [*settings.prompts, *settings.sheet_prompts, *settings.held_out]
        self._texts = set(texts)
        self.words = Words(model, texts, settings.prompts_a_round)
        self._learning = list(model.adapters.values())
        self.average = {name: p.detach().clone() for name, p in model.adapters.items()}
        self.optimizer = _optimizer(self._learning, settings)
        self.scaler = torch.amp.GradScaler(device.type, init_scale=SCALE, enabled=model.dtype == torch.float16)
        self.steps = 0
        first = self.accelerator.process_index * share
        self._own = range(first, first + share)  # the images of a round that are this process's
        self._good = self.state_dict()
        self._tracked = False
        self._diverged_with = begun.metadata.get("diverged", "") if begun is not None else ""
        self._rotate = begun is None or not begun.note  # what cannot be read is no state before
        if begun is not None:
            self._go_on(begun.tensors)

    def rounds(self, n: int | None = None) -> Iterator[Snapshot]:
        """Run ``n`` rounds, one each time the iterator is asked for its next snapshot; a state is kept on the way.

        Args:
            n: how many; None: those that are left of the settings' ``rounds``.

        Raises:
            ValueError: ``n`` is bad, at once; the reward raises or answers wrongly, when it does.
            Diverged: something stopped being finite; the last state that drew finite images is restored, and kept.

        Whatever else ends a round, an interrupt from the keyboard or a lack of memory, the run is then as it was after
        the last whole round. The state on the disk is the last one that was kept: every ``save_every`` rounds, and
        after the last.
        """
        n = max(0, self.settings.rounds - self.round) if n is None else checks.integer("n", n)
        return self._rounds(self.round + n)

    def _rounds(self, last: int) -> Iterator[Snapshot]:
        self._track()
        while self.round < last:
            try:
                snapshot = self._whole_round()
            except Diverged as error:
                self._diverged_with = str(error)
                self.save()
                raise
            self._diverged_with = ""
            stays = self.settings.keep_every and self.round % self.settings.keep_every == 0
            if stays or self.round == last or self.round % self.settings.save_every == 0:
                self.save()
            if stays:
                self._stay()
            numbers = {
                name: getattr(snapshot, name) for name in ("reward", "penalty", "fit", "ess", "seconds", "memory")
            }
            self.accelerator.log({name: x for name, x in numbers.items() if not math.isnan(x)}, step=self.round)
            yield snapshot

    @torch.inference_mode(False)
    @torch.enable_grad()
    def _whole_round(self) -> Snapshot:
        before, clock = self.state_dict(), _Clock(self.accelerator.device)
        try:
            x1, c = self._draw()
            clock.ended("draw")
            r = self._rewards(x1, c)
            clock.ended("reward")
            self._good = before  # its policy draws finite images
            numbers = self._learn(x1, c, r)
            clock.ended("learn")
            self.round += 1
        except Diverged:
            self.load_state_dict(self._good)
            raise
        except BaseException:
            self.load_state_dict(before)
            raise
        seconds = sum(clock.parts.values())
        return Snapshot(**vars(numbers), round=self.round, seconds=seconds, parts=clock.parts, memory=clock.memory)

    # The algorithm --------------------------------------------------------------------------------------------------

    def _draw(self) -> tuple[Tensor, list[str]]:
        """Some prompts, and a few images of each in a row: this process's latents, and what each was told."""
        now = [prompt for prompt in self._turn() for _ in range(self.settings.images_a_prompt)]
        c = [now[image] for image in self._own]
        x1 = [
            self.model.draw(self._of(c, batch), self._noise(batch, step=0)[1], self.settings.sampler_steps)
            for batch in self._batches()
        ]
        return torch.cat(x1), c

    def _turn(self) -> list[str]:
        """The prompts of this round: each comes as often as the others, in an order that is new every time round."""
        prompts, each, found = self.settings.prompts, self.settings.prompts_a_round, []
        for place in range(self.round * each, (self.round + 1) * each):
            time_round, which = divmod(place, len(prompts))
            order = torch.randperm(len(prompts), generator=self._seeded("order", time_round))
            found.append(prompts[order[which]])
        return found

    def _rewards(self, x1: Tensor, c: list[str]) -> Tensor:
        """The rewards of all images of the round, whoever drew them, (images,)."""
        found, wrong = [], ""
        with self.model.decoding():
            for batch in self._batches():
                here = x1[batch.start : batch.stop]
                images = self.model.decode(here)
                if wrong or not (checks.all_finite(here) and checks.all_finite(images)):
                    found.append(torch.full((len(batch),), torch.nan, dtype=torch.float32))
                    continue
                try:
                    found.append(rewards.values(self.reward, images, [c[place] for place in batch]).float().cpu())
                except ValueError as error:  # to be raised by all processes, or the others would wait for this one
                    wrong = str(error)
                    found.append(torch.full((len(batch),), torch.nan, dtype=torch.float32))
        for sentence in self._gathered([wrong]):
            if sentence:
                raise ValueError(sentence)
        r = self.accelerator.gather(torch.cat(found).to(self.accelerator.device)).cpu()
        if not checks.all_finite(r):
            raise self._diverged("policy's images")
        return r

    def _weighed(self, r: Tensor) -> Tensor:
        """The logarithms of all images' weights, (images,): in the mean 1 within each prompt."""
        each, settings = self.settings.images_a_prompt, self.settings
        return weights.within(r.reshape(-1, each), settings.tau, settings.weighting, settings.threshold).flatten()

    def _learn(self, x1: Tensor, c: list[str], r: Tensor) -> Numbers:
        """Weigh the draw and take the round's gradient steps."""
        settings, log_w = self.settings, self._weighed(r)
        w = log_w.exp()[list(self._own)].to(x1)
        totals = torch.zeros(2, dtype=torch.float32)
        for step in range(1, settings.steps_per_round + 1):
            totals += self._step(x1, c, w, step)
        fit, penalty = (totals.double() / settings.steps_per_round).tolist()
        ess = weights.effective_sample_size(log_w)
        return Numbers(
            reward=float(r.mean()), penalty=penalty, fit=fit, ess=ess, alpha=settings.alpha, tau=settings.tau
        )

    def _step(self, x1: Tensor, c: list[str], w: Tensor, step: int) -> Tensor:
        """One gradient step on the whole draw; returns the two terms of the loss."""
        pull = self.settings.alpha / (1 + self.settings.alpha)  # (fit + alpha penalty) / (1 + alpha), for any alpha
        for p in self._learning:
            p.grad = None
        totals = torch.zeros(2, dtype=torch.float32, device=self.accelerator.device)
        for batch in self._batches():
            here, told = slice(batch.start, batch.stop), self._of(c, batch)
            t, x0 = self._noise(batch, step)
            x_t, u_t = paths.get("linear").interpolate(self.model.heard(t).to(x1), x0.to(x1), x1[here])
            with torch.no_grad(), self.model.reference():
                v_ref_t = self.model.velocity(t, x_t, told)
            v_t = self.model.velocity(t, x_t, told)
            fit, penalty = losses.fit(v_t, u_t, w[here]), losses.penalty(v_t, v_ref_t)
            share = len(batch) / self.settings.images_a_round
            self.scaler.scale(share * ((1 - pull) * fit + pull * penalty)).backward()
            totals += share * torch.stack([fit.detach(), penalty.detach()])
        totals = self.accelerator.reduce(totals, "sum").cpu()
        self._descend(totals)
        return totals

    def _descend(self, totals: Tensor) -> None:
        """Add up what the processes found, take the step, and one of the running average."""
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in self._learning]
        together = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "sum")
        for p, g in zip(self._learning, together.split([p.numel() for p in self._learning])):
            p.grad = g.view_as(p)
        self.scaler.unscale_(self.optimizer)
        finite = checks.all_finite(
            torch.stack(torch._foreach_norm([p.grad for p in self._learning if p.grad is not None]))
        )
        calibrating = self.scaler.is_enabled() and self.scaler.get_scale() > LEAST_SCALE
        if not (checks.all_finite(totals) and (finite or calibrating)):
            raise self._diverged("loss or its gradient")
        if self.settings.max_grad_norm is not None and finite:
            torch.nn.utils.clip_grad_norm_(self._learning, self.settings.max_grad_norm)
        if self.settings.warmup_steps:
            for group in self.optimizer.param_groups:
                group["lr"] = self.settings.lr * min(1.0, (self.steps + 1) / self.settings.warmup_steps)
        self.scaler.step(self.optimizer)  # in float16 it leaves out a step whose scale was too large
        self.scaler.update()
        if finite:
            self.steps += 1
            with torch.no_grad():
                share = newest(self.settings.average_decay, self.steps)
                torch._foreach_lerp_(list(self.average.values()), tuple(self._learning), share)

    def _diverged(self, what: str) -> Diverged:
        settings = self.settings
        return Diverged(what, self.round + 1, f"alpha {settings.alpha:g}, tau {settings.tau:g}, lr {settings.lr:g}")

    # Who does what --------------------------------------------------------------------------------------------------

    def _batches(self) -> list[range]:
        """The images of this process by the micro-batch, as places among its own."""
        return _cut(len(self._own), self.settings.micro_batch)

    def _of(self, c: Sequence[str], batch: range) -> Told:
        """What these images were told."""
        return self.words.of([c[place] for place in batch]).to(self.accelerator.device)

    def _noise(self, batch: range, step: int) -> tuple[Tensor, Tensor]:
        """A time and noise for each image, (n,) and (n, *event_shape), its own whoever it belongs to."""
        found = [self._seeded("images", self.round, step, self._own[place]) for place in batch]
        t = torch.stack([torch.rand((), generator=own, dtype=torch.float32) for own in found])
        return t, torch.cat([flow.noise(1, self.model.event_shape, generator=own) for own in found])

    def _seeded(self, purpose: str, *numbers: int) -> torch.Generator:
        """A generator for one thing and nothing else."""
        entropy = [self.settings.seed, *purpose.encode(), *numbers]
        return torch.Generator().manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))

    def _gathered(self, found: list[Any]) -> list[Any]:
        """Everybody's, in the processes' order."""
        from accelerate.utils import gather_object

        return gather_object(found)

    # What it looks like ---------------------------------------------------------------------------------------------

    def images(self, prompts: Sequence[str], each: int, *, of: str = "average") -> Tensor:
        """Images of prompts, from noise that is always the same: (prompts x each, 3, height, width), on the CPU.

        Args:
            prompts: some of the settings' ``prompts``, ``sheet_prompts`` and ``held_out``, whose words are known.
            each: how many of each, in a row.
            of: "average", the running average of the adapters; "policy", as they are now; or "reference", without them.

        Raises:
            ValueError: an argument out of range.
        """
        each, of = checks.integer("each", each), checks.choice("of", of, OF)
        if (
            not isinstance(prompts, list | tuple)
            or not prompts
            or not {str(prompt) for prompt in prompts} <= self._texts
        ):
            raise checks.fail("prompts", prompts, "some of the prompts, sheet_prompts and held_out of the settings")
        told = [str(prompt) for prompt in prompts for _ in range(each)]
        shape, found = self.model.event_shape, []
        with self._as(of):
            for batch in _cut(len(told), self.settings.micro_batch):
                x0 = torch.cat([flow.noise(1, shape, generator=self._seeded("sheet", place)) for place in batch])
                x1 = self.model.draw(self._of(told, batch), x0, self.settings.sampler_steps)
                found.append(self.model.decode(x1).cpu())
        return torch.cat(found)

    def _as(self, of: str) -> contextlib.AbstractContextManager[None]:
        if of == "average":
            return self.model.wearing(self.average)
        return self.model.reference() if of == "reference" else contextlib.nullcontext()

    def _track(self) -> None:
        """Curves begin, or go on from here: what an interrupted run had written beyond is taken back."""
        if self.settings.tracker != "none" and not self._tracked:
            self.accelerator.init_trackers("curves", init_kwargs={"tensorboard": {"purge_step": self.round + 1}})
            self._tracked = True

    def close(self) -> None:
        """Write what the tracker still holds, part from other processes, and free the folder; no rounds after that."""
        self.accelerator.end_training()
        keeping.let_go(self._place, self)

    # Keeping a run --------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """All that rounds change, as copies on the CPU: adapters, their average, optimiser, and how far it is."""
        live: dict[str, Tensor] = {f"adapter.{name}": p for name, p in self.model.adapters.items()}
        live |= {f"average.{name}": p for name, p in self.average.items()}
        for index, entries in self.optimizer.state_dict()["state"].items():
            live |= {f"optimizer.{index}.{name}": torch.as_tensor(value) for name, value in entries.items()}
        live |= {f"scaler.{name}": torch.tensor(value) for name, value in self.scaler.state_dict().items()}
        live |= {"round": torch.tensor(self.round), "steps": torch.tensor(self.steps)}
        return {name: value.detach().to("cpu", copy=True) for name, value in live.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave.

        Raises:
            ValueError: the values are another model's.
        """
        parts: dict[str, dict[str, Tensor]] = {"adapter": {}, "average": {}, "scaler": {}, "optimizer": {}}
        for key, value in state.items():
            part, _, name = key.partition(".")
            parts.get(part, {})[name] = value
        self.model.put_on(parts["average"])  # which looks whether they fit
        self.average = {name: p.detach().clone() for name, p in self.model.adapters.items()}
        self.model.put_on(parts["adapter"])
        entries: dict[int, dict[str, Any]] = {}
        for key, value in parts["optimizer"].items():
            index, _, name = key.partition(".")
            plain = value.ndim == 0 and not value.is_floating_point()  # a number that some optimisers count with
            entries.setdefault(int(index), {})[name] = value.item() if plain else value.clone()
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": entries, "param_groups": groups})
        if parts["scaler"]:
            self.scaler.load_state_dict({name: value.item() for name, value in parts["scaler"].items()})
        self.round, self.steps = int(state["round"]), int(state["steps"])

    def save(self) -> None:
        """Keep the run in its folder: one file with its whole state, and the average as LoRA weights for diffusers.

        ``pipe.load_lora_weights(folder / "lora")`` reads the second. Each is written whole or not at all, by the first
        process; a run that is stopped in between goes on from the first.
        """
        if not self.accelerator.is_main_process:
            return
        tensors = self.state_dict() | {f"good.{name}": value for name, value in self._good.items()}
        metadata = {"settings": self.settings.as_json(), "origin": self.origin, "history": self.history}
        metadata["diverged"] = self._diverged_with
        keeping.write(self._place, tensors, metadata, rotate=self._rotate)
        self._rotate = True
        self.model.export(self._place / LORA, self.average)

    def _stay(self) -> None:
        """Keep what was just saved under its round: to go on from there, its state goes into a new run's folder."""
        if not self.accelerator.is_main_process:
            return
        place = self._place / keeping.KEPT / f"{self.round:06d}"
        place.mkdir(parents=True, exist_ok=True)
        keeping.link(self._place / STATE, place / STATE)
        self.model.export(place / LORA, self.average)

    @property
    def _place(self) -> Path:
        return Path(self.settings.folder)

    def _hold(self) -> None:
        """The folder is there, can be written to and is this run's, before anything large is read."""
        wrong = ""
        if self.accelerator.is_main_process:
            try:
                self._place.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._place):
                    pass
                self._note(keeping.hold(self._place, self))
            except OSError as error:
                allowed = f"a folder that can be written ({error.strerror})"
                wrong = str(checks.fail("folder", str(self._place), allowed))
            except ValueError as error:
                wrong = str(error)
        for sentence in self._gathered([wrong]):
            if sentence:
                raise ValueError(sentence)

    def _compare(self, begun: keeping.Kept) -> None:
        """Whether the run may go on with this model, reward and settings; and what of it is new."""
        self.history = list(begun.metadata.get("history", []))
        for sentence in keeping.changed(self.settings, begun, self.origin):
            self._note(sentence)
        self.round = begun.round

    def _steered(self) -> None:
        """Write down by what, from now on."""
        entry = {name: getattr(self.settings, name) for name in STEERED} | {"origin": self.origin}
        last = {name: value for name, value in self.history[-1].items() if name != "after"} if self.history else None
        if entry != last:
            self.history.append({"after": self.round, **entry})

    def _note(self, sentence: str) -> None:
        if sentence:
            self.notes.append(sentence)
            if self.accelerator.is_main_process:
                warnings.warn(sentence, stacklevel=4)

    def _go_on(self, tensors: dict[str, Tensor]) -> None:
        self.load_state_dict({name: value for name, value in tensors.items() if not name.startswith("good.")})
        self._good = {name.removeprefix("good."): v for name, v in tensors.items() if name.startswith("good.")}


class _Clock:
    """What the parts of a round take, in seconds and in memory."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.parts = device, dict[str, float]()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._began = self._now()

    def ended(self, part: str) -> None:
        """What went on until now was this."""
        now = self._now()
        self.parts[part], self._began = now - self._began, now

    @property
    def memory(self) -> float:
        """The most that was taken since the clock began, in GiB; NaN where nobody counts it."""
        return torch.cuda.max_memory_allocated(self.device) / 2**30 if self.device.type == "cuda" else math.nan

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


def shared(settings: Settings, processes: int) -> int:
    """How many images of a round are each process's.

    Raises:
        ValueError: they cannot be shared evenly.
    """
    if settings.images_a_round % processes:
        allowed = f"numbers whose product is a multiple of {processes}, as there are so many processes"
        said = f"{settings.prompts_a_round} and {settings.images_a_prompt}"
        raise ValueError(f"prompts_a_round and images_a_prompt are {said}; allowed: {allowed}")
    return settings.images_a_round // processes


def guided(guidance: float) -> str:
    """What a guidance above 1 does to Stable Diffusion 3, in a sentence."""
    return (
        f"guidance is {guidance:g}: images are drawn from another field than the one that learns; what the W2 term "
        "holds to is then not what the reference draws. At 1 theory and draws agree"
    )


def device(settings: Settings) -> torch.device:
    """Where this process computes.

    Raises:
        ValueError: a GPU is asked for, and there is none.
    """
    there = torch.cuda.is_available()
    if settings.device == "cuda" and not there:
        raise checks.fail("device", settings.device, "cpu or auto: torch finds no GPU here")
    on_gpu = there and settings.device != "cpu"
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if on_gpu else torch.device("cpu")


def _accelerator(settings: Settings) -> Any:
    """Who the processes are, on which device, and where curves go. Precision is the model's own matter."""
    from accelerate import Accelerator, InitProcessGroupKwargs

    cpu = device(settings).type == "cpu"
    tracker = None if settings.tracker == "none" else settings.tracker
    patience = InitProcessGroupKwargs(timeout=PATIENCE)
    return Accelerator(
        cpu=cpu, mixed_precision="no", log_with=tracker, project_dir=settings.folder, kwargs_handlers=[patience]
    )


def _optimizer(parameters: list[torch.nn.Parameter], settings: Settings) -> torch.optim.Optimizer:
    """Adam, whose memory may take a quarter."""
    if not settings.eight_bit:
        return torch.optim.Adam(parameters, lr=settings.lr, fused=True)
    try:
        from bitsandbytes.optim import Adam8bit
    except ImportError as error:
        raise checks.fail("eight_bit", True, "false, where bitsandbytes is not installed") from error
    return Adam8bit(parameters, lr=settings.lr)


def _cut(n: int, size: int) -> list[range]:
    return [range(k, min(k + size, n)) for k in range(0, n, size)]
