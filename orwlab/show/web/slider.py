"""Markup of a slider with a box to type in: linear, or logarithmic with or without a zero at its left end.

``widgets.js`` brings it to life. A browser's own slider shows the handle's position; on a logarithmic scale that is not
the value.
"""

import html
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Which values the handle's positions stand for.

    Args:
        low: the smallest value; on a logarithmic scale the smallest above zero.
        high: the largest value.
        positions: steps of the handle.
        ticks: values written below.
        log: logarithmic.
        zero: on a logarithmic scale, whether position 0 is the value 0 and position 1 is ``low``.
        digits: of the values that the handle takes: significant ones if logarithmic, else decimals.
    """

    low: float
    high: float
    positions: int
    ticks: tuple[float, ...]
    log: bool = False
    zero: bool = False
    digits: int = 2

    def place(self, value: float) -> float:
        """Where ``value`` is, from 0 (left end) to 1."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if self.zero and value < self.low:
            return 0.0
        first = 1 if self.zero else 0
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return (first + share * (self.positions - first)) / self.positions


def slider(name: str, label: str, info: str, value: float, scale: Scale) -> str:
    """The markup. ``info`` is one sentence of help; without one, ``label`` names the slider only to screen readers."""
    ticks = "".join(f'<span style="left:{100 * scale.place(tick):.1f}%">{_short(tick)}</span>' for tick in scale.ticks)
    label = html.escape(label)
    caption = f'<label class="label" for="{name}-range">{label}</label>' if info else ""
    described = f'aria-describedby="{name}-help"' if info else ""
    return f"""
<div class="control slider" data-kind="slider" data-name="{name}" id="{name}" data-low="{scale.low}"
    data-high="{scale.high}" data-log="{str(scale.log).lower()}" data-zero="{str(scale.zero).lower()}"
    data-digits="{scale.digits}">
  <div class="head">{caption}
    <input class="typed" type="text" inputmode="decimal" autocomplete="off" value="{value:g}"
      aria-label="{label}, typed"></div>
  <div class="track"><input class="range" id="{name}-range" type="range" min="0" max="{scale.positions}" step="1"
    value="{round(scale.place(value) * scale.positions)}" {"" if info else f'aria-label="{label}"'} {described}>
  <div class="ticks" aria-hidden="true">{ticks}</div></div>
  {f'<p class="help" id="{name}-help">{info}</p>' if info else ""}
</div>"""


def _short(tick: float) -> str:
    exponent = math.log10(tick) if tick > 0 else 0.0
    return f"10<sup>−{-exponent:.0f}</sup>" if exponent <= -3 and exponent == round(exponent) else f"{tick:g}"
