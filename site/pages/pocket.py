"""What of a run the Pocket lab can show, and how a page leads there."""

import html
from dataclasses import replace

from orwlab.show.lab import digits
from orwlab.show.lab.link import Link

LAB = "pocket/index.html"
"""of the Pocket lab, beside the start page"""


def why_not(link: Link) -> str:
    """Why the Pocket lab cannot show a run, in a sentence; "" if it can, with exact answers in place of networks."""
    settings = link.story.settings
    if settings.fault:
        return "The fault is one of training, and only a network can have it."
    if settings.methods:
        return "Methods race as networks."
    if settings.coupling != "independent":
        return "With pairs from optimal transport nobody knows the exact answer."
    if settings.reward.startswith(digits.PREFIXES):
        return "Which digits are wanted is judged by a network."
    return ""


def way(link: str, words: str) -> str:
    """A link, as it stands behind an address's ``#``, to the exact answer in the Pocket lab; ``words`` are HTML.

    It is there at once, where a small network would first have to learn what the app's had learned.
    """
    return f'<a href="{LAB}#{html.escape(_exactly(Link.read(link)).text())}">{words}</a>'


def _exactly(link: Link) -> Link:
    return replace(link, story=link.story.seen_as(link.story.start.changed(mode="exact")))


def elsewhere(link: str) -> str:
    """How the same is seen in the app, in Markdown."""
    return f"See it in the [app](two_commands.md): put `#{link}` behind its address."
