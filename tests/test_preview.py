"""What the page says of itself: its title, its icon, its preview and its foot."""

import importlib.metadata
import xml.etree.ElementTree as ElementTree
from email.message import Message
from html.parser import HTMLParser

import pytest

from orwlab.show.web import preview
from orwlab.show.web.own_address import rewritten

GRADIO = """<html><head><base href="./" />
<meta property="og:title" content="Gradio" />
<meta
    property="og:image"
    content="https://raw.githubusercontent.com/gradio-app/header-image.jpg"
/>
<meta name="twitter:creator" content="@Gradio" />
<meta name="viewport" content="width=device-width" />
<script>window.gradio_config = {};</script></head><body></body></html>"""


class Head(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.metas: dict[str, str] = {}
        self.links: dict[str, str] = {}
        self.title = ""
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self._in = tag
        if tag == "meta":
            self.metas[given.get("property") or given.get("name")] = given["content"]
        if tag in ("link", "a"):
            self.links[given.get("rel") or given["href"]] = given["href"]

    def handle_data(self, data):
        if self._in == "title":
            self.title, self._in = data, ""


@pytest.mark.parametrize("find", [True, False])
def test_the_preview_is_ours_alone_and_names_no_other_address(find):
    page = rewritten(GRADIO, "/", find, "Live lab")
    head = Head(page)
    assert head.title == head.metas["og:title"] == "orwlab: live lab"
    assert Head(rewritten(GRADIO, "/elsewhere", find)).title == "orwlab"
    assert head.metas["og:description"] == head.metas["description"]
    assert head.metas["viewport"] == "width=device-width"
    assert head.links["icon"] == "./favicon.ico"
    assert not any("twitter" in name or "image" in name for name in head.metas)
    assert "radio" not in " ".join(head.metas.values())
    assert "://" not in " ".join([*head.metas.values(), *head.links.values()])
    assert ('Object.defineProperty(window, "gradio_config"' in page) == find


def test_the_icon_is_a_small_drawing():
    assert preview.ICON.stat().st_size < 2000
    assert ElementTree.parse(preview.ICON).getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize(
    ("told", "links"),
    [
        ([], []),
        (["Notebooks, https://example.org/notebooks", "Source, https://example.org"], ["notebooks", "code"]),
        (["Elsewhere, https://example.org", "Source, javascript:alert(1)", "Source"], []),
    ],
)
def test_the_foot_links_the_paper_and_what_the_project_says_of_itself(monkeypatch, told, links):
    about = Message()
    for entry in told:
        about["Project-URL"] = entry
    monkeypatch.setattr(importlib.metadata, "metadata", lambda name: about)
    foot = preview.foot()
    assert preview.PAPER in Head(foot).links
    assert len(Head(foot).links) == 1 + len(links)
    assert all(f">The {words}<" in foot for words in links)


def test_a_project_that_is_not_installed_has_a_foot_all_the_same(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "metadata", missing)
    assert preview.PAPER in preview.foot()
