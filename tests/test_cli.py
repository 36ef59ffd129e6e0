"""The command ``orwlab``: from the checkout, and from a wheel installed somewhere else."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tarfile
import time
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

import orwlab
from orwlab import cli, zoo
from orwlab.teach import handout

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
KINDS = (".md", ".html", ".ipynb", ".gif")
NAMES = sorted(
    path.relative_to(NOTEBOOKS).as_posix()
    for path in NOTEBOOKS.rglob("*")
    if path.suffix in KINDS and ".ipynb_checkpoints" not in path.parts
)


def said(capsys) -> str:
    """The one sentence on standard error."""
    err = capsys.readouterr().err
    assert err.startswith("orwlab: ")
    assert err.count("\n") == 1
    return err.removeprefix("orwlab: ").rstrip()


def held(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# What it does -------------------------------------------------------------------------------------------------------


def test_it_says_its_version_and_what_it_can_do(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"orwlab {orwlab.__version__}\n"
    assert cli.main([]) == 2
    help_text = capsys.readouterr().err
    for command in ("app", "lab", "notebooks", "pocket", "zoo", "science"):
        assert re.search(rf"\n    {command}\s+\w", help_text)


def test_finding_out_what_is_wanted_loads_nothing_heavy():
    code = "import sys, orwlab.cli as c; c.main([]); print(sorted({'torch', 'numpy', 'gradio'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_notebooks_are_copied_and_it_says_how_many(tmp_path, capsys):
    assert cli.main(["notebooks", str(tmp_path / "a" / "b")]) == 0
    solved = len([name for name in NAMES if name.endswith(".ipynb") and "/" not in name])
    others = len(NAMES) - 2 * solved
    line = (
        f"Copied {solved} notebooks, {solved} student's versions and {others} other files to {tmp_path / 'a' / 'b'}.\n"
    )
    assert capsys.readouterr().out == line
    assert held(tmp_path / "a" / "b") == NAMES
    for name in NAMES:
        assert (tmp_path / "a" / "b" / name).read_bytes() == (NOTEBOOKS / name).read_bytes()


def test_what_somebody_has_written_is_replaced_only_by_force(tmp_path, capsys):
    mine, other = tmp_path / "01_flow_matching.ipynb", tmp_path / "student" / "02_reward_weighting.ipynb"
    cli.main(["notebooks", str(tmp_path)])
    mine.write_text("my answers")
    (tmp_path / "07_the_trade_off.ipynb").unlink()
    capsys.readouterr()
    assert cli.main(["notebooks", str(tmp_path)]) == 1
    assert said(capsys) == f"{mine} would be overwritten, and nothing was; --force replaces them"
    assert mine.read_text() == "my answers"
    assert not (tmp_path / "07_the_trade_off.ipynb").exists(), "all or nothing"
    other.write_text("more of mine")
    assert cli.main(["notebooks", str(tmp_path)]) == 1
    assert f"{mine} and 1 more would be overwritten" in said(capsys)

    assert cli.main(["notebooks", str(tmp_path), "--force"]) == 0
    out = capsys.readouterr().out
    assert (
        out == f"Copied 2 notebooks and 1 student's version to {tmp_path}; {len(NAMES) - 3} files were there already.\n"
    )
    assert mine.read_bytes() == (NOTEBOOKS / mine.name).read_bytes()
    assert cli.main(["notebooks", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"Nothing to copy to {tmp_path}: all {len(NAMES)} files were there already.\n"


def test_where_notebooks_cannot_go_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["notebooks", str(tmp_path / "file")]) == 1
    assert said(capsys) == f"folder is {str(tmp_path / 'file')!r}; allowed: a folder, or a name that is not taken"
    assert cli.main(["notebooks", str(tmp_path / "file" / "below")]) == 1
    assert said(capsys) == f"{tmp_path / 'file' / 'below'}: Not a directory"
    for bad in ("", " ", "a\0b"):
        assert cli.main(["notebooks", bad]) == 1
        assert "folder is " in said(capsys)
    for bad in (3, None, ["a"], tmp_path.stat()):
        with pytest.raises(ValueError, match=r"folder is .*; allowed: the name of a folder"):
            handout.copy(bad)
    with pytest.raises(ValueError, match="force is 'yes'; allowed: True or False"):
        handout.copy(tmp_path / "new", force="yes")
    assert held(tmp_path) == ["file"]


def test_the_pocket_lab_is_written_as_one_file(tmp_path, capsys):
    from orwlab.show.web import pocket_page

    file = tmp_path / "lab.html"
    assert cli.main(["pocket", "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_text(encoding="utf-8") == pocket_page.page()
    assert cli.main(["pocket", "--out", str(tmp_path / "none" / "lab.html")]) == 1
    assert "none" in said(capsys)
    assert held(tmp_path) == ["lab.html"]


def test_the_zoo_and_the_report_are_what_they_are_as_modules(tmp_path, capsys):
    assert cli.main(["zoo", "list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in listed for name in zoo.names())
    assert cli.main(["science", "--only", "house_of_cards", "--folder", str(tmp_path)]) == 0
    assert f"Wrote {tmp_path / 'report.html'}" in capsys.readouterr().out
    assert (tmp_path / "report.html").is_file()
    for command in ("zoo", "science"):
        with pytest.raises(SystemExit) as end:
            cli.main([command, "--help"])
        assert end.value.code == 0
        assert capsys.readouterr().out.startswith(f"usage: orwlab {command} ")


def test_python_m_is_the_same():
    done = subprocess.run([sys.executable, "-m", "orwlab", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"orwlab {orwlab.__version__}\n"


# What can go wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["lion"], ["notebooks"], ["app", "--ports", "1"], ["zoo"], ["zoo", "train"], ["science", "--all"]]
)
def test_what_is_not_understood_ends_with_how_it_is_used(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: orwlab")


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        (["app"], "gradio", "app"),
        (["lab"], "jupyterlab", "notebooks"),
        (["lab"], "ipywidgets", "notebooks"),
        (["science"], "plotly", "app"),
    ],
)
def test_a_missing_extra_is_one_sentence_that_says_how_to_get_it(command, module, extra, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    assert cli.main(command) == 1
    assert said(capsys) == f'{module} is not installed; this brings it: pip install "orwlab[{extra}]"'
    assert held(tmp_path) == []


def test_a_port_that_is_taken_is_said_with_the_command_that_takes_another(monkeypatch):
    monkeypatch.setenv("HOST", "127.0.0.1")  # both are set by options, and put back afterwards
    monkeypatch.setenv("PORT", "1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"Cannot listen on 127.0.0.1:{port}: .*\n.* orwlab app --port \d+$"):
            cli.main(["app", "--port", str(port)])
    with pytest.raises(SystemExit, match=r"HOST is 'nowhere\.invalid'; allowed: "):
        cli.main(["app", "--host", "nowhere.invalid", "--port", str(port)])


def test_a_missing_library_deeper_down_is_said_too():
    code = "import sys; sys.modules['torch'] = None; import orwlab.cli as c; sys.exit(c.main(['zoo', 'list']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'orwlab: torch is not installed; this brings it: pip install "orwlab[app]"\n'


def test_a_folder_that_cannot_be_written_is_said(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    arguments = ["science", "--only", "house_of_cards", "--folder", str(tmp_path / "file" / "x")]
    assert cli.main(arguments) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"orwlab: {tmp_path / 'file' / 'x'}: Not a directory"


def test_a_reader_that_has_gone_leaves_no_trace():
    command = f"{sys.executable} -m orwlab zoo list | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("name ")
    assert done.stderr == ""


def test_ctrl_c_ends_it_without_a_trace(tmp_path):
    command = [sys.executable, "-m", "orwlab", "zoo", "train", "gaussian", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            begun = running.stderr.read(20)  # the progress bar
            assert begun.lstrip().startswith("gaussian")
            running.send_signal(signal.SIGINT)
            _, err = running.communicate(timeout=60)
        finally:
            running.kill()
    assert running.returncode == cli.INTERRUPTED
    assert "Traceback" not in err
    assert held(tmp_path) == []


# The wheel, alone ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a source distribution, which is built from what a clone holds; nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    kept = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.egg-info")
    for name in ("orwlab", "notebooks"):
        shutil.copytree(ROOT / name, clone / name, ignore=kept)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone / name)
    code = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
    run([sys.executable, "-c", code, str(folder)], clone)
    (packed,) = folder.glob("orwlab-*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    earlier = source / "build" / "lib" / "orwlab"
    earlier.mkdir(parents=True)
    (earlier / "removed_since.py").write_text("")
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    run([sys.executable, "-m", "pip", "wheel", "--quiet", *offline, "--wheel-dir", str(folder), "."], source)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command in a new environment that holds the wheel, and sees this one's libraries but not its orwlab."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = ["install", "--quiet", "--no-deps", "--no-index", "--no-warn-script-location", str(wheel)]
    run([sys.executable, "-m", "pip", f"--python={python}", *install], folder)
    (site,) = folder.glob("lib/python*/site-packages")
    paths = sysconfig.get_paths()
    (site / "libraries.pth").write_text("\n".join(dict.fromkeys([paths["purelib"], paths["platlib"]])))
    where = run([str(python), "-c", "import orwlab; print(orwlab.__file__)"], folder)
    assert Path(where.strip()).is_relative_to(folder)
    return folder / "bin" / "orwlab"


def clean() -> dict[str, str]:
    """The environment without what would lead back to the checkout."""
    return {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "HOST", "PORT")}


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, env=clean(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_whole_package_and_the_notebooks_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "orwlab").rglob("*") if path.is_file()}
        package = {name for name in package if "__pycache__" not in name and "/." not in name}  # . is unfinished work
        assert inside == package | {f"orwlab/notebooks/{name}" for name in NAMES}
        for name in NAMES:
            assert archive.read(f"orwlab/notebooks/{name}") == (NOTEBOOKS / name).read_bytes()
    (stated,) = re.findall(r"one file of (\d+) MB", (ROOT / "README.md").read_text())
    assert wheel.stat().st_size / 1e6 == pytest.approx(float(stated), abs=0.6)


@pytest.mark.slow
def test_installed_alone_it_copies_notebooks_and_knows_the_zoo(installed, tmp_path):
    assert run([str(installed), "--version"], tmp_path) == f"orwlab {orwlab.__version__}\n"
    assert "other files to notes.\n" in run([str(installed), "notebooks", "notes"], tmp_path)
    assert held(tmp_path / "notes") == NAMES
    listed = run([str(installed), "zoo", "list"], tmp_path)
    assert all(f"\n{name} " in listed for name in zoo.names())


@contextlib.contextmanager
def serving(command: list[str], folder: Path, **environment: str):
    """The process while it serves; stopped by its own id as a machine would, and what it wrote in the list."""
    with open(folder / "output.txt", "w+") as output:
        running = subprocess.Popen(command, cwd=folder, env=clean() | environment, stdout=output, stderr=output)
        written: list[str] = []
        try:
            yield written
            assert running.poll() is None
            running.send_signal(signal.SIGTERM)
            running.wait(60)
        finally:
            running.kill()
            running.wait(30)
            output.seek(0)
            written.append(output.read())


def fetched(url: str, patience: float = 120.0) -> str:
    """The page, once there is one."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as page:
                assert page.status == 200
                return page.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.slow
def test_installed_alone_it_serves_the_live_lab(installed, tmp_path):
    port = free_port()
    with serving([str(installed), "app", "--host", "127.0.0.1", "--port", str(port)], tmp_path) as written:
        deadline = time.monotonic() + 120
        while f"http://127.0.0.1:{port} " not in (tmp_path / "output.txt").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert "orwlab: live lab" in fetched(f"http://127.0.0.1:{port}/")
    assert "Traceback" not in written[0]


@pytest.mark.slow
def test_installed_alone_it_opens_jupyterlab_on_copies_that_it_makes_once(installed, tmp_path):
    port = free_port()
    command = [str(installed), "lab", "--no-browser", f"--port={port}", "--allow-root", "--IdentityProvider.token=t"]
    assets = Path(sys.prefix) / "share" / "jupyter" / "lab"  # of the environment whose libraries it sees
    names = [name for name in NAMES if "/" not in name]
    for copied in (True, False):
        with serving(command, tmp_path, JUPYTERLAB_DIR=str(assets)) as written:
            listed = json.loads(fetched(f"http://127.0.0.1:{port}/api/contents?token=t"))
            assert {entry["name"] for entry in listed["content"]} == {*names, "student", "films"}
        assert ("Copied " in written[0]) == copied
        (tmp_path / cli.COPIES / "01_flow_matching.ipynb").write_text("my answers")
    assert (tmp_path / cli.COPIES / "01_flow_matching.ipynb").read_text() == "my answers"
