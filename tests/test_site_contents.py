"""What the site's pages say before Sphinx reads them: every scene, lesson, card, claim, module and chapter is there."""

import gzip
import html
import importlib.util
import re
import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest

import orwlab
from orwlab import methods, zoo
from orwlab.show.classroom import lesson as lessons
from orwlab.show.lab import gallery
from orwlab.show.lab.link import Link
from orwlab.show.web import pocket_page
from orwlab.teach.science.reported import numbers

ROOT = Path(__file__).parents[1]
POCKET = re.compile(r'href="pocket/index\.html#?([^"]*)"')


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("pages", ROOT / "site/pages/__init__.py")
    module = sys.modules["pages"] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        for name in [one for one in sys.modules if one.partition(".")[0] == "pages"]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def written(pages, tmp_path_factory):
    """The folder that Sphinx reads, as the pages write it, and the lists that lead to them."""
    folder = tmp_path_factory.mktemp("site")
    return folder, pages.write(folder)


def read(written, name):
    return (written[0] / name).read_text(encoding="utf-8")


def unmarked(text):
    """Markdown as a reader sees it: escapes and tags gone."""
    return html.unescape(re.sub(r"\\(?=[^A-Za-z0-9\s])", "", re.sub(r"(?<!\\)<[^>]+>", "", text)))


def parts(text):
    """Heading -> what stands below it, of headings of the second rank."""
    _, *found = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {unmarked(title): below for title, below in zip(found[::2], found[1::2], strict=True)}


def test_the_lists_lead_to_every_page_and_every_page_is_in_one(written):
    folder, listed = written
    texts = [listed, *(path.read_text(encoding="utf-8") for path in folder.rglob("*.md"))]
    lists = [block for text in texts for block in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)]
    named = [line for block in lists for line in block.split("\n\n", 1)[1].split()]
    stems = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md")}
    assert sorted(name.removeprefix("api/") for name in named if name != "notebooks/teaching") == sorted(
        stem.removeprefix("api/") for stem in stems
    )


# The gallery ----------------------------------------------------------------------------------------------------------


def exactly(link: Link) -> Link:
    """The same scene in exact mode."""
    story = link.story
    return replace(link, story=story.seen_as(story.start.changed(mode="exact")))


def test_every_scene_has_its_picture_its_words_and_a_link_that_means_the_scene(written):
    found = parts(read(written, "gallery.md"))
    assert list(found)[:-1] == [scene.title for scene in gallery.SCENES]
    opened = 0
    for scene in gallery.SCENES:
        text = found[scene.title]
        assert scene.caption in unmarked(text)
        (picture,) = re.findall(r'src="([^"]+)"', text)
        assert (written[0] / picture).read_bytes()[8:12] == b"WEBP"
        links = POCKET.findall(text)
        opened += bool(links)
        there, elsewhere = [html.unescape(link) for link in links], re.findall(r"`#([^`]+)`", text)
        assert bool(there) != bool(elsewhere), scene.name
        assert all(Link.read(link) == exactly(scene.link) for link in there), scene.name
        assert all(Link.read(link) == scene.link for link in elsewhere), scene.name
    assert opened == len(gallery.SCENES) - 3


@pytest.mark.parametrize(
    ("link", "possible"),
    [
        ("alpha=0.3&mode=exact", True),
        ("alpha=0.3&mode=both&target=rings", True),
        ("target=digits_latent", True),
        ("reward=formula:x", True),
        ("target=digits_latent&reward=digits:02468", False),
        ("fault=shuffled", False),
        ("coupling=ot", False),
        ("methods=raft", False),
    ],
)
def test_a_run_is_sent_to_the_pocket_lab_unless_only_networks_can_show_it(pages, link, possible):
    assert (pages.pocket.why_not(Link.read(link)) == "") == possible


# Lessons --------------------------------------------------------------------------------------------------------------


def test_every_lesson_has_its_scenes_its_file_and_a_handout_that_needs_nothing_else(written):
    found, place = parts(read(written, "lessons.md")), written[0] / "extra"
    read_ = [(name, lessons.read(lessons.text_of(name))) for name in lessons.names()]
    assert list(found) == [lesson.title for _, lesson in read_]
    for name, lesson in read_:
        text = unmarked(found[lesson.title])
        for scene in lesson.scenes:
            assert scene.title in text
            assert scene.ask is None or scene.ask.prompt in text
            assert not scene.why or scene.why not in text, "the answer is not told"
        assert f'href="lessons/{name}.html"' in found[lesson.title]
        assert (place / f"lessons/{name}.yaml").read_text(encoding="utf-8") == lessons.text_of(name)
        handout = (place / f"lessons/{name}.html").read_text(encoding="utf-8")
        assert all(html.escape(scene.title) in handout for scene in lesson.scenes)
        for link in re.findall(r'(?:href|src)="([^"]+)"', handout):
            assert link == "../lessons.html" or (place / "lessons" / link).is_file(), link
    links = POCKET.findall(read(written, "lessons.md"))
    scenes = [scene.seen for _, lesson in read_ for scene in lesson.scenes]
    assert [Link.read(html.unescape(link)) for link in links] == [
        exactly(seen) for seen in scenes if not re.search("digits|fault|coupling|methods", unquote(seen.text()))
    ]


# Cards, claims, modules -----------------------------------------------------------------------------------------------


def test_every_method_has_its_whole_card(written):
    found = parts(read(written, "methods.md"))
    assert list(found) == [methods.card(name).title for name in methods.names()]
    for name in methods.names():
        card = methods.card(name)
        text = found[card.title]
        assert f"$$\n{card.formula}\n$$" in text
        for said in (card.name, card.idea, card.needs, card.dial, card.goes_to, card.source, card.read):
            assert said in unmarked(text), (name, said)


def test_every_network_and_every_solver_has_its_card_with_what_was_measured(written):
    text = read(written, "zoo.md")
    names = re.findall(r"^### (\w+)$", text, flags=re.MULTILINE)
    assert sorted(names) == sorted([*zoo.names(), *zoo.names("solver")])
    _, *below = re.split(r"^### \w+$", text, flags=re.MULTILINE)
    for name, said in zip(names, map(unmarked, below), strict=True):
        card = zoo.card(name)
        assert all(key in said for key in card["recipe"]), name
        if card["kind"] == "solver":
            assert all(f"{value:.5f}" in said for of in card["quality"].values() for value in of.values()), name
        else:
            assert card["sha256"] in said
            assert all(f"{key} {value:g}" in said for key, value in card["quality"].items()), name


def test_every_claim_is_in_the_report_with_its_number_and_its_verdict(written):
    text = read(written, "report.md")
    rows = [unmarked(line).strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    shown = {(row[0], row[1]): row[2:] for row in rows}
    claims = [claim for section in numbers().values() for claim in section.values()]
    for claim in claims:
        if claim["says"].endswith(" (1 = yes)"):
            answers = ["yes" if claim[of] else "no" for of in ("measured", "expected")]
            assert shown[claim["says"].removesuffix(" (1 = yes)"), answers[0]] == [answers[1], "yes"]
            continue
        cells = shown[claim["says"], f"{claim['measured']:.4g}"]
        if claim["kind"] != "measured":
            assert f"{claim['expected']:.4g}" in cells[0]
            assert cells[1] == ("yes" if claim["holds"] else "NO")
    judged = [claim for claim in claims if claim["kind"] != "measured"]
    assert f"{sum(claim['holds'] for claim in judged)} of {len(judged)} claims held" in text


def test_the_report_says_above_a_table_where_a_claim_is_that_something_fails(pages, written):
    parts = dict(re.findall(r"^## ([^\n]*)\n\n(.*?)^\| claim ", read(written, "report.md"), flags=re.M | re.S))
    notes = pages.report._NOTES
    assert notes.keys() < numbers().keys()
    for name, note in notes.items():
        assert note in parts[name.replace("_", " ").capitalize()]
    ought = [name for name, said in numbers().items() if any("ought" in one["says"] for one in said.values())]
    assert ought
    assert {*ought} <= notes.keys()


def test_no_card_has_formulas_in_its_sentences(written):
    text = re.sub(r"\$\$.*?\$\$", "", unmarked(read(written, "methods.md")), flags=re.DOTALL)
    assert "e^" not in text


def test_every_module_has_a_page_that_shows_all_that_it_offers(pages, written):
    named = re.findall(r"^ *- \[`([\w.]+)`\]", read(written, "api.md"), flags=re.MULTILINE)
    assert [name for name in named if "." not in name] == orwlab.__all__
    assert {f"orwlab.{name}" for name in named} == {f"orwlab.{path.stem}" for path in (written[0] / "api").glob("*.md")}
    for name in named:
        module, text = pages.api.module(name), read(written, f"api/{name}.md")
        if "__all__" not in vars(module):
            assert "   :members:" in text, name
            continue
        for one in module.__all__:
            value = getattr(module, one)
            if callable(value):
                assert f":: orwlab.{name}.{one}\n" in text, (name, one)
    assert ":: orwlab.methods.card\n" in read(written, "api/methods.md"), "functions beside lazy modules too"
    assert "   :no-index:" in read(written, "api/finetune.md"), "a second name of one thing is no second target"


# Chapters -------------------------------------------------------------------------------------------------------------


def test_every_chapter_of_the_readme_is_a_page_or_left_out_for_a_reason(pages, written):
    known = pages.chapters
    shown = (*known.PLAY, *known.TEACH, *known.USE, *known.LOOK_UP)
    there = known.chapters()
    assert set(there) <= {*shown, *known.LEFT_OUT}
    assert set(shown) <= set(there)
    for title in shown:
        text = read(written, f"{known.slug(title)}.md")
        assert text.startswith(f"# {title}\n")
        plain = re.sub(r"\]\([^)]*\)", "]", there[title])
        assert re.sub(r"\]\([^)]*\)", "]", text.partition("\n")[2]) == plain


def test_links_of_chapters_lead_to_pages_and_pictures_of_the_site(pages, written):
    folder = written[0]
    for path in folder.glob("*.md"):
        for link in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            beside = folder / link
            assert beside.is_file() or ((ROOT / link).is_file() and link.startswith("notebooks/")), (path.name, link)
    assert "](a_class.md)" in read(written, "two_commands.md")
    assert "](benchmarks.md)" in read(written, "serving.md")
    with pytest.raises(ValueError, match=r"link is '\(orwlab/cli\.py\)'; allowed: .*chapters"):
        pages.chapters.linked("[code](orwlab/cli.py)")


def test_the_page_on_serving_quotes_what_was_measured(written):
    serving, readme = read(written, "serving.md"), (ROOT / "README.md").read_text(encoding="utf-8")
    for quoted in ("20 (2,000 particles)", "14.5 at least, 15.6 median", "115 ms", "1.4 GB", "10.7 at least (250"):
        assert quoted in serving, quoted
        assert quoted in readme, quoted
    assert "(docs/serving.md)" in readme
    travels = len(gzip.compress(pocket_page.page().encode())) / 1000
    assert 230 < travels < 250
    assert serving.count("240 kB") == 2
    assert "| 0.24 GB in all" in serving
    assert f"| 24 GB in all: {24 * 8 / 60:.1f} minutes" in serving


# Plain text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["a*b*c", "_x_", "p_ref ~ q", "|v|^2", "1 < 2 > 0", "[a](b)", "`c`", "$5", "# no", "\\"]
)
def test_plain_text_is_no_markup(pages, text):
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parseInline(pages.words.plain(text))
    assert "".join(one.content for one in tokens[0].children) == text
    assert {one.type for one in tokens[0].children} <= {"text", "text_special"}
