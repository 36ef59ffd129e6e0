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
LAYERS = [["orwlab"], ["orwlab.zoo", "orwlab.tasks"], ["orwlab.show"], ["orwlab.teach"], ["app"]]
HEAVY = ["gradio", "plotly", "IPython", "jupyterlab", "ipywidgets", "anywidget", "sklearn", "ot", "torchdiffeq"]


def loaded_after(statement):
    code = f"import sys; {statement}; print(' '.join(m for m in {HEAVY} if m in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


def test_import_is_light():
    assert loaded_after("import orwlab") == []
    core = "import orwlab; " + "; ".join(f"orwlab.{name}" for name in orwlab.__all__ if layer(f"orwlab.{name}") == 0)
    assert loaded_after(core) == []
    assert loaded_after("import orwlab; orwlab.zoo.load('gaussian')") == []


def layer(module):
    for i, prefixes in reversed(list(enumerate(LAYERS))):
        if any(module == p or module.startswith(p + ".") for p in prefixes):
            return i
    raise AssertionError(f"{module} belongs to no layer")


def modules():
    files = [*sorted((ROOT / "orwlab").rglob("*.py")), ROOT / "app.py"]
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        yield file, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file):
    names = {path.stem for path in (ROOT / "orwlab").iterdir()}
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module
            if node.module == "orwlab":
                yield from (f"orwlab.{alias.name}" for alias in node.names if alias.name in names)


@pytest.mark.parametrize(("file", "module"), list(modules()), ids=lambda x: x if isinstance(x, str) else "")
def test_imports_run_one_way(file, module):
    for name in imported(file):
        if name.split(".")[0] in ("orwlab", "app") and name != "orwlab":
            assert layer(name) <= layer(module), f"{module} imports {name}"
        if layer(module) == 0:
            assert name.split(".")[0] not in {"gradio", "plotly", "IPython", "ipywidgets", "anywidget", "sklearn"}


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


def code_lines(file):
    """Lines with code on them: neither blank, nor comment, nor docstring."""
    tree, source = ast.parse(file.read_text()), file.read_text().splitlines()
    told = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            told |= set(range(node.lineno, node.end_lineno + 1))
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") for i, line in enumerate(source, 1) if i not in told
    )


def test_the_core_stays_small():
    files = [file for file, module in modules() if layer(module) == 0]
    assert sum(map(code_lines, files)) <= 2500
    assert max(len(file.read_text().splitlines()) for file in files) <= 320
