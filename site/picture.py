"""Draws the start page's picture of the Pocket lab: ``python site/picture.py``, when the lab's look has changed."""

import io
import tempfile
from pathlib import Path

from PIL import Image

from orwlab.show.notebook import still
from orwlab.show.web import pocket_page

PICTURE = Path(__file__).resolve().parent / "pocket.webp"
WIDTH, HEIGHT = 1000, 720  # CSS pixels
SCENE = "#alpha=1&tau=2&mode=exact&round=80"
RESTS = "document.querySelector('.orw-stage')?.stage?.meta?.round === 80"


def main() -> None:
    """Draw it."""
    with tempfile.TemporaryDirectory() as folder, still.browser(WIDTH, dark=False) as page:
        file = Path(folder) / "pocket.html"
        file.write_text(pocket_page.page(), encoding="utf-8")
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        page.goto(file.as_uri() + SCENE)
        page.wait_for_function(RESTS, timeout=60_000)
        page.wait_for_timeout(8000)  # the exact limits arrive, and a sentence about the replay goes
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.save(PICTURE, quality=82, method=6)


if __name__ == "__main__":
    main()
