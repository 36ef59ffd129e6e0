"""Draws the gallery's pictures: ``python -m orwlab.show.gallery``, when a scene or the stage has changed.

Each is the plots of the stage at the scene's end, drawn by a Chromium that nobody sees.
"""

import io
from pathlib import Path

from PIL import Image

from orwlab.show.lab import gallery
from orwlab.show.lab.session import Session
from orwlab.show.notebook import still
from orwlab.show.web.keep_markup import PICTURES

SIZE = 360  # pixels a side
_AREA = """() => {
  const { layout, canvas } = document.querySelector('.orw-stage').stage, frame = canvas.getBoundingClientRect();
  const left = Math.min(...layout.plots.map((p) => p.x)), top = Math.min(...layout.plots.map((p) => p.y));
  const right = Math.max(...layout.plots.map((p) => p.x + p.w));
  const bottom = Math.max(...layout.plots.map((p) => p.y + p.h));
  return { x: frame.left + left, y: frame.top + top, width: right - left, height: bottom - top };
}"""


def value(scene: gallery.Scene) -> dict[str, str]:
    """What the stage shows at the end of a scene."""
    session = Session(particles=1000, name="gallery")
    session.begin(scene.link.story)
    still.settle(session)
    session.close()
    return session.frame()


def draw(scene: gallery.Scene) -> Image.Image:
    """The scene's plots as a square picture."""
    with still.browser(900, dark=False) as page:
        page.set_content(still.page_text(value(scene), height=560))
        page.add_style_tag(
            content=".orw-banner, .orw-lane { visibility: hidden }"
        )  # a small picture has no room for words
        still.drawn(page, 1)
        page.wait_for_timeout(1200)  # a wider view is reached in steps
        shot = Image.open(io.BytesIO(page.screenshot(clip=page.evaluate(_AREA)))).convert("RGB")
    side = max(shot.size)
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(shot, ((side - shot.width) // 2, (side - shot.height) // 2))
    return square.resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def main(folder: Path = PICTURES) -> None:
    """Draw them all."""
    folder.mkdir(exist_ok=True)
    for scene in gallery.SCENES:
        draw(scene).save(folder / f"{scene.name}.webp", quality=82, method=6)
        print(f"{scene.name}.webp", flush=True)


if __name__ == "__main__":
    main()
