"""The paper's method for a model that is told what to make: prompts, and weights of mean one within each.

    run = PromptedFineTuning(v, clip.score, captions.tokens(prompts), alpha=0.3, rank=8)

This is the loop of ``orw``, with a condition c that goes along. A round takes some prompts, draws a few samples of
each, weighs the samples of a prompt against one another, and takes gradient steps on

    E[ w(x1 | c) |v_theta(t, x_t, c) - u_t|^2 + alpha |v_theta(t, x_t, c) - v_ref(t, x_t, c)|^2 ].

Large models are fine-tuned in the same way; only the networks are larger. Two rivals differ in the weights alone (RAFT,
ReFT), one in the penalty.
"""

from collections.abc import Callable, Iterator
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from orwlab import checks, couplings, files, foreign, losses, weights
from orwlab.flow import Sampler
from orwlab.methods.orw import FineTuning
from orwlab.methods.run import FORMAT, Snapshot

PENALTIES = ("w2", "kl")
Score = Callable[[Tensor, Tensor], Any]
"""a reward of samples and what they were told, (n, *event), (n, ...) -> (n,)"""


class PromptedFineTuning(FineTuning):
    """Fine-tune ``v(t, x, c)`` towards a reward ``r(x1, c)``, round by round.

    Args:
        reference: ``v_ref(t, x, c)``, pretrained, with an ``event_shape``.
        reward: any callable (x1, c) -> (n,), such as ``Clip.score``.
        conditions: what the prompts are told as, a row each, (m, ...): such as ``captions.tokens(prompts)``.
        tau: inverse temperature of the weights, >= 0.
        alpha: coefficient of the penalty, >= 0.
        weighting: "mean_one", "best" (RAFT) or "above" (ReFT): see ``weights.within``.
        threshold: of the reward, for "above" alone.
        penalty: "w2", or "kl" with ``losses.kl_weight``.
        prompts_a_round: how many different ones; all of them if None or fewer. Each comes as often as the others.
        samples_a_prompt: in a round; at least 2, for they are weighed against one another.
        steps_per_round: gradient steps on each draw.
        batch_size: samples a gradient step; all of the draw if None or more.
        lr: Adam's learning rate.
        seed: of everything random in the run, from 0 to 2^32 - 1.
        average_decay: as ``FineTuning`` has it.
        sampler: as ``FineTuning`` has it.
        policy: a trainable network to start from instead of a copy of the reference.
        event_shape: as ``FineTuning`` has it.
        rank: of low-rank ``adapters``, if only these are to learn; v_ref is then the policy with its adapters off.
        control_variate: as ``FineTuning`` has it, with the mean weight of the prompt.

    ``tau``, ``alpha``, ``lr``, ``reward``, ``steps_per_round`` and ``control_variate`` may change between rounds.

    Raises:
        ValueError: any argument out of range, named.
    """

    settings_names: tuple[str, ...] = (
        *("tau", "alpha", "weighting", "threshold", "penalty", "prompts_a_round", "samples_a_prompt"),
        *("steps_per_round", "batch_size", "lr", "seed", "average_decay", "sampler", "rank"),
        "control_variate",
    )

    def __init__(
        self,
        reference: nn.Module,
        reward: Score,
        conditions: Tensor,
        *,
        tau: float = 1.0,
        alpha: float = 1.0,
        weighting: str = "mean_one",
        threshold: float | None = None,
        penalty: str = "w2",
        prompts_a_round: int | None = None,
        samples_a_prompt: int = 8,
        steps_per_round: int = 1,
        batch_size: int | None = None,
        lr: float = 1e-3,
        seed: int = 0,
        average_decay: float = 0.98,
        sampler: Sampler | None = None,
        policy: nn.Module | None = None,
        event_shape: tuple[int, ...] | None = None,
        rank: int | None = None,
        control_variate: float = 0.0,
    ) -> None:
        allowed = "numbers with a row for each prompt, (m, ...), such as captions.tokens(prompts)"
        told = checks.array("conditions", conditions, allowed).detach()
        if told.ndim < 2 or told.numel() == 0:
            raise checks.fail("conditions", conditions, allowed)
        whole = isinstance(conditions, Tensor) and not conditions.is_floating_point()
        self.conditions = conditions.detach().clone() if whole else told.clone()  # the numbers of words stay whole
        self._turn = torch.zeros(0, dtype=torch.long)  # prompts that come next, in their order
        prompts = len(conditions) if prompts_a_round is None else checks.integer("prompts_a_round", prompts_a_round)
        self.prompts_a_round = min(prompts, len(conditions))
        self.samples_a_prompt = checks.integer("samples_a_prompt", samples_a_prompt, low=2)
        drawn = self.prompts_a_round * self.samples_a_prompt
        batch_size = drawn if batch_size is None else min(drawn, checks.integer("batch_size", batch_size))
        super().__init__(
            reference, reward, tau, alpha, "mean_one", "independent", steps_per_round, batch_size, lr, seed,  # type: ignore[arg-type]
            pool_size=drawn, average_decay=average_decay, sampler=sampler, policy=policy, event_shape=event_shape,
            rank=rank, control_variate=control_variate,
        )  # fmt: skip
        self.weighting = checks.choice("weighting", weighting, weights.WITHIN)
        self.threshold = None if threshold is None else checks.number("threshold", threshold)
        weights.within(torch.zeros(1, 2), self.tau, self.weighting, self.threshold)  # whether these go together
        self.penalty = checks.choice("penalty", penalty, PENALTIES)
        self.conditions = self.conditions.to(self.device)

    def rounds(self, n: int, watch: Tensor | None = None) -> Iterator[Snapshot]:
        """As ``FineTuning.rounds``. Of the noise to ``watch``, as many in a row are of each prompt, in their order."""
        if watch is not None and len(self._here("watch", watch)) % len(self.conditions):
            raise checks.fail("watch", f"noise of {len(watch)}", f"a multiple of {len(self.conditions)}, the prompts")
        return super().rounds(n, watch)

    def told(self, n: int) -> Tensor:
        """What ``n`` samples are told of which as many in a row are of each prompt, in their order: (n, ...)."""
        n = checks.integer("n", n)
        if n % len(self.conditions):
            raise checks.fail("n", n, f"a multiple of {len(self.conditions)}, the prompts")
        return self.conditions.repeat_interleave(n // len(self.conditions), 0)

    # The algorithm --------------------------------------------------------------------------------------------------

    def _trial(self) -> tuple[Tensor, ...]:
        return (self.conditions[torch.arange(2) % len(self.conditions)].to(self.device),)

    def _try(self, name: str, network: nn.Module) -> None:
        try:
            super()._try(name, network)
        except ValueError as error:
            raise ValueError(f"{error}; c was two rows of conditions, {tuple(self.conditions.shape)}") from error

    def _watching(self, n: int) -> Tensor | None:
        return self.told(n)

    def _draw(self) -> tuple[Tensor, Tensor]:
        """Some prompts, and a few samples of each in a row."""
        while len(self._turn) < self.prompts_a_round:
            order = torch.randperm(len(self.conditions), generator=self.generator)
            self._turn = torch.cat([self._turn, order])
        now, self._turn = self._turn[: self.prompts_a_round], self._turn[self.prompts_a_round :]
        c = self.conditions[now].repeat_interleave(self.samples_a_prompt, 0)
        return self._policy_samples(len(c), c), c

    def _weighed(self, x1: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rewards, and weights within each prompt."""
        reward: Any = self.reward
        r = foreign.values("reward", lambda x: reward(x, c), x1)
        log_w = weights.within(r.reshape(-1, self.samples_a_prompt), self.tau, self.weighting, self.threshold)
        return r, log_w.flatten()

    def _mean(self, w: Tensor) -> Tensor:
        """The mean weight of the sample's prompt."""
        return w.reshape(-1, self.samples_a_prompt).mean(1).repeat_interleave(self.samples_a_prompt)

    def _pair(self, x0: Tensor, x1: Tensor, w: Tensor) -> couplings.Pairs:
        """As they come: where nothing is above the threshold all weights are 0."""
        return couplings.Pairs(x0, x1, w)

    def _penalty(self, t: Tensor, v_t: Tensor, v_ref_t: Tensor) -> Tensor:
        return losses.penalty(v_t, v_ref_t, losses.kl_weight(t) if self.penalty == "kl" else 1.0)

    # Keeping a run --------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        return super()._state() | {"turn": self._turn}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what ``state_dict`` gave."""
        super().load_state_dict(state)
        self._turn = state["turn"].clone()

    def settings(self) -> dict[str, Any]:
        """The arguments, as they are now, that rebuild this run next to its network, reward and conditions."""
        return {name: value for name, value in super().settings().items() if name in self.settings_names}

    @classmethod
    def load(  # type: ignore[override]
        cls, path: str | PathLike[str], *, reward: Score, conditions: Tensor, reference: nn.Module
    ) -> "PromptedFineTuning":
        """A saved run, ready to go on: on the same machine, as if it had never stopped, bit for bit.

        Args:
            path: a file written by ``save``.
            reward: the reward, which a file cannot hold.
            conditions: of the prompts, likewise.
            reference: a network of the saved one's class, such as ``zoo.load("captions")``; its saved values are loaded
                into a copy.

        Raises:
            ValueError: the file is missing, damaged, or not such a file.
        """
        tensors, metadata = files.read(path, FORMAT)
        policy = None if metadata["settings"].get("rank") is not None else reference
        return cls._rebuilt(tensors, metadata, reward, reference, policy, conditions=conditions)  # type: ignore[arg-type]
