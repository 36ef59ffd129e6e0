"""``python -m orwlab.sweep SPEC.yaml [--folder FOLDER] [--jobs N] [--csv FILE]``: a sweep from a file."""

import argparse
import shlex
import sys
import textwrap
from typing import Any

from orwlab import methods, rewards, sweep, zoo
from orwlab.sweep import plan, spec
from orwlab.sweep.once import WorkerLost

INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


def main(arguments: list[str] | None = None, program: str = "python -m orwlab.sweep") -> int:
    """Run the command line; returns the exit status. ``program`` is what help calls it."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Run every combination that a file asks for, and print a line a cell. Begun again, it goes on.",
        epilog=_epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("spec", metavar="SPEC.yaml", help="what is to be done")
    parser.add_argument("--folder", help="where finished tasks are kept (default: the file's, else its name)")
    parser.add_argument("--jobs", type=int, help="processes, each on one thread (default: the file's, else one a core)")
    parser.add_argument("--csv", metavar="FILE", help="where the table goes (default: FOLDER/table.csv)")
    options = parser.parse_args(arguments)
    try:
        found = spec.read(options.spec)
        given = {"folder": options.folder, "jobs": options.jobs}
        found |= {name: value for name, value in given.items() if value is not None}
        found.setdefault("folder", spec.folder_of(options.spec))
        try:
            table = sweep.run(**found)
        except KeyboardInterrupt:
            print(f"\norwlab: {_interrupted(found, program, options.spec)}", file=sys.stderr)
            return INTERRUPTED
        print(table)
        place = options.csv or f"{found['folder']}/table.csv"
        table.write(place)
    except KeyboardInterrupt:
        print("\norwlab: interrupted before any work", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, WorkerLost) as error:
        print(f"orwlab: {error}", file=sys.stderr)
        return 1
    print(f"written: {place}", file=sys.stderr)
    return 0


def _interrupted(found: dict[str, Any], program: str, path: str) -> str:
    done, all_of_it = sweep.finished(**found)
    return (
        f"interrupted. {done} of {all_of_it} tasks are finished, and kept in {found['folder']}. "
        f"The same command goes on from there: {program} {shlex.quote(path)}, with the same options"
    )


def _epilog() -> str:
    example = (spec.__doc__ or "").partition("\n")[2].strip("\n")
    names = {"target": zoo.names("points"), "reward": rewards.names(), "method": methods.names()}
    known = [textwrap.fill(f"{kind}: {', '.join(found)}", 100, subsequent_indent="  ") for kind, found in names.items()]
    settings = textwrap.fill(f"settings: {', '.join(plan.all_settings())}", 100, subsequent_indent="  ")
    return "\n".join([
        *("Such a file:", "", example, "", "Names that are known:", "", *known, settings, ""),
        "Ctrl-C loses only what is under way: begun again, it goes on. Exit status: 0 done (runs that failed have a",
        "sentence in the table), 1 something is wrong, 2 the command was not understood, 130 interrupted.",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
