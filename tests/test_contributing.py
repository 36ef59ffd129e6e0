"""CONTRIBUTING.md is code too: its map is held to the imports, and what it says is done in a copy of the house."""

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from own_loop import in_own_loop
from test_package import FLOORS, floor, imported, modules

from orwlab import checks
from orwlab.show.lab.settings import Settings
from orwlab.show.web import lab_page, workers
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.workers import Worker

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
TOUCHED: list[str] = []  # files of the copy
ADDED = ["a target", "a reward", "a method", "a figure", "an exercise", "a page"]


def section(title: str) -> str:
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)[1]


# The map ------------------------------------------------------------------------------------------------------------

ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section("The house").splitlines() if "`" in line]
ROWS = [row for row in ROWS if len(row) == 3]
ROOMS = {room: re.findall(r"`([^`]+)`", where) for room, where, _ in ROWS}


def named(place: str) -> str:
    """The module of a file or folder of the table."""
    return "app" if place == "app.py" else "orwlab." + place.removesuffix(".py").strip("/").replace("/", ".")


def room_of(module: str) -> str | None:
    """The room of the table that a module is in; None for those that stand beside the rooms."""
    found = [
        (len(named(place)), room)
        for room, places in ROOMS.items()
        for place in places
        if module == named(place) or module.startswith(named(place) + ".")
    ]
    return max(found)[1] if found else None


def arrows() -> set[tuple[str, str]]:
    """Those of the picture."""
    picture = re.search(r"```mermaid\nflowchart TD\n(.*?)```", section("The house"), re.DOTALL)[1]
    drawn = [line.strip().split(" --> ") for line in picture.splitlines()]
    return {(above, below) for above, belows in drawn for below in belows.split(" & ")}


def used() -> set[tuple[str, str]]:
    """(room, room below) for every import from one room by another."""
    pairs = {
        (room_of(module), room_of(name))
        for file, module in modules()
        for name in imported(file)
        if name.split(".")[0] in ("orwlab", "app")
    }
    return {(a, b) for a, b in pairs if a != b and None not in (a, b)}


def below(room: str, drawn: set[tuple[str, str]]) -> set[str]:
    """All rooms to which arrows lead."""
    found: set[str] = set()
    new = {room}
    while new:
        found |= new
        new = {b for a, b in drawn if a in found} - found
    return found - {room}


def test_every_file_is_in_a_room_or_named_as_standing_beside_them():
    beside = {named(place) for place in re.findall(r"`(\w+\.py)`", section("The house").split("Beside the rooms")[1])}
    doors = {"orwlab", "orwlab.__main__", "orwlab.show", "orwlab.show.readme", "orwlab.show.gallery"}
    lost = {module for _, module in modules() if room_of(module) is None} - beside - doors
    assert not lost, "give it a room in the table of CONTRIBUTING.md"
    for places in ROOMS.values():
        for place in places:
            assert (ROOT / place).exists() if place == "app.py" else (ROOT / "orwlab" / place).exists(), place


def test_the_table_goes_down_as_the_floors_do():
    heights = [floor(named(place))[0] for places in ROOMS.values() for place in places[:1]]
    assert heights == sorted(heights, reverse=True)
    assert set(ROOMS) == {room for arrow in arrows() for room in arrow}


def test_every_import_follows_the_arrows_of_the_picture_and_every_arrow_is_an_import():
    drawn, real = arrows(), used()
    assert drawn <= real, "an arrow that nothing uses"
    for above, under in sorted(real):
        assert under in below(above, drawn), f"{above} uses {under}"
    for arrow in drawn:
        assert arrow[1] not in below(arrow[0], drawn - {arrow}), f"{arrow} says nothing new"
    order = list(ROOMS)
    for above, under in drawn:
        assert order.index(above) < order.index(under), "arrows point down the table"


def test_words_are_listed_in_reading_order():
    words = [named(place) for place in ROOMS["words"]]
    assert words == [room for rooms in FLOORS for room in rooms if room in words]


# The way of alpha ---------------------------------------------------------------------------------------------------

WAY = re.findall(r"^\d+\. `([^`]+)` `([^`]+)`: ", section("The way of α"), re.MULTILINE)


class Here(Worker):
    """A worker that does its work in this process, where a test can watch."""

    def _hire(self) -> None:
        pass

    async def call(self, function, *arguments):
        return function(*arguments)

    def post(self, function, *arguments) -> None:
        function(*arguments)


class OneWorker:
    shut_down = False

    def __init__(self) -> None:
        self.worker = Here()

    def pick(self) -> Here:
        return self.worker


async def moved_on_the_page(alpha: float) -> tuple[list[tuple[str, str]], int]:
    """The functions that ran since a slider was moved, by when they first did, and how often α was checked."""
    registry = Registry(pool=OneWorker(), particles=50)
    broadcast = await registry.open("somebody", Settings(speed=0.0))
    pictures = broadcast.frames()
    await anext(pictures)
    ran: dict[tuple[str, str], None] = {}
    checked = 0

    def watch(frame, event, _):
        nonlocal checked
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(ROOT / "orwlab")):
            name = code.co_qualname.split(".<locals>")[0]
            ran.setdefault((str(Path(code.co_filename).relative_to(ROOT / "orwlab")), name))
            checked += code is checks.number.__code__ and frame.f_locals["value"] == alpha

    sys.setprofile(watch)
    try:
        obey = lab_page._obey(registry)
        answer = await obey([broadcast.name, [{"press": "play"}, {"name": "alpha", "value": alpha, "stamp": 1}]])
        await anext(pictures)  # what was moved
        await anext(pictures)  # the round that it acts in
    finally:
        sys.setprofile(None)
    assert answer["settings"]["alpha"] == alpha
    (session,) = workers._sessions.values()
    assert session.runs[0].alpha == alpha
    assert session.snapshot.alpha == alpha
    await pictures.aclose()
    registry.close("somebody")
    return list(ran), checked


def test_alpha_goes_the_way_that_it_says_and_is_checked_twice():
    in_page = [(file, name) for file, name in WAY if file.endswith(".js")]
    on_server = [(file, name) for file, name in WAY if file.endswith(".py")]
    assert in_page + on_server == WAY
    for file, name in in_page:
        assert re.search(rf"^  {name}\(name, value\) {{$", (ROOT / "orwlab" / file).read_text(), re.MULTILINE), name
    ran, checked = in_own_loop(moved_on_the_page(2.5))
    assert [step for step in ran if step in on_server] == on_server
    assert checked == 2


# What it says to do -------------------------------------------------------------------------------------------------


def blocks(title: str, language: str = "python") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", section(title), re.MULTILINE | re.DOTALL)


def put(house: Path, block: str) -> Path:
    """Do what the first line of a block says with the others; returns the file."""
    first, text = block.split("\n", 1)
    name, where = re.fullmatch(r"# (\S+), (.*)", first).groups()
    file = house / name
    if where == "a new file":
        assert not file.exists()
        file.write_text(text)
        return file
    lines = file.read_text().splitlines(keepends=True)
    if where == "at the end":
        lines.append(text)
    elif where.startswith("in place of the line that begins: "):
        start = where.removeprefix("in place of the line that begins: ")
        (k,) = [k for k, line in enumerate(lines) if line.startswith(start)]
        lines[k] = text
    else:
        side, anchor = re.fullmatch(r"(above|below) the line: (.*)", where).groups()
        (k,) = [k for k, line in enumerate(lines) if line.strip() == anchor]
        # two empty lines between functions, as everywhere
        lines.insert(k + (side == "below"), text + ("\n\n" if text.startswith("def ") else ""))
    file.write_text("".join(lines))
    return file


def environment(house: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(house)}


def run(command: list[str], house: Path) -> str:
    done = subprocess.run(command, cwd=house, env=environment(house), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def commands(house: Path, title: str) -> None:
    for line in re.findall(r"^    (orwlab|python) (.*)$", section(title), re.MULTILINE):
        ours = ["-m", "orwlab"] if line[0] == "orwlab" else []
        run([sys.executable, *ours, *shlex.split(line[1])], house)


def answer(house: Path, code: str) -> dict:
    """What ``code`` leaves in ``found``, run in the copy."""
    check = f"import json, orwlab; assert orwlab.__file__.startswith({str(house)!r}); found = {{}}\n"
    return json.loads(run([sys.executable, "-c", f"{check}{code}\nprint(json.dumps(found))"], house).splitlines()[-1])


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A copy in which everything that the page says has been done."""
    folder = tmp_path_factory.mktemp("house")
    kept = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in ("orwlab", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=kept)
    (folder / "tests").mkdir()
    for name in ("pyproject.toml", "tests/conftest.py", "tests/test_exercises.py"):
        shutil.copy(ROOT / name, folder / name)
    for title in ADDED:
        changed = [put(folder, block) for block in blocks(f"To add {title}") if block.startswith("# orwlab/")]
        assert changed
        TOUCHED.extend(str(file.relative_to(folder)) for file in changed)
    add_cells(folder)
    for title in ADDED:
        commands(folder, f"To add {title}")
    return folder


def add_cells(folder: Path) -> None:
    """The three cells of the exercise, copies of the last one's in everything but what is written in them."""
    path = folder / "notebooks" / "00_start_here.ipynb"
    notebook = nbformat.read(path, as_version=4)
    marked = [k for k, cell in enumerate(notebook.cells) if "nbgrader" in cell.metadata]
    last = marked[-1]
    new = [copy.deepcopy(cell) for cell in notebook.cells[last - 2 : last + 1]]
    written = [*blocks("To add an exercise", "markdown"), *blocks("To add an exercise")[1:]]
    ids = re.findall(r"`((?:answer|check)-\d-\d)`", section("To add an exercise"))
    for k, (cell, text) in enumerate(zip(new, written, strict=True)):
        cell.source, cell.id = text.rstrip("\n"), f"new-{k}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for cell, grade_id in zip(new[1:], ids, strict=True):
        assert cell.metadata.nbgrader.grade_id.split("-")[0] == grade_id.split("-")[0]
        cell.metadata.nbgrader.grade_id = grade_id
    notebook.cells[last + 1 : last + 1] = new
    nbformat.write(notebook, path)


def test_it_says_how_to_add_each_of_them_and_in_few_lines():
    for title in ADDED:
        words = re.sub(r"^```.*?^```", "", section(f"To add {title}"), flags=re.MULTILINE | re.DOTALL)
        assert 20 < len(words.split()) < 120, title


@pytest.mark.slow
def test_what_it_adds_is_as_tidy_as_the_rest(house):
    for command in (["format", "--check"], ["check"]):
        run([sys.executable, "-m", "ruff", *command, "--no-cache", *sorted(set(TOUCHED))], house)


@pytest.mark.slow
def test_a_target_can_be_drawn_has_a_flow_and_is_in_the_lab(house):
    code = """
import torch
from orwlab import flow, targets, zoo
from orwlab.show.lab.controls import target_names
target = targets.get("five_gaussians")
found["modes"], found["mean"] = target.n_modes, float(target.mean().abs().max())
x0 = flow.noise(1000, (2,), generator=torch.Generator().manual_seed(0))
found["radius"] = float(flow.sample(zoo.load("five_gaussians"), x0).norm(dim=1).mean())
found["steps"] = zoo.card("five_gaussians")["recipe"]["steps"]
found["lab"] = "five_gaussians" in target_names()
"""
    found = answer(house, code)
    assert found["modes"] == 5
    assert found["mean"] < 1e-6
    assert found["radius"] == pytest.approx(3.0, abs=0.4)  # a quick look: 300 steps
    assert found["steps"] == 300
    assert found["lab"]


@pytest.mark.slow
def test_a_reward_can_be_asked_for_and_chosen(house):
    code = """
import torch
from orwlab import rewards
from orwlab.show.lab.controls import BY_NAME
from orwlab.show.lab.settings import Settings
x = torch.tensor([[-2.0, 0.0], [2.0, 0.0]])
found["r"] = rewards.evaluate(rewards.get("left"), x).tolist()
found["chosen"], found["words"] = Settings(reward="left").reward, BY_NAME["reward"].options["left"]
"""
    found = answer(house, code)
    assert found["r"][0] > 0.5
    assert found["r"][0] == pytest.approx(-found["r"][1])
    assert (found["chosen"], found["words"]) == ("left", "Left (with a ceiling)")


@pytest.mark.slow
def test_a_method_runs_is_whole_and_imitates_the_best(house, tmp_path):
    code = f"""
import orwlab
from orwlab import rewards, zoo
torch = __import__("torch"); torch.set_num_threads(1)
reference, right = zoo.load("eight_gaussians"), rewards.get("right")
run = orwlab.methods.get("top_share")(reference, right, strength=3.0)
seen = [snapshot.reward for snapshot in run.rounds(60)]
found["first"], found["last"] = seen[0], sum(seen[-10:]) / 10
all_of_them = orwlab.methods.get("top_share")(reference, right, strength=1e-3)
seen = [snapshot.reward for snapshot in all_of_them.rounds(60)]
found["keeping all"] = sum(seen[-10:]) / 10
run.save({str(tmp_path / "run.safetensors")!r})
try:
    run.strength = 0.0
except ValueError as error:
    found["error"] = str(error)
"""
    found = answer(house, code)
    assert found["last"] > found["first"] + 0.5
    assert found["keeping all"] == pytest.approx(found["first"], abs=0.2)  # nothing is preferred: nothing moves
    assert "strength is 0.0; allowed: " in found["error"]
    assert (tmp_path / "run.safetensors").stat().st_size > 1000
    assert tomllib.loads((house / "pyproject.toml").read_text())["project"]["name"] == "orwlab"


@pytest.mark.slow
def test_a_figure_shows_every_sample(house):
    code = """
from orwlab.show import figures
figure = figures.reward_histogram([0.0, 0.5, 0.5, 1.0])
figures.described(figure, "How often each of four rewards occurs, as bars.")
found["drawn"] = len(figure.data[0].x)
try:
    figures.reward_histogram([float("nan")])
except ValueError as error:
    found["error"] = str(error)
"""
    found = answer(house, code)
    assert found["drawn"] == 4
    assert found["error"].startswith("r holds NaN")


@pytest.mark.slow
def test_an_exercise_passes_where_all_exercises_have_to(house):
    """The house's own tests of every exercise: solved, empty, marks for nbgrader, the students' version."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_exercises.py"]
    printed = run(
        [*command, "-k", "(0-4 and not 10-4) or odds_after or (up_to_date and 00_start) or (nbgrader and 00_start)"],
        house,
    )
    passed = int(re.search(r"(\d+) passed", printed)[1])
    assert passed == 6, printed  # solution, empty answer, put together; marks; up to date; answers of every kind


@pytest.mark.slow
def test_a_page_is_served(house):
    code = """
import os, socket, urllib.request
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
from orwlab.show.web import pages, serve
from orwlab.show.web.broadcast import Registry
from orwlab.show.web.workers import Pool
if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    registry = Registry(pool=Pool(1))
    demo = pages.build(registry)
    serve.launch(demo, "127.0.0.1", port, registry)
    for path in ("/", "/about"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as page:
            found[path] = page.read().decode()
    demo.close()
    registry.pool.shut()
"""
    script = house / "serves.py"
    script.write_text(f"import json; found = {{}}\n{code}    print(json.dumps(found))\n")
    found = json.loads(run([sys.executable, str(script)], house).splitlines()[-1])
    assert "computed while you look" in found["/about"]
    assert "computed while you look" not in found["/"]
    assert "orw-stage" in found["/"]
