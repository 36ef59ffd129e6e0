"""The studio as one Gradio app: theme, style and pages."""

from pathlib import Path
from typing import Any

import gradio as gr

from orwlab.show.web import live_lab, preview
from orwlab.show.web.broadcast import Registry

_FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'
_MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace'


def build(registry: Registry | None = None) -> gr.Blocks:
    """The app, ready for ``serve.launch``."""
    with gr.Blocks(title=preview.TITLE, fill_width=True, analytics_enabled=False) as demo:
        live_lab.build(demo, Registry() if registry is None else registry)
        gr.HTML(preview.foot(), elem_id="foot")
    return demo


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
