"""The studio as one Gradio app: theme, style and pages."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from orwlab.show.web import arena, bound_lab, images_page, live_lab, preview, trade_off, words_page
from orwlab.show.web.broadcast import Registry

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
_MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'


class Page(Protocol):
    """What the app is made of."""

    @property
    def path(self) -> str:
        """The end of its address; "" of the first one."""

    @property
    def name(self) -> str:
        """What it is called."""

    def build(self, demo: gr.Blocks, registry: Registry, pages: Mapping[str, str]) -> None:
        """Put it into ``demo``, which is open; ``pages`` are ``names()``, for its bar."""


PAGES: tuple[Page, ...] = (
    live_lab.PAGE,
    arena.PAGE,
    bound_lab.PAGE,
    trade_off.PAGE,
    images_page.PAGE,
    words_page.PAGE,
)
"""in the order in which they are listed; the first is at the app's own address"""


BESIDE = {"classroom": "Classroom", "pocket": "Pocket lab"}
"""path -> name of what is served beside Gradio: see ``classroom`` and ``pocket_page``"""


def names() -> dict[str, str]:
    """Path -> name of all pages."""
    return {page.path: page.name for page in PAGES} | BESIDE


def build(registry: Registry | None = None) -> gr.Blocks:
    """The app, ready for ``serve.launch``."""
    registry = Registry() if registry is None else registry
    first, *others = PAGES
    with gr.Blocks(title=preview.TITLE, fill_width=True, analytics_enabled=False) as demo:
        _put(demo, registry, first)
    for page in others:
        with demo.route(page.name, page.path):
            _put(demo, registry, page)
    return demo


def _put(demo: gr.Blocks, registry: Registry, page: Page) -> None:
    page.build(demo, registry, names())
    gr.HTML(preview.foot(), elem_id="foot")


def appearance() -> dict[str, Any]:
    """Arguments of ``launch`` that make it look like the studio. System fonts: nothing is fetched from elsewhere."""
    theme = gr.themes.Base(primary_hue="blue", neutral_hue="slate", radius_size="md", font=["sans-serif"])
    theme.font, theme.font_mono = _FONT, _MONO
    theme.set(
        body_background_fill="#ffffff",
        body_background_fill_dark="#0b0f16",
        body_text_color_subdued="#566173",
        body_text_color_subdued_dark="#a6b1c2",
        block_info_text_color="#566173",
        block_info_text_color_dark="#a6b1c2",
        block_title_text_color="#1b2430",
        block_title_text_color_dark="#eef2f7",
        block_title_text_weight="600",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_shadow="none",
        block_padding="0px",
        input_background_fill="#f3f5f8",
        input_background_fill_dark="#161d29",
        button_primary_background_fill="#0072B2",
        button_primary_background_fill_hover="#005f96",
        button_primary_background_fill_dark="#0072B2",
        button_primary_background_fill_hover_dark="#1482c0",
        button_primary_text_color="#ffffff",
    )
    css = (Path(__file__).parent / "studio.css").read_text(encoding="utf-8")
    return {"theme": theme, "css": css, "footer_links": []}
