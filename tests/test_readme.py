"""The README is code too: its example runs, its names exist, its pictures are there."""

import importlib
import itertools
import re
import tomllib
from pathlib import Path

import pytest
import torch
import yaml

import orwlab
from orwlab import cli, flow, oracle, rewards, sweep, targets, zoo
from orwlab.large import __main__ as large
from orwlab.sweep import plan, spec
from orwlab.tasks import contest, results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_ten_lines_run_and_meet_the_exact_limit(capsys):
    example = re.search(r"## Ten lines\n+```python\n(.*?)```", README, re.S).group(1)
    scope = {}
    exec(compile(example, "README.md", "exec"), scope)
    printed = capsys.readouterr().out
    assert "round 300: mean reward 0." in printed
    assert "would end at 0.40" in printed
    x0 = flow.noise(4000, (2,), generator=scope["run"].generator)
    learned = float(rewards.get("right")(flow.sample(scope["run"].average, x0)).mean())
    assert learned == pytest.approx(scope["exact"].mean_reward, abs=0.04)


def test_many_runs_come_to_what_the_readme_prints(tmp_path, monkeypatch, capsys):
    """The example with its printed numbers; of two seeds the first, and in this process: the numbers are the same."""
    section = re.search(r"## Many runs\n(.*?)\n## ", README, re.S).group(1)
    example, written = (re.search(rf"```{kind}\n(.*?)```", section, re.S).group(1) for kind in ("python", "yaml"))
    monkeypatch.chdir(tmp_path)
    assert "seeds=(0, 1), " in example
    quick = example.replace("seeds=(0, 1), ", "seeds=0, jobs=1, progress=False, ").replace("(0.3, 1.0, 3.0)", "1.0")
    scope = {}
    exec(compile(quick, "README.md", "exec"), scope)
    (row,) = scope["table"]
    assert sweep.Table.read("my-sweep.csv").rows == (row,)
    (printed,) = re.findall(r"^ +1  ([\d.]+) ± ([\d.]+) +([\d.]+)", section, re.M)
    mean, spread, exact = map(float, printed)
    assert row.exact == pytest.approx(exact, abs=0.002)
    assert row.mean_reward == pytest.approx(mean, abs=0.01 + 2 * spread)
    asked = plan.planned(**spec.parsed(written))
    assert len(asked.places) == 4 * 2 * 2 * 2 * 2


def test_your_own_data_end_where_the_readme_says():
    example = re.search(r"## Your own data\n+```python\n(.*?)```", README, re.S).group(1)
    scope = {}
    exec(compile(example, "README.md", "exec"), scope)
    run, data = scope["run"], torch.as_tensor(scope["data"])
    for _ in run.rounds(200):
        pass
    x0 = flow.noise(2000, (4,), generator=torch.Generator().manual_seed(1))
    before, after = flow.sample(scope["reference"], x0), flow.sample(run.average, x0)
    long = data[:, 2] > 4.5
    assert float(long.double().mean()) == pytest.approx(0.4, abs=0.05)
    assert float((before[:, 2] > 4.5).double().mean()) == pytest.approx(0.4, abs=0.06)
    assert float((after[:, 2] > 4.5).double().mean()) > 0.7
    moved, expected = after.mean(0) - before.mean(0), data[long].mean(0) - data.mean(0)
    for k in (0, 1, 3):  # the other measures
        assert torch.sign(moved[k]) == torch.sign(expected[k])
    assert (after > data.min(0).values - 1).all(1).logical_and(
        (after < data.max(0).values + 1).all(1)
    ).double().mean() > 0.95


def test_sentences_are_drawn_and_scored_as_the_readme_says(capsys):
    example = re.search(r"## Sentences\n+```python\n(.*?)```", README, re.S).group(1)
    scope = {}
    exec(compile(example, "README.md", "exec"), scope)
    score, rows = capsys.readouterr().out.split("\n", 1)
    assert 0.4 < float(re.search(r"[\d.]+", score).group()) <= 1
    assert [row in rows for row in ("word='disc'", "word='red'", "word='above'")] == [True] * 3
    clip, quality = zoo.card("captions_clip")["quality"], zoo.card("captions")["quality"]
    said = README[README.index("The words are few") : README.index("`methods.prompted.PromptedFineTuning` is")]
    for share in (clip["found_held_out"], clip["turned_held_out"], quality["true"], quality["true_guided"]):
        assert f"{100 * share:.0f}" in said


def test_a_train_yaml_is_read_as_the_readme_has_it(tmp_path):
    from orwlab.large import settings

    example = re.search(r"## Large models\n.*?```yaml\n(.*?)```", README, re.S).group(1)
    (tmp_path / "train.yaml").write_text(example)
    (tmp_path / "prompts.txt").write_text("a red fox\na blue owl\n")
    found = settings.read(tmp_path / "train.yaml")
    assert (found.tau, found.rounds, found.prompts) == (50, 200, ("a red fox", "a blue owl"))
    for line in re.findall(r"^    (?:python|accelerate launch) -m orwlab.large (.*?)(?:\s+[#>].*)?$", README, re.M):
        large._parser().parse_args(line.split())


def test_large_models_can_be_tried_without_a_download_as_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    part = README[README.index("## Large models") : README.index("## Other ways to fine-tune")]
    exec(compile(re.search(r"```python\n(.*?)```", part, re.S).group(1), "README.md", "exec"), {})
    settings = yaml.safe_load(re.search(r"```yaml\n(.*?)```", part, re.S).group(1))
    changes = re.search(r"^and in the `train.yaml` (.*)\.$", part, re.M).group(1)
    settings |= yaml.safe_load("\n".join(re.findall(r"`([^`]+)`", changes)))
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "prompts.txt").write_text("a red fox\na blue owl\n")
    assert large.main(["train.yaml", "--rounds", "1"]) == 0
    assert "round 1 of 1: reward " in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"lora", "curves", "numbers.jsonl", "sheets"}


def test_another_method_runs_and_meets_its_tilt_as_the_readme_says(capsys):
    example = re.search(r"## Other ways to fine-tune\n.*?```python\n(.*?)```", README, re.S).group(1)
    scope = {}
    exec(compile(example, "README.md", "exec"), scope)
    assert "Adjoint Matching" in capsys.readouterr().out
    found = scope["methods"].dial.achieved(scope["run"].average, scope["run"].reference, scope["run"].reward)
    assert found.strength == pytest.approx(2.0, abs=0.2)
    assert found.r_squared > 0.95


def test_the_table_of_methods_is_what_is_kept():
    kept = contest.load()
    rows = rows_below(README, "| method | held to |")
    assert len(rows) == 14
    for entry, _, _, *gaps, evaluations in rows:
        for target, cell in zip(contest.TARGETS, gaps, strict=True):
            (mean, spread), lost = contest.mean(kept, target, entry, "gap"), contest.ran_away(kept, target, entry)
            wanted = f"diverged, {lost} of 3" if lost else f"{mean:+.3f} ± {spread:.3f}".replace("-", "−")
            assert cell == wanted
        cost = next(row.cost for row in kept if (row.target, row.entry) == ("eight_gaussians", entry))
        assert evaluations == f"{(cost['forward'] + 2 * cost['backward']) / 1e6:.1f}"


def test_its_commands_are_understood():
    lines = re.findall(r"^    orwlab (.*?)(?:\s+#.*)?$", README + (ROOT / "notebooks" / "README.md").read_text(), re.M)
    assert {line.split()[0] for line in lines} == {"app", "lab", "notebooks", "pocket"}
    for line in lines:
        cli._parser().parse_args(line.split())
    assert re.findall(r"orwlab-([\d.]+)-py3", README) == [orwlab.__version__]
    for line in re.findall(r"`orwlab (\w[^`]*)`", README):
        assert line.split()[0] in {"app", "lab", "notebooks", "zoo", "science", "sweep"}, line


def test_every_name_in_the_table_exists():
    table = re.search(r"## From the paper to the code\n(.*?)\n## ", README, re.S).group(1)
    cells = [line.split("|")[3] for line in table.splitlines() if line.startswith("| ") and "---" not in line][1:]
    names = [name for cell in cells for name in re.findall(r"`([A-Za-z_.0-9]+)", cell)]
    assert len(names) > 8
    homes = {"FineTuning": "finetune"}
    for name in names:
        first, *rest = name.split(".")
        found = importlib.import_module(f"orwlab.{homes.get(first, first)}")
        for attribute in ([first] if first in homes else []) + rest:
            found = getattr(found, attribute)


def test_pictures_and_files_it_names_exist():
    for path in re.findall(r"`((?:methods|exact)/\w+\.py)`", README):
        assert (ROOT / "orwlab" / path).is_file(), path
    for path in re.findall(r"`([A-Z]\w+\.md)`", README):
        assert (ROOT / path).is_file(), path
    for path in re.findall(r"\]\((docs/[^)]+)\)", README) + re.findall(r"`((?:notebooks|benchmarks)/[\w./]+)`", README):
        assert (ROOT / path).exists(), path


def test_every_picture_has_a_text_alternative():
    pictures = re.findall(r"!\[([^\]]*)\]", README)
    assert pictures
    assert all(len(text) > 20 for text in pictures)


def test_the_front_matter_runs_as_a_space():
    front = yaml.safe_load(README.split("---")[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert front["sdk"] == "gradio"
    assert (ROOT / front["app_file"]).is_file()
    assert f"gradio=={front['sdk_version']}" in (ROOT / "constraints.txt").read_text()
    listed = [r for r in (ROOT / "requirements.txt").read_text().splitlines() if r and not r.startswith("#")]
    assert listed == [*project["dependencies"], *project["optional-dependencies"]["show"]]


def test_make_and_make_free_commands_agree():
    makefile = (ROOT / "Makefile").read_text()
    nbval = "--nbval-lax --nbval-current-env --nbval-sanitize-with notebooks/sanitise.cfg"
    for command in ("-m pytest", nbval, "-c constraints.txt -e"):
        assert command in makefile
        assert command in README


def test_its_claim_about_eight_gaussians_is_measured():
    """The caption's numbers: the reference's own reward, and that the limit is ordered in alpha."""
    reward, target = rewards.get("bump"), targets.get("eight_gaussians")
    limits = []
    for alpha in (1.0, 3.0, 10.0):
        exact = oracle.PopulationDynamics(target, reward, tau=2.0, alpha=alpha, axis=64)
        exact.fixed_point()
        limits.append(exact.mean_reward)
    assert limits[0] > limits[1] + 0.1 > limits[2] + 0.2
    assert zoo.card("eight_gaussians")["kind"] == "points"


def rows_below(text, heading):
    """The cells of the table whose first line begins so."""
    lines = text[text.index(heading) :].splitlines()
    table = itertools.takewhile(lambda line: line.startswith("|"), lines[2:])
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def said(mean, spread, digits):
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def test_the_tables_of_real_data_are_those_that_are_kept():
    digits, photographs, longer = map(results.load, ("digits", "photographs", "photographs_long"))
    for alpha, first, judge, unlike, diversity, rarest in rows_below(README, "| α | classifier says"):
        alpha = None if alpha == "reference" else float(alpha)
        assert first == said(*digits.mean("reward", alpha), 2)
        assert judge == said(*digits.mean("judge", alpha), 2)
        assert unlike == f"{digits.mean('off_data', alpha)[0]:.0%}".replace("%", " %")
        assert diversity == f"{digits.mean('diversity', alpha)[0]:.1f}"
        assert float(rarest) == pytest.approx(digits.mean("smallest", alpha)[0], abs=0.006)
    rows = rows_below(README, "| α | bytes |")
    assert len(rows) == 7
    for alpha, size, like, covered, diversity in rows:
        found = longer if "long" in alpha else photographs
        alpha = None if alpha == "reference" else float(alpha.split(",")[0])
        assert size == said(*found.mean("bytes", alpha), 0)
        for cell, name in ((like, "precision"), (covered, "coverage")):
            assert cell == (said(*found.mean(name, alpha), 2) if "±" in cell else "0")
            assert "±" in cell or found.mean(name, alpha)[0] < 0.005
        assert diversity == f"{found.mean('diversity', alpha)[0]:.2f}"


def test_the_table_of_sentences_is_what_is_kept():
    found = results.load("words")
    rows = rows_below(README, "| α | CLIP score |")
    assert len(rows) == 1 + len(found.alphas)
    for alpha, *cells in rows:
        alpha = None if alpha == "reference" else float(alpha)
        for cell, name in zip(cells, ("reward", "judge", "words", "true", "diversity", "new_score"), strict=True):
            assert cell == said(*found.mean(name, alpha), 2)
