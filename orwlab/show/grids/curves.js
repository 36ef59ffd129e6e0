// Curves over rounds: what is paid for and what a judge says of it, a colour for each lane.
//
//   drawCurves(svg, panels, colours)   panels: [{title, unit, lines: [{lane, dashed, xs, ys}], floor: [{value, label}],
//                                    within: the ends of its axis, if they are known}]

import { niceTicks, tickLabel } from "./numerals.js";

const CURVE_EDGES = { left: 52, right: 12, top: 24, bottom: 38 }; // px around a panel
const CURVE_GAP = 34; // px between two panels

const curveSvg = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

/** Ends of an axis that hold all values, with room: noise must not be blown up to the height of the panel. */
function curveSpan(values) {
  const there = values.filter(Number.isFinite);
  if (!there.length) return [0, 1];
  const low = Math.min(...there), high = Math.max(...there), room = Math.max(0.08 * (high - low), 0.1 * Math.abs(high), 1e-3);
  return [low - room, high + room];
}

export function drawCurves(svg, panels, colours) {
  const width = svg.clientWidth, height = svg.clientHeight;
  if (!width || !height) return;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const count = panels.length, across = width > 420; // else one above the other
  const each = across ? (width - CURVE_GAP * (count - 1)) / count : width, tall = across ? height : height / count;
  svg.replaceChildren(...panels.flatMap((panel, k) => {
    const group = curveSvg("g", { transform: across ? `translate(${k * (each + CURVE_GAP)},0)` : `translate(0,${k * tall})` });
    group.append(...onePanel(panel, colours, each, tall));
    return group;
  }));
  for (const name of svg.querySelectorAll(".orw-floor-name")) breakIfTooLong(name, each - CURVE_EDGES.left - CURVE_EDGES.right - 6);
}

/** A name that is too long for its panel stands in lines, broken after its commas, and ends above its rule all the same. */
function breakIfTooLong(name, room) {
  if (name.getComputedTextLength() <= room) return;
  const lines = name.textContent.split(/(?<=,) /);
  const [x, y] = ["x", "y"].map((key) => Number(name.getAttribute(key)));
  name.replaceChildren(...lines.map((line, i) => curveSvg("tspan", { x, y: y - 14 * (lines.length - 1 - i) }, line)));
}

function onePanel({ title, lines, floor, within }, colours, width, height) {
  const left = CURVE_EDGES.left, right = width - CURVE_EDGES.right;
  const top = CURVE_EDGES.top, bottom = height - CURVE_EDGES.bottom;
  const last = Math.max(10, ...lines.map(({ xs }) => xs.at(-1) ?? 0));
  const [low, high] = within ?? curveSpan([...lines.flatMap(({ ys }) => ys), ...floor.map(({ value }) => value)]);
  const X = (round) => left + ((right - left) * round) / last;
  const Y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low || 1);
  const parts = [curveSvg("text", { x: left, y: top - 9, class: "orw-title" }, title)];
  const rows = niceTicks(low, high, Math.min(6, (bottom - top) / 34)), columns = niceTicks(0, last, (right - left) / 80);
  for (const tick of rows.ticks) {
    parts.push(curveSvg("path", { d: `M${left},${Y(tick)}H${right}`, class: "orw-rule" }));
    parts.push(curveSvg("text", { x: left - 7, y: Y(tick) + 4, "text-anchor": "end" }, tickLabel(tick, rows.step)));
  }
  for (const tick of columns.ticks.filter((value) => Number.isInteger(value))) {
    const anchor = X(tick) > right - 14 ? "end" : "middle";
    parts.push(curveSvg("text", { x: X(tick), y: bottom + 16, "text-anchor": anchor }, String(tick)));
  }
  parts.push(curveSvg("text", { x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle", class: "orw-axis" }, "round"));
  parts.push(curveSvg("path", { d: `M${left},${top}V${bottom}H${right}`, class: "orw-frame" }));
  for (const { value } of floor) parts.push(curveSvg("path", { d: `M${left},${Y(value)}H${right}`, class: "orw-floor" }));
  for (const { lane, dashed, xs, ys } of lines) {
    if (!xs.length) continue;
    const d = xs.map((x, i) => `${i ? "L" : "M"}${X(x).toFixed(1)},${Y(ys[i]).toFixed(1)}`).join("");
    const dash = dashed ? { "stroke-dasharray": "6 5" } : {};
    parts.push(curveSvg("path", { d, class: "orw-curve", stroke: colours[lane], "data-lane": lane, "data-dashed": dashed, ...dash }));
    parts.push(curveSvg("circle", { cx: X(xs.at(-1)), cy: Y(ys.at(-1)), r: 3.5, fill: colours[lane] }));
  }
  for (const { value, label } of floor) // last, with a rim in the paper's colour: a curve may cross it
    parts.push(curveSvg("text", { x: right - 3, y: Y(value) - 5, "text-anchor": "end", class: "orw-floor-name" }, label));
  return parts;
}
