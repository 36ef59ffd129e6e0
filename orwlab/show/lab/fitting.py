"""Networks for targets that somebody brought along, trained on the spot, beside a session's rounds.

One thread of the process trains one network at a time. Who waits for the same target waits for the same training; a
training for which nobody waits any more ends.
"""

import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from orwlab import flow, paths, zoo
from orwlab.show.lab import own
from orwlab.show.lab.clouds import Cloud
from orwlab.velocity import Velocity

STEPS = 1500  # with half of them, samples are twice as far from where the exact field would lead them
BATCH = 256
LR = 2e-3
SEED = 0
BEGINS_AS = "eight_gaussians"  # the network of the zoo that training starts from: it knows about times already
KEPT = 8  # networks, besides those in use
TELL_EVERY = 50  # steps

_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="fitting")
_lock = threading.Lock()
_log = logging.getLogger(__name__)


def network(text: str) -> torch.nn.Module:
    """The reference for the target that ``text`` says, as ``zoo.load`` gives those of the zoo; the same for the same
    text. It is trained here and now if it is not known yet: some seconds.

    Raises:
        ValueError: ``text`` says no target that somebody brought along.
    """
    made = known(text)
    return _keep(text, train(text)) if made is None else made


def train(text: str, progress: bool | flow.Progress = False) -> torch.nn.Module:
    """Train a reference for what ``text`` says; ``progress`` as in ``flow.learn``.

    As the zoo's, it regresses on the exact field ``E[u_t | x_t]``, whose minimiser is the same as that of u_t.

    Raises:
        ValueError: as ``network``.
    """
    target = own.target(text)
    if not isinstance(target, Cloud):
        raise ValueError("only what somebody brought along is trained here; allowed: a painting or points")
    learner = zoo.load(BEGINS_AS).train()
    generator = torch.Generator().manual_seed(SEED)
    draw = lambda: target.sample(BATCH, generator=generator)  # noqa: E731
    losses = flow.matching_losses(learner, draw, generator, exact=exact_field(target))
    flow.learn(learner, losses, STEPS, LR, "fitting", progress)
    learner.path = paths.get("linear")  # type: ignore[assignment]
    return learner.eval()


def exact_field(target: Cloud) -> Velocity:
    """``E[u_t | x_t = x]`` on the linear path for equal round Gaussians: ``velocity.MixtureField``, ten times faster.

    With ``s = (1 - t)^2 + t^2 std^2`` and m(x) the posterior mean of the components' means,

        v(t, x) = m(x) + (t std^2 - (1 - t)) / s (x - t m(x)).
    """
    log_weights, means, variance = target.weights.log().float(), target.means.float(), target.std**2
    far = means.square().sum(1) / 2

    def v(t: Tensor, x: Tensor) -> Tensor:
        time = t.reshape(-1, 1)
        s = (1 - time).square() + time.square() * variance
        posterior = torch.softmax(log_weights + (time * (x @ means.T) - time.square() * far) / s, 1)
        mean = posterior @ means
        return mean + (time * variance - (1 - time)) / s * (x - time * mean)

    return v


class _Training:
    """One that runs, waits for its turn, or has ended and is still in use."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.step = 0
        self.network: torch.nn.Module | None = None
        self.failure: Exception | None = None
        self.waiting: weakref.WeakSet[Fitting] = weakref.WeakSet()  # a session that is dropped waits no more

    def work(self) -> None:
        """In the thread."""
        if not self.waiting:
            return
        try:
            made = known(self.text)
            made = train(self.text, self._told) if made is None else made
            if self.waiting:  # else it was ended half way
                self.network = _keep(self.text, made)
        except Exception as error:  # the session goes on with the exact answer, and says so
            _log.exception("fitting failed")
            self.failure = error
        self._tell()

    def _told(self, step: int, of: int) -> bool:
        self.step = step
        if step % TELL_EVERY == 0 and step < of:
            self._tell()
        return bool(self.waiting)

    def _tell(self) -> None:
        with _lock:
            waiting = list(self.waiting)
        for one in waiting:
            one.arrived()


_trainings: dict[str, _Training] = {}  # by text, those that somebody waits for or uses
_kept: OrderedDict[str, torch.nn.Module] = OrderedDict()  # by text, the last used at the end


def known(text: str) -> torch.nn.Module | None:
    """The network for ``text``, if it is there already."""
    with _lock:
        used = _trainings.get(text)
        if used is not None and used.network is not None:
            return used.network
        if text in _kept:
            _kept.move_to_end(text)
        return _kept.get(text)


def _keep(text: str, made: torch.nn.Module) -> torch.nn.Module:
    """Remember it; returns what others may have put there first."""
    with _lock:
        first = _kept.setdefault(text, made)
        _kept.move_to_end(text)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return first


class Fitting:
    """What a session has of networks that are trained for it.

    Args:
        arrived: called, from the other thread, when more is known.
    """

    def __init__(self, arrived: Callable[[], None]) -> None:
        self.arrived = arrived
        self._text = ""
        self._training: _Training | None = None

    def want(self, text: str) -> None:
        """From now on this target's network is wanted, and no other."""
        if text == self._text:
            return
        self.forget()
        self._text = text
        if not own.is_own(text):
            return
        made = known(text)
        with _lock:
            for other in [other for other in _trainings.values() if not other.waiting]:
                del _trainings[other.text]
            training = _trainings.get(text)
            if training is None or training.failure is not None:
                training = _trainings[text] = _Training(text)
                training.network = made
                new = made is None
            else:
                new = False
            training.waiting.add(self)
            self._training = training
        if new:
            _thread.submit(training.work)

    def forget(self) -> None:
        """Nobody asks any more."""
        with _lock:
            training, self._training, self._text = self._training, None, ""
            if training is not None:
                training.waiting.discard(self)
                if not training.waiting and _trainings.get(training.text) is training:
                    del _trainings[training.text]

    def missing(self, text: str) -> bool:
        """Whether the network of this target is not there yet."""
        return own.is_own(text) and (self._training is None or text != self._text or self._training.network is None)

    @property
    def pending(self) -> bool:
        """Whether something is being trained."""
        training = self._training
        return training is not None and training.network is None and training.failure is None

    @property
    def progress(self) -> dict[str, int] | None:
        """``{"step", "of"}`` of the training that is under way, waits for its turn or has just ended."""
        training = self._training
        return None if training is None or training.failure else {"step": training.step, "of": STEPS}

    @property
    def failure(self) -> Exception | None:
        """Why there will be no network, if so."""
        return None if self._training is None else self._training.failure
