"""A bare page that draws plotly figures, and ways to look at them: where texts stand, and which pixels are painted."""

import io
import json
from dataclasses import dataclass

import numpy as np
import plotly.offline
from PIL import Image

TEXTS = """() => Array.from(document.querySelectorAll('#plot svg text'))
    .filter((t) => t.textContent.trim() && getComputedStyle(t).visibility !== 'hidden')
    .map((t) => {
        const box = t.getBoundingClientRect();
        return [t.textContent.replaceAll('\\u200b', ''), box.left, box.top, box.right, box.bottom];
    })"""
DRAW = """(figure) => {
    Plotly.purge('plot');
    return Plotly.newPlot('plot', figure.data, figure.layout, { staticPlot: true })
        .then(() => document.fonts.ready).then(() => true);
}"""
PLACE = """([x, y]) => {
    const { xaxis, yaxis } = document.getElementById('plot')._fullLayout;
    return [xaxis._offset + xaxis.l2p(x), yaxis._offset + yaxis.l2p(y)];
}"""
IMAGES = """() => Array.from(document.querySelectorAll('#plot .hm image'))
    .map((i) => { const b = i.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"""


@dataclass(frozen=True)
class Text:
    """A text and its box in pixels."""

    words: str
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, left: float, top: float, right: float, bottom: float) -> bool:
        """Whether letters may meet another box: lines of text have some pixels of air above and below."""
        across = min(self.right, right) - max(self.left, left)
        down = min(self.bottom, bottom) - max(self.top, top)
        return across > 1 and down > 3


class FigurePage:
    """Draws one figure at a time, with nothing else on the page."""

    def __init__(self, browser) -> None:
        self.context = browser.new_context(viewport={"width": 1600, "height": 1200})
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.set_content("<body style='margin: 0; background: white'><div id='plot'></div></body>")
        self.page.add_script_tag(content=plotly.offline.get_plotlyjs())

    def draw(self, figure) -> None:
        self.width, self.height = figure.layout.width, figure.layout.height
        self.page.evaluate(DRAW, json.loads(figure.to_json()))

    def texts(self) -> list[Text]:
        return [Text(*found) for found in self.page.evaluate(TEXTS)]

    def images(self) -> list[list[float]]:
        """The boxes of heat maps' pictures."""
        return self.page.evaluate(IMAGES)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the first axes is, in pixels."""
        return tuple(self.page.evaluate(PLACE, [float(x), float(y)]))

    def scrolls(self) -> bool:
        """Whether the legend has more than it shows."""
        bars = "Array.from(document.querySelectorAll('#plot .legend .scrollbar'))"
        return self.page.evaluate(f"{bars}.some((bar) => bar.getBoundingClientRect().height > 0)")

    def picture(self, *, texts: bool = True) -> np.ndarray:
        """What is painted, (height, width, 3); without its texts if they are not wanted."""
        hide = "(hide) => document.querySelectorAll('#plot text').forEach((t) => { t.style.opacity = hide ? 0 : ''; })"
        self.page.evaluate(hide, not texts)
        clip = {"x": 0, "y": 0, "width": self.width, "height": self.height}
        shot = self.page.screenshot(clip=clip, full_page=True)
        self.page.evaluate(hide, False)
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)

    def faults(self, covers: tuple[str, ...] = ()) -> list[str]:
        """What is wrong with the texts: cut at the border, on one another, or on what is drawn.

        Args:
            covers: texts that stand on something on purpose.
        """
        found = ["the legend scrolls"] if self.scrolls() else []
        texts, empty = self.texts(), self.picture(texts=False)
        for k, text in enumerate(texts):
            if min(text.left, text.top, self.width - text.right, self.height - text.bottom) < -0.5:
                found.append(f"{text.words!r} is cut")
            found += [
                f"{text.words!r} meets {other.words!r}"
                for other in texts[k + 1 :]
                if text.meets(other.left, other.top, other.right, other.bottom)
            ]
            box = empty[
                round(text.top) + 2 : round(text.bottom) - 2, max(0, round(text.left) + 1) : round(text.right) - 1
            ]
            # the grid and shaded bands are pale; whatever else is under a text is data
            drawn = (box.max(-1) - box.min(-1) > 45) | (box.max(-1) < 200)
            if box.size and drawn.mean() > 0.005 and text.words not in covers:
                found.append(f"{text.words!r} covers what is drawn")
        return found


def near(picture: np.ndarray, colour: str, apart: int = 40) -> np.ndarray:
    """Where a picture has this colour ("#RRGGBB"), or a mixture of it with some white as at edges, (height, width)."""
    ink = 255 - np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    found = 255 - picture
    share = found @ ink / (ink @ ink)
    return (share > 0.4) & (np.abs(found - share[..., None] * ink).sum(-1) < apart)


def runs(row: np.ndarray) -> list[int]:
    """The lengths of the painted stretches in a row of true and false."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()
