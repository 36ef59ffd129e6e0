"""``python -m orwlab.large train.yaml [--check] [--rounds N] [--folder F] | --example``.

Under ``torchrun`` or ``accelerate launch`` every process runs this, and the first one speaks. What a person can do
wrong ends in one sentence. An interrupt, also by SIGTERM, keeps the last whole round; the same command goes on there.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Any

import orwlab
from orwlab import large

INTERRUPTED = 130  # as a shell has it: 128 + SIGINT
PROGRAM = "python -m orwlab.large"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 for what did not work, 2 for what was not understood."""
    options = _parser().parse_args(arguments)
    before = signal.signal(signal.SIGTERM, _interrupt)  # with which a cluster ends a job
    try:
        large.needs()
        return _example() if options.example else _run(options)
    except KeyboardInterrupt:
        return _complain("interrupted; no round had begun", INTERRUPTED)
    except BrokenPipeError:  # such as `... --example | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        return _complain(f"{what}{error.strerror or error}")
    except (ValueError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name not in large.NEEDED:
            raise
        return _complain(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Fine-tune a Stable Diffusion 3 or Flux model towards a reward, as a YAML file says.",
        allow_abbrev=False,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", metavar="FILE", help="the settings, such as train.yaml")
    what.add_argument("--example", action="store_true", help="print a file with all settings, explained")
    parser.add_argument("--check", action="store_true", help="only say what would be done, and what it would take")
    parser.add_argument("--rounds", type=int, metavar="N", help="in place of the file's rounds")
    parser.add_argument("--folder", metavar="F", help="in place of the file's folder")
    parser.add_argument("--version", action="version", version=f"orwlab {orwlab.__version__}")
    return parser


def _run(options: argparse.Namespace) -> int:
    from orwlab.large import preflight, quiet, settings

    given: dict[str, Any] = {}
    if options.rounds is not None:
        given["rounds"] = options.rounds
    if options.folder is not None:
        given["folder"] = os.path.abspath(options.folder)  # seen from here, not from the file
    chosen = settings.read(options.file, **given)
    with quiet.libraries():
        plan = preflight.check(chosen)
    _say(str(plan))
    return 0 if options.check else _train(plan)


def _train(plan: Any) -> int:
    """Run the rounds; whatever ends them, the last whole one is kept."""
    import torch

    from orwlab.large import sheets, training

    settings, speaks = plan.settings, large.first()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what they say the plan has said
        run = training.Training(settings, reward=plan.reward, known=plan.known)
    shown = sheets.Sheets(settings, run.images, plan.reward, plan.features) if speaks else None
    left = settings.rounds - run.round
    _say(f"{left} of {settings.rounds} rounds are left" if left > 0 else f"all {settings.rounds} rounds are done")
    for sentence in [sentence for sentence in run.notes if sentence not in plan.warnings]:
        _say(f"note: {sentence}")
    try:
        if shown is not None and shown.missing(run.round):
            _say(f"  sheet of round {run.round}, which was not there: {sheets.told(shown.add(run.round))}")
        for snapshot in run.rounds():
            _say(_told(snapshot, settings.rounds))
            if shown is not None and shown.due(snapshot.round):
                _say(f"  sheet: {sheets.told(shown.add(snapshot.round))}")
    except KeyboardInterrupt:
        if not run.round:
            raise  # there is nothing to keep
        run.save()
        return _complain(
            f"interrupted; round {run.round} is kept, and the same command goes on from there", INTERRUPTED
        )
    except training.Diverged as error:
        return _complain(
            f"{error} This is round {run.round} in {settings.folder}: with another alpha, tau, lr or reward the same "
            "command goes on from there"
        )
    except torch.OutOfMemoryError:
        run.save()
        return _complain(
            f"the device has too little memory; round {run.round} is kept. Less is needed with a smaller micro_batch "
            f"(now {settings.micro_batch}), gradient_checkpointing (now "
            f"{str(settings.gradient_checkpointing).lower()}), a smaller resolution, or bf16"
        )
    finally:
        run.close()
    _say(f"done: {settings.folder} holds the adapters (lora), the sheets and numbers.jsonl")
    return 0


def _told(snapshot: Any, rounds: int) -> str:
    """A line a round."""
    memory = "" if snapshot.memory != snapshot.memory else f", {snapshot.memory:.1f} GiB"
    return (
        f"round {snapshot.round:>{len(str(rounds))}} of {rounds}: reward {snapshot.reward:.4g}, penalty "
        f"{snapshot.penalty:.3g}, effective sample size {snapshot.ess:.3g}, {snapshot.seconds:.1f} s{memory}"
    )


def _example() -> int:
    from orwlab.large import settings

    print(settings.example(), end="")
    sys.stdout.flush()  # here, where a reader that has gone can still be noticed
    return 0


def _say(text: str) -> None:
    if large.first():
        print(text, flush=True)


def _complain(sentence: str, status: int = 1) -> int:
    if large.first():
        print(f"{PROGRAM}: {sentence}", file=sys.stderr, flush=True)
    return status


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
