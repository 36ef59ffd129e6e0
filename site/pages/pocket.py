"""What of a run the Pocket lab can show, and how a page leads there."""

import html

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
    """A link, as it stands behind an address's ``#``, that opens in the Pocket lab; ``words`` are HTML."""
    behind = f"#{html.escape(link)}" if link else ""
    return f'<a href="{LAB}{behind}">{words}</a>'


def elsewhere(link: str) -> str:
    """How the same is seen in the app, in Markdown."""
    return f"See it in the [app](two_commands.md): put `#{link}` behind its address."
