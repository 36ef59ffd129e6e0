"""Words for a figure, for readers who do not see it."""

import plotly.graph_objects as go

from orwlab import checks

SHORTEST = 40
"""characters; less cannot say what is on the axes and what is seen"""


def described(figure: go.Figure, alt: str) -> go.Figure:
    """The same figure, carrying its alternative text in ``layout.meta["alt"]``.

    ``notebooks/make.py`` puts the text beside the picture, from where HTML exports and screen readers take it.

    Args:
        figure: changed in place, and returned so that a cell can end with this call.
        alt: what somebody who sees nothing must know: the axes, what is drawn, what stands out, its numbers.

    Raises:
        ValueError: a text shorter than ``SHORTEST`` characters.
    """
    words = " ".join(alt.split()) if isinstance(alt, str) else ""
    if len(words) < SHORTEST:
        raise checks.fail(
            "alt", alt, f"a sentence or two of at least {SHORTEST} characters: axes, what is seen, numbers"
        )
    return figure.update_layout(meta={"alt": words})
