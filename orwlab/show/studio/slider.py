"""A slider for a positive parameter: logarithmic with a zero at its left end, or linear; one can also type a number.

Gradio's own slider is linear and shows the handle's position; on a logarithmic scale that is not the value.
"""

import html
import json
import math

import gradio as gr

_TEMPLATE = """
<div class="orw-slider">
  <div class="head"><span id="{id}-label">{label}</span>
    <input class="typed" type="number" min="{low}" max="{high}" step="any" aria-label="{label}, typed"></div>
  <input class="range" type="range" min="0" max="{positions}" step="1"
    aria-labelledby="{id}-label" aria-describedby="{id}-info">
  <div class="ticks" aria-hidden="true">{ticks}</div>
  <p id="{id}-info">{info}</p>
</div>
"""

_STYLE = """
.orw-slider { padding: var(--block-padding); background: var(--block-background-fill);
  color: var(--body-text-color); }
.orw-slider .head { display: flex; justify-content: space-between; align-items: center; font-weight: 600; }
.orw-slider .typed { width: 5.6em; padding: 3px 6px; text-align: right; font: inherit; color: inherit;
  font-variant-numeric: tabular-nums; background: var(--input-background-fill);
  border: 1px solid var(--border-color-primary); border-radius: 6px; appearance: textfield; }
.orw-slider .typed::-webkit-inner-spin-button { display: none; }
.orw-slider .range { width: 100%; height: 28px; margin: 4px 0 0; accent-color: #0072B2; cursor: pointer;
  display: block; }
.orw-slider .ticks { position: relative; height: 1.3em; margin: 0 8px; font-size: 12px;
  color: var(--body-text-color-subdued); }
.orw-slider .ticks span { position: absolute; transform: translateX(-50%); }
.orw-slider .ticks span:last-child { transform: translateX(-70%); }
.orw-slider p { margin: 4px 0 0; font-size: 13px; line-height: 1.4; color: var(--body-text-color-subdued); }
"""

# scale: {log, low, high, positions}. On a log scale position 0 is the value 0, position 1 is `low`.
_SCRIPT = """
const range = element.querySelector('.range'), typed = element.querySelector('.typed');
const ratio = Math.log(scale.high / scale.low);
const rounded = (value) => Number(value.toPrecision(2));
const valueAt = (p) => !scale.log ? Number((scale.low + (scale.high - scale.low) * p / scale.positions).toFixed(3))
  : p === 0 ? 0 : rounded(scale.low * Math.exp(ratio * (p - 1) / (scale.positions - 1)));
const positionOf = (value) => Math.round(
  !scale.log ? (value - scale.low) / (scale.high - scale.low) * scale.positions
  : value < scale.low ? 0 : 1 + Math.log(value / scale.low) / ratio * (scale.positions - 1));
function show(value) {
  range.value = positionOf(value);
  typed.value = value;
  range.setAttribute('aria-valuetext', String(value));
}
// Requests of one drag may overtake each other on their way: the stamp tells Python which is the newest.
let stamp = Date.now();
function choose(value) {
  show(value);
  if (value === props.value[0]) return;
  props.value = [value, ++stamp];
  trigger('input');
}
range.addEventListener('input', () => choose(valueAt(Number(range.value))));
typed.addEventListener('change', () => {
  const value = typed.value === '' ? NaN : Number(typed.value);
  const low = scale.log ? 0 : scale.low;
  choose(Number.isFinite(value) ? Math.min(scale.high, Math.max(low, value)) : props.value[0]);
});
watch('value', () => show(props.value[0]));
show(props.value[0]);
"""


def parameter_slider(
    value: float,
    *,
    label: str,
    info: str,
    low: float,
    high: float,
    positions: int,
    ticks: tuple[float, ...],
    log: bool,
    elem_id: str,
) -> gr.HTML:
    """A slider whose value is ``[parameter, stamp]``; its ``input`` event fires while it is dragged.

    Stamps grow from event to event: a handler that has seen a larger one must ignore a smaller one.

    Args:
        value: at the start.
        label: the parameter's name.
        info: one sentence of help.
        low: the smallest value; on a log scale the smallest above zero.
        high: the largest value.
        positions: steps of the handle.
        ticks: values written below.
        log: logarithmic, with 0 at the left end.
        elem_id: the component's id in the page.
    """

    def place(tick: float) -> float:
        if not log:
            return (tick - low) / (high - low)
        return 0.0 if tick == 0 else (1 + math.log(tick / low) / math.log(high / low) * (positions - 1)) / positions

    template = _TEMPLATE.format(
        id=elem_id,
        label=html.escape(label),
        info=html.escape(info),
        low=0 if log else low,
        high=high,
        positions=positions,
        ticks="".join(f'<span style="left:{100 * place(tick):.1f}%">{tick:g}</span>' for tick in ticks),
    )
    scale = json.dumps({"log": log, "low": low, "high": high, "positions": positions})
    return gr.HTML(
        [value, 0],
        html_template=template,
        css_template=_STYLE,
        js_on_load=f"const scale = {scale};{_SCRIPT}",
        apply_default_css=False,
        elem_id=elem_id,
    )
