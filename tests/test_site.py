"""The site: built once by its command, then read as a browser would read it, from the disk alone."""

import base64
import inspect
import io
import json
import posixpath
import re
import runpy
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import built_site
import nbformat
import numpy as np
import pytest
import setuptools
import yaml
from bs4 import BeautifulSoup
from PIL import Image

import orwlab
from orwlab.show.lab.link import Link
from orwlab.show.notebook.live import stage

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "site"))
import notebook_pages  # noqa: E402

pytestmark = pytest.mark.slow
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
HEAVIEST = 5_000_000  # bytes that the start page may take, with the lab in it
FORMULA = re.compile(r"\\[a-zA-Z]+|\$")


@pytest.fixture(scope="module")
def pages(site):
    """Path below the site -> its parsed page."""
    return {
        path.relative_to(site).as_posix(): BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        for path in sorted(site.rglob("*.html"))
    }


def notebook(name):
    return nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4)


def test_a_build_reads_nothing_that_its_fingerprint_does_not_hold(site):
    """Else a change of it would leave the old build in use. Compiled modules are read in place of their sources."""
    held, unseen = set(built_site.files()), set()
    for path in built_site.read(site):
        source = path.parents[1] / f"{path.name.partition('.')[0]}.py" if path.parent.name == "__pycache__" else path
        mine = {ROOT, built_site.PACKAGE, Path.home()} & set(source.parents)
        installed = any(Path(folder) in source.parents for folder in (sys.prefix, sys.base_prefix))
        told = source.parent.suffix == ".egg-info"  # by pip, from pyproject.toml, which is held
        if mine and not installed and not told and site.parents[1] not in path.parents and source not in held:
            unseen.add(source)
    assert unseen == set()
    assert len(held & built_site.read(site)) > 100


def test_there_is_a_page_for_every_notebook_and_every_module(pages):
    assert {f"notebooks/{name}.html" for name in NAMES} < pages.keys()
    assert {"index.html", "pocket/index.html", "notebooks/prediction_sheet.html", "search.html"} < pages.keys()
    documented = {tag["id"] for page in pages.values() for tag in page.select("[id^='module-orwlab.']")}
    assert documented >= {f"module-orwlab.{module}" for module in orwlab.__all__}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_holds_what_its_notebook_holds(name, pages):
    page, cells = pages[f"notebooks/{name}.html"], notebook(name).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    shown = [box.get_text() for box in page.select("div.cell_input pre")]
    assert [text.strip("\n") for text in shown] == [cell.source.strip("\n") for cell in code]
    outputs = [output for cell in code for output in cell.outputs]
    printed = " ".join(box.get_text() for box in page.select("div.cell_output pre"))
    for output in outputs:
        if output.output_type == "stream":
            assert output.text.strip() in printed
    figures = [json.loads(box.string) for box in page.select(".orw-figure > script")]
    plotted = [o.data[notebook_pages.PLOTLY] for o in outputs if notebook_pages.PLOTLY in o.get("data", {})]
    assert figures == plotted
    titles = [
        re.match(r"#+ (.*)", line)[1]
        for c in cells
        if c.cell_type == "markdown"
        for line in [c.source]
        if line[0] == "#"
    ]
    seen = " ".join(" ".join(tag.get_text() for tag in page.select("h1, h2, h3, h4")).split())
    assert all(" ".join(re.sub(r"[`*]|\$.*?\$", " ", title).split())[:8] in seen for title in titles)


def test_every_figure_and_film_has_words(pages, site):
    for path, page in pages.items():
        if path.startswith("pocket/"):
            continue
        for picture in page.select("article img"):
            least = 30 if "/" in path or path == "index.html" else 10  # a scene's picture has its words beside it
            assert len(picture.get("alt", "")) > least, (path, picture)
            if path.startswith("notebooks/"):
                assert picture.get("loading") == "lazy", (path, picture)


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_leads_to_its_run_in_the_pocket_lab(name, pages):
    (source,) = [c.source for c in notebook(name).cells if c.cell_type == "code" and "live.stage(" in c.source]
    links = [tag["href"] for tag in pages[f"notebooks/{name}.html"].select(".orw-still a")]
    if name[:2] in ("01", "10", "11"):  # flow time, a reward that is not paid, other methods: these need networks
        assert links == []
        return
    (address,) = links
    where, _, text = address.partition("#")
    assert where == "../pocket/index.html"
    story, asked = Link.read(text).story, []

    def live_stage(*values, **words):
        asked.append(dict(zip(notebook_pages.IN_ORDER, values)) | words)

    scope = {"live": type("live", (), {"stage": staticmethod(live_stage)})}
    exec(source, scope)  # the cell's own reading of its arguments
    (given,) = asked
    assert story.start.mode == "exact"
    for control in ("target", "reward", "tau", "alpha", "others", "weighting", "steer", "budget", "truth"):
        if control in given:
            assert getattr(story.start, control) == given[control], control
    moves = [(at, control, value) for at, changes in given["film"] for control, value in changes.items() if at]
    assert list(story.log) == moves
    assert story.round == max(at for at, _ in given["film"])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_on_a_page_asks_for_a_kernel(name, pages, site):
    """Neither a cell's output, nor the line below a stage's committed picture, which the page's picture is without."""
    page, cells = pages[f"notebooks/{name}.html"], notebook(name).cells
    assert "run this cell" not in " ".join(box.get_text() for box in page.select("div.cell_output")).lower()
    (still,) = page.select(".orw-still img")
    (cell,) = [c for c in cells if c.cell_type == "code" and "live.stage(" in c.source]
    (committed,) = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
    whole, shown = (
        np.asarray(Image.open(file).convert("L")).astype(int)
        for file in (io.BytesIO(base64.b64decode(committed)), site / "notebooks" / still["src"])
    )
    cut = len(whole) - len(shown)
    assert 30 < cut < 50, "a line of text, and no more"
    assert (whole[: len(shown)] == shown).all()
    assert (shown[-4:] > 200).all(), "between two lines"
    assert (whole[len(shown) :] < 200).any()
    assert still["height"] == str(len(shown))


def test_printed_lines_are_wrapped_and_columns_are_not(pages):
    seen = {True: 0, False: 0}
    for name in NAMES:
        for cell in pages[f"notebooks/{name}.html"].select("div.cell"):
            printed = "".join(box.get_text() for box in cell.select(".cell_output .stream pre"))
            if printed:
                columns = any("  " in line.strip() or line.startswith(" ") for line in printed.splitlines())
                assert columns != ("tag_prose" in cell["class"]), printed[:200]
                seen[columns] += 1
    assert seen[False] > 5 * seen[True] > 50


def test_the_names_of_a_stages_first_arguments():
    assert tuple(inspect.signature(stage).parameters)[: len(notebook_pages.IN_ORDER)] == notebook_pages.IN_ORDER


def test_what_is_computed_in_a_cell_is_not_guessed():
    assert notebook_pages.pocket_link("live.stage(target, 'right', film=((10, {}),))") == ""
    assert notebook_pages.pocket_link("x = 1") == ""
    assert "alpha=0.5" in notebook_pages.pocket_link("a = 0.5\nlive.stage('rings', 'right', alpha=a)")


def _addresses(page):
    for tag, attribute in (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src")):
        for found in page.find_all(tag, {attribute: True}):
            yield found.name, found[attribute]
    for found in page.select("[data-page]"):
        yield "iframe", found["data-page"]


def test_every_link_arrives(pages, site):
    anchors = {
        path: {t["id"] for t in p.select("[id]")} | {t["name"] for t in p.select("a[name]")}
        for path, p in pages.items()
    }
    files = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    broken, count = [], 0
    for path, page in pages.items():
        for _, address in _addresses(page):
            parts = urlsplit(address)
            if parts.scheme or address.startswith("//"):
                continue
            count += 1
            below = posixpath.join(posixpath.dirname(path), unquote(parts.path)) if parts.path else path
            there = posixpath.normpath(below)
            whole = there in files
            if whole and parts.fragment and there.endswith(".html") and not there.startswith("pocket/"):
                whole = unquote(parts.fragment) in anchors[there]
            if not whole:
                broken.append((path, address))
    assert broken == []
    assert count > 1000


def test_nothing_is_loaded_from_elsewhere(pages, site):
    for path, page in pages.items():
        for tag, address in _addresses(page):
            if tag != "a":
                assert not re.match(r"(https?:)?//", address), (path, address)
    for sheet in site.rglob("*.css"):
        loaded = re.findall(r"(?:@import|url\()\s*['\"]?((?:https?:)?//[^'\")]*)", sheet.read_text(encoding="utf-8"))
        assert loaded == [], sheet


def test_every_formula_is_typeset(pages):
    raw, formulas = [], 0
    for path, page in pages.items():
        article = page.find("article")
        if article is None:
            continue
        formulas += len(article.find_all("math"))
        for text in article.find_all(string=FORMULA):
            if not any(parent.name in ("pre", "code", "script") for parent in text.parents):
                raw.append((path, str(text)[:80]))
    assert raw == []
    assert formulas > 2500


def test_the_search_index_knows_every_page(pages, site):
    text = (site / "searchindex.js").read_text(encoding="utf-8")
    index = json.loads(re.fullmatch(r"Search\.setIndex\((.*)\)", text, re.DOTALL)[1])
    written = {path for path, page in pages.items() if page.find("article")} - {"search.html"}
    names = {f"{name}.html": k for k, name in enumerate(index["docnames"])}
    assert set(names) == written
    terms = {}
    for kind in ("terms", "titleterms"):
        for term, where in index[kind].items():
            for k in where if isinstance(where, list) else [where]:
                terms.setdefault(k, set()).add(term)
    for path, k in names.items():
        assert len(terms[k]) > 15, path
    for name in NAMES:  # a word of its first paragraph
        words = {word.lower() for word in re.findall(r"[A-Za-z]{4,}", notebook(name).cells[0].source)}
        assert any(term in word for word in words for term in terms[names[f"notebooks/{name}.html"]]), name


def test_every_page_says_what_it_is_where_it_is_linked(pages):
    said = {}
    for path, page in pages.items():
        if page.find("article") is None:
            continue
        (words,) = [tag["content"] for tag in page.select("meta[name=description]")]
        assert page.select_one("meta[property='og:description']")["content"] == words
        assert page.select_one("meta[property='og:title']")["content"] in page.title.get_text()
        assert 40 <= len(words) <= 203, path
        assert not re.search(r"[\\$<{}]", words), path
        said.setdefault(words, []).append(path)
    assert len(said[pages["index.html"].select_one("meta[name=description]")["content"]]) == 1
    for name in NAMES:
        text = " ".join(cell.source for cell in notebook(name).cells[:2] if cell.cell_type == "markdown")
        words = pages[f"notebooks/{name}.html"].select_one("meta[name=description]")["content"]
        assert re.sub(r"\W+", " ", words)[:40] in re.sub(r"\W+", " ", text), name  # quotes are set as type


def test_a_preview_has_whole_addresses_where_the_sites_own_is_known(monkeypatch):
    def tags(address):
        monkeypatch.setenv("ORWLAB_SITE", address)
        context = {"title": "A <b>page</b> &amp; more"}
        runpy.run_path(str(ROOT / "site/conf.py"))["_described"](None, "notebooks/a", "page.html", context, None)
        found = BeautifulSoup(context["metatags"], "html.parser").select("meta[property]")
        return {tag["property"]: tag["content"] for tag in found}

    assert tags("")["og:title"] == "A page & more"
    assert not {"og:image", "og:url"} & tags("").keys()
    for address in ("https://somebody.example/lab", "https://somebody.example/lab/"):
        assert tags(address)["og:url"] == "https://somebody.example/lab/notebooks/a.html"
        assert tags(address)["og:image"] == "https://somebody.example/lab/_static/pocket.webp"


def test_the_page_for_addresses_that_are_none_needs_nothing_beside_it(pages):
    """A host shows it at any depth, so that no address in it can be right."""
    page = pages["404.html"]
    assert list(_addresses(page)) == []
    assert "no such page" in page.h1.get_text()


def test_the_wheel_leaves_it_out():
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = setuptools.find_packages(str(ROOT), **found)
    assert "orwlab" in packages
    assert [name for name in packages if name.partition(".")[0] != "orwlab"] == []


def test_the_workflow_runs_what_a_person_runs():
    text = (ROOT / ".github/workflows/site.yml").read_text()
    steps = [step for job in yaml.safe_load(text)["jobs"].values() for step in job["steps"]]
    assert [step["run"] for step in steps if "run" in step] == ["make site"]
    assert [step["with"]["path"] for step in steps if "path" in step.get("with", {})] == ["_site"]
    assert not re.search(r"https?://", text)
    jobs = yaml.safe_load(text)["jobs"]
    assert jobs["publish"]["permissions"] == {"pages": "write", "id-token": "write"}
    assert jobs["publish"]["needs"] == "build"
    assert yaml.safe_load(text)["concurrency"]["cancel-in-progress"] is False, "half a publication is none"


def test_the_start_page_is_light(pages, site):
    files = {site / "index.html"} | {
        site / unquote(urlsplit(address).path) for tag, address in _addresses(pages["index.html"]) if tag != "a"
    }
    assert site / "pocket/index.html" in files
    assert sum(file.stat().st_size for file in files if file.is_file()) < HEAVIEST
    assert site / "_static/plotly.min.js" not in files  # only pages with figures take it, and once


def test_it_can_lie_anywhere(pages, site):
    """Below a path of any host: no address begins at the root, and hosts that run Jekyll leave it as it is."""
    assert [a for page in pages.values() for _, a in _addresses(page) if a.startswith("/")] == []
    assert (site / ".nojekyll").exists()
    assert str(ROOT) not in "".join((site / path).read_text(encoding="utf-8") for path in pages)
