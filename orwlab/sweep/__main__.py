"""``python -m orwlab.sweep SPEC.yaml [--folder FOLDER] [--jobs N] [--csv FILE]``: a sweep from a file."""

import argparse
import sys

from orwlab import sweep
from orwlab.sweep import spec
from orwlab.sweep.once import WorkerLost


def main(arguments: list[str] | None = None, program: str = "python -m orwlab.sweep") -> int:
    """Run the command line; returns the exit status. ``program`` is what help calls it."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Run every combination that a file asks for, and print a line a cell. Begun again, it goes on.",
        epilog=f"Such a file:\n\n{(spec.__doc__ or '').partition(chr(10))[2].strip(chr(10))}",
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
        table = sweep.run(**found)
        print(table)
        place = options.csv or f"{found['folder']}/table.csv"
        table.write(place)
    except (ValueError, WorkerLost) as error:
        print(f"orwlab: {error}", file=sys.stderr)
        return 1
    print(f"written: {place}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
