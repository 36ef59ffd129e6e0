"""The command ``orwlab``: the app, the pocket lab, JupyterLab, the notebooks, the zoo, sweeps, the report.

Also ``python -m orwlab``.

Nothing heavy is imported before it is known what is wanted. Whatever a person can do wrong ends in one sentence.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import orwlab

COPIES = "orwlab-notebooks"  # where `orwlab lab` puts copies, if nobody says where
POCKET = "orwlab-pocket.html"
NEEDS = {  # beyond what every installation has, with the extra that brings it
    "app": ("app", ("gradio",)),
    "pocket": ("app", ("gradio",)),
    "lab": ("notebooks", ("jupyterlab", "ipywidgets", "anywidget", "plotly")),
    "science": ("app", ("plotly",)),
}
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 for what did not work, 2 for what was not understood."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    command = given[0] if given else ""
    try:
        status = _run(given)
        sys.stdout.flush()  # here, where a reader that has gone can still be noticed
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # such as `orwlab zoo list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "orwlab":
            raise
        return _say(_missing(error.name, NEEDS.get(command, ("app", ()))[0]))
    except OSError as error:
        what = f"{error.filename}: " if error.filename else ""
        return _say(f"{what}{error.strerror or error}")
    except ValueError as error:
        return _say(str(error))


def _run(arguments: list[str]) -> int:
    # the zoo, sweeps and the report have command lines of their own, which get the rest as it is
    if arguments[:1] == ["zoo"]:
        from orwlab.zoo import __main__ as zoo

        return zoo.main(arguments[1:], program="orwlab zoo")
    if arguments[:1] == ["science"]:
        if absent := _absent("science"):
            return _say(absent)
        from orwlab.teach.science import __main__ as science

        return science.main(arguments[1:], program="orwlab science")
    if arguments[:1] == ["sweep"]:
        from orwlab.sweep import __main__ as sweep

        return sweep.main(arguments[1:], program="orwlab sweep")
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    if rest and options.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if absent := _absent(options.command):
        return _say(absent)
    if options.command == "notebooks":
        from orwlab.teach import handout

        print(handout.copy(options.folder, force=options.force))
        return 0
    if options.command == "pocket":
        return _pocket(options.out)
    return _app(options) if options.command == "app" else _lab(options.folder, rest)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orwlab",
        description="Watch flow-matching models being fine-tuned with rewards.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"orwlab {orwlab.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    app = commands.add_parser("app", help="serve the live lab", allow_abbrev=False)
    app.add_argument("--host", help="where to listen (default: HOST, else 127.0.0.1)")
    app.add_argument("--port", help="at which port (default: PORT, else 7860)")
    lab = commands.add_parser(
        "lab",
        help="open JupyterLab on the notebooks",
        description="Open JupyterLab on the notebooks. Options such as --no-browser or --port=8889 are JupyterLab's.",
        allow_abbrev=False,
    )
    lab.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help=f"where the notebooks are, or go to if there are none (default: a checkout's own, else {COPIES})",
    )
    copy = commands.add_parser("notebooks", help="copy the notebooks to a folder", allow_abbrev=False)
    copy.add_argument("folder", metavar="FOLDER", help="where to; made if there is none")
    copy.add_argument("--force", action="store_true", help="replace files that differ")
    pocket = commands.add_parser("pocket", help="write the pocket lab: one HTML file for a browser", allow_abbrev=False)
    pocket.add_argument("--out", metavar="FILE", default=POCKET, help=f"where to (default: {POCKET})")
    commands.add_parser("zoo", help="list the pretrained networks, or train one again")
    commands.add_parser("sweep", help="many runs from a file, held to their exact answers")
    commands.add_parser("science", help="measure every claim again, and write a report")
    return parser


def _app(options: argparse.Namespace) -> int:
    for name in ("host", "port"):
        if getattr(options, name) is not None:
            os.environ[name.upper()] = getattr(options, name)
    from orwlab.show.web import serve

    serve.main("orwlab app --port {port}")
    return 0


def _pocket(out: str) -> int:
    from orwlab import files
    from orwlab.show.web import pocket_page

    files.write_bytes(out, pocket_page.page().encode())
    print(out)
    return 0


def _lab(given: str | None, options: list[str]) -> int:
    from orwlab.teach import handout

    folder = str(handout.checkout() or COPIES) if given is None else given
    if not (folder and any(Path(folder).glob("*.ipynb"))):
        print(handout.copy(folder))
    from jupyterlab.labapp import LabApp

    LabApp.launch_instance(argv=[folder, *options])
    return 0


def _absent(command: str) -> str | None:
    """A sentence about the first module that ``command`` needs and that is not installed."""
    extra, modules = NEEDS.get(command, ("app", ()))
    for module in modules:
        if importlib.util.find_spec(module) is None:
            return _missing(module, extra)
    return None


def _missing(module: str, extra: str) -> str:
    return f'{module} is not installed; this brings it: pip install "orwlab[{extra}]"'


def _say(sentence: str) -> int:
    print(f"orwlab: {sentence}", file=sys.stderr)
    return 1
