"""What the page says of itself: in a browser's tab, in a preview of a link to it, and at its foot."""

import html
import importlib.metadata
import re
from pathlib import Path

TITLE = "orwlab"
"""of a page that has no name of its own"""
SAYS = (
    "Watch a flow-matching model being fine-tuned with a reward, steer it while it learns, and see the exact answer "
    "beside it."
)
ICON = Path(__file__).parent / "icon.svg"
PAPER = "https://arxiv.org/abs/2502.06061"

_PREVIEW = re.compile(r'\s*<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')  # Gradio's own
_WORDS = {
    "notebooks": "The notebooks",
    "source": "The code",
    "code": "The code",
    "repository": "The code",
    "documentation": "The documentation",
    "homepage": "The project",
}


def title(name: str = "") -> str:
    """Of the page that is called ``name``."""
    return f"{TITLE}: {name.lower()}" if name else TITLE


def head(name: str = "") -> str:
    """Title, icon and preview, for the head of the page called ``name``. Nothing in it names another address."""
    words = {"og:title": title(name), "og:description": SAYS, "og:type": "website"}
    metas = "".join(f'<meta property="{name}" content="{html.escape(text)}" />' for name, text in words.items())
    icon = '<link rel="icon" type="image/svg+xml" href="./favicon.ico" />'  # else it is looked for at the host's top
    return f'<title>{title(name)}</title><meta name="description" content="{html.escape(SAYS)}" />{metas}{icon}'


def without_another(page: str) -> str:
    """The page without the preview that Gradio has written into it."""
    return _PREVIEW.sub("", page)


def foot() -> str:
    """Links to the paper, and to what the installed project says of where its own things are."""
    links = {PAPER: "The paper (arXiv 2502.06061)", **_own()}
    rows = "".join(f'<li><a href="{html.escape(url)}">{words}</a></li>' for url, words in links.items())
    return f'<footer class="studio-foot"><ul>{rows}</ul></footer>'


def _own() -> dict[str, str]:
    """Address -> words, of the project's links that a page can use."""
    try:
        entries = importlib.metadata.metadata("orwlab").get_all("Project-URL") or []
    except importlib.metadata.PackageNotFoundError:  # a copy that nobody has installed
        return {}
    pairs = [[part.strip() for part in entry.split(",", 1)] for entry in entries]
    found = {pair[1]: _WORDS[pair[0].lower()] for pair in pairs if len(pair) == 2 and pair[0].lower() in _WORDS}
    return {url: words for url, words in found.items() if url.startswith(("https://", "http://"))}
