"""What the package promises about itself: light imports, one-way imports, files in step."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import orwlab

ROOT = Path(__file__).parents[1]
FLOORS = [  # from the ground up: what stands on a floor imports only from below, or from its own room
    ["orwlab", "orwlab.lazy", "orwlab.checks", "orwlab.files", "orwlab.foreign", "orwlab.written"],
    *[[f"orwlab.{word}"] for word in orwlab.__all__[: orwlab.__all__.index("flow") + 1]],
    ["orwlab.measure", "orwlab.exact"],
    ["orwlab.methods"],
    [f"orwlab.{face}" for face in ("finetune", "oracle", "optima", "frontiers", "tradeoff", "metrics", "wasserstein")],
    ["orwlab.data"],
    ["orwlab.zoo"],
    ["orwlab.sweep"],
    ["orwlab.tasks"],
    ["orwlab.large"],
    ["orwlab.show.theme"],
    ["orwlab.show.figures"],
    ["orwlab.show.stage"],
    ["orwlab.show.grids"],
    ["orwlab.show.lab"],
    ["orwlab.show.classroom"],
    ["orwlab.show.pocket"],
    ["orwlab.show", "orwlab.show.web", "orwlab.show.notebook"],
    ["orwlab.show.gallery"],
    ["orwlab.teach"],
    ["app", "orwlab.cli"],
    ["orwlab.__main__"],
]
CORE = FLOORS.index(["orwlab.data"])  # floors below need neither pictures nor hosts
HEAVY = [
    "gradio",
    "plotly",
    "IPython",
    "jupyterlab",
    "ipywidgets",
    "anywidget",
    "sklearn",
    "skimage",
    "PIL",
    "ot",
    "torchdiffeq",
]


def loaded_after(statement):
    code = f"import sys; {statement}; print(' '.join(m for m in {HEAVY} if m in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_import_is_light():
    assert loaded_after("import orwlab") == []
    core = [f"orwlab.{name}" for name in orwlab.__all__ if floor(f"orwlab.{name}")[0] < CORE]
    assert loaded_after("import orwlab; " + "; ".join(core)) == []
    assert loaded_after("import orwlab; orwlab.zoo.load('gaussian')") == []


def floor(module):
    """The floor and the room of a module: those of the longest prefix."""
    found = [
        (len(room), number, room)
        for number, rooms in enumerate(FLOORS)
        for room in rooms
        if module == room or (module.startswith(room + ".") and room != "orwlab")
    ]
    assert found, f"{module} has no floor"
    return max(found)[1:]


def modules():
    files = [path for path in sorted((ROOT / "orwlab").rglob("*.py")) if "/." not in str(path.relative_to(ROOT))]
    files.append(ROOT / "app.py")
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield file, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file):
    """The modules that a file imports, inside functions too."""
    known = {module for _, module in modules()}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            inside = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in inside if name in known)
            if any(name not in known for name in inside):
                yield node.module


@pytest.mark.parametrize(("file", "module"), list(modules()), ids=lambda x: x if isinstance(x, str) else "")
def test_imports_run_one_way(file, module):
    here, room = floor(module)
    for name in imported(file):
        if name.split(".")[0] in ("orwlab", "app"):
            there, other = floor(name)
            assert there < here or other == room or there == here == 0, f"{module} imports {name}"
        if here < CORE:
            assert name.split(".")[0] not in {"gradio", "plotly", "IPython", "ipywidgets", "anywidget", "sklearn"}


def test_no_files_import_each_other_in_a_circle():
    uses = {module: set(imported(file)) for file, module in modules()}
    done, under_way = set(), []

    def visit(module):
        assert module not in under_way, " -> ".join([*under_way[under_way.index(module) :], module])
        if module in done:
            return
        under_way.append(module)
        for name in sorted(uses[module] & uses.keys()):
            if name != module:
                visit(name)
        done.add(under_way.pop())

    for module in uses:
        visit(module)


def test_every_public_name_loads():
    for name in orwlab.__all__:
        assert getattr(orwlab, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = orwlab.nothing


def test_public_functions_say_what_they_do():
    for file, module in modules():
        tree = ast.parse(file.read_text())
        assert ast.get_docstring(tree) or not tree.body, module


def requirement_names(lines):
    return {re.split(r"[<>=!\[; ]", line.strip())[0].lower().replace("_", "-") for line in lines}


def test_environment_yml_is_in_step_with_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = requirement_names([*project["dependencies"], *extras["show"], *extras["app"], *extras["notebooks"]])
    wanted = {"pytorch-cpu" if name == "torch" else name for name in wanted} - {"orwlab"}
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = requirement_names([line for line in listed if isinstance(line, str)])
    by_pip = requirement_names(line for entry in listed if isinstance(entry, dict) for line in entry["pip"])
    assert wanted <= conda | by_pip
    assert "torch" not in by_pip, "pip would bring the CUDA build"
    ranges = {
        re.split(r"[<>=\[]", r)[0].lower(): r for group in (project["dependencies"], *extras.values()) for r in group
    }
    for line in (entry for entry in listed if isinstance(entry, str) and ">=" in entry):
        name, low = re.match(r"([\w-]+)>=([\w.]+)", line).groups()
        if name not in ("python", "pip"):
            key = "torch" if name == "pytorch-cpu" else name.lower()
            assert f">={low}" in ranges[key], line


def test_constraints_pin_every_dependency():
    pins = requirement_names((ROOT / "constraints.txt").read_text().splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for group in project["optional-dependencies"].values() for r in group)]
    assert requirement_names(wanted) - {"orwlab"} <= pins


def makefile() -> dict[str, list[str]]:
    """Target -> its commands."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "Makefile").read_text().splitlines():
        if rule := re.match(r"([^\s:=#]+):(?!=)", line):
            commands = found[rule[1]] = []
        elif line.startswith("\t") and found:
            commands.append(line.strip().lstrip("@"))
    return {target: commands for target, commands in found.items() if re.fullmatch(r"[a-z-]+", target)}


def test_every_target_of_the_makefile_is_explained_and_no_file():
    text = (ROOT / "Makefile").read_text()
    targets = set(makefile())
    assert targets == set(re.search(r"\.PHONY: (.*)", text)[1].split())
    assert targets - {"help", "lint", "clean"} == set(re.findall(r'"make ([\w-]+) ', text))


def test_hooks_before_a_commit_are_the_commands_of_make_lint():
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert local["repo"] == "local", "nothing is fetched"
    assert {hook["language"] for hook in local["hooks"]} == {"system"}
    plain = lambda command: " ".join(w for w in command.split() if not w.startswith("-") and w != ".")  # noqa: E731
    hooks = [plain(hook["entry"]) for hook in local["hooks"]]
    assert hooks == [plain(command.removeprefix("$(BIN)/")) for command in makefile()["lint"]]
    for hook in local["hooks"]:
        assert (Path(sys.executable).parent / hook["entry"].split()[0]).exists(), "a tool of the test extra"


def test_the_workflow_runs_what_a_person_runs():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    made = [name for command in commands for name in re.findall(r"^\s*make ([\w-]+)", command, re.MULTILINE)]
    assert made == ["test"]
    assert set(made) <= set(makefile())
    assert "PIP_ARGS ?=" in (ROOT / "Makefile").read_text(), "so that the environment's is taken"
    assert job["env"]["PIP_ARGS"] == "${{ vars.PIP_ARGS }}"
    assert job["env"]["ORWLAB_REQUIRE_BROWSER"] == "1"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest = project["requires-python"].removeprefix(">=")
    assert lowest in job["strategy"]["matrix"]["python"]
    assert not re.search(r"https?://", (ROOT / ".github" / "workflows" / "test.yml").read_text())


def test_the_newest_entry_of_the_changelog_is_this_version():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## \[([\d.]+)\] - (unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)
    assert versions[0][0] == orwlab.__version__
    assert versions == sorted(versions, key=lambda v: [int(n) for n in v[0].split(".")], reverse=True)
    assert len(re.findall(r"^## ", text, re.MULTILINE)) == len(versions)
    for heading in re.findall(r"^### (.*)$", text, re.MULTILINE):
        assert heading in {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_whatever_needs_a_browser_says_so():
    """Else it runs beside other tests, which share the processor with it."""
    files = sorted((ROOT / "tests" / "browser").glob("test_*.py"))
    assert len(files) > 10
    assert [file.name for file in files if "pytest.mark.browser" not in file.read_text(encoding="utf-8")] == []
