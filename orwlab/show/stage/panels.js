// Draws the panels beside the plots: curves over rounds, linear or logarithmic, and the mass of each mode.

import { niceTicks, tickLabel } from "./draw.js";
import { font } from "./theme.js";

const DASHES = [[], [7, 3], [2, 3], [9, 3, 2, 3]]; // of the series in one panel
const DECADES = 16; // a line farther than this above all others is named at the edge instead of flattening them

const superscript = (n) => String(n).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);
const decade = (n) => (n >= -2 && n <= 3 ? String(Number((10 ** n).toPrecision(1))) : `10${superscript(n)}`);

/** A round end that changes rarely, so that curves grow instead of being squeezed all the time. */
export function roundEnd(last) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, last)));
  return [50, 100, 200, 300, 500, 700].find((n) => n >= last) ?? power * Math.ceil(last / power - 1e-9);
}

/** Where the lines of a panel lie: {low, high, step}; in a logarithmic panel these are decades. */
export function rangeOf(panel, height, small) {
  let low = Infinity, high = -Infinity, beyond = -Infinity;
  const include = (value) => {
    if (!(value > panel.floor)) return;
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  const limits = panel.lines.map(({ lanes }) => {
    let top = -Infinity, bottom = Infinity;
    for (const { ys } of lanes) {
      for (let i = 0; i < ys.length; i++) {
        if (!(ys[i] > panel.floor)) continue;
        top = Math.max(top, ys[i]);
        bottom = Math.min(bottom, ys[i]);
      }
    }
    return [bottom, top];
  }).filter(([bottom]) => bottom < Infinity).sort((a, b) => a[1] - b[1]);
  limits.forEach(([bottom, top], k) => {
    if (panel.log && k > 0 && top > limits[k - 1][1] + DECADES) beyond = top;
    else if (beyond === -Infinity) [bottom, top].forEach(include);
  });
  const scale = panel.log ? (m) => Math.log10(m.value) : (m) => m.value;
  const marks = [panel.baseline, ...panel.exact].filter(Boolean).map(scale);
  marks.forEach(include);
  if (low > high) [low, high] = panel.log ? [-2, 1] : [0, 1];
  const least = panel.log ? 1.2 : panel.span; // noise must not be blown up to the height of the panel
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const words = Math.min(0.5, (1.35 * small) / height); // the share of the height that words above a line take
  const tops = beyond > -Infinity ? [high, ...marks] : marks, fewest = high + (0.26 * small * (high - low)) / height;
  const topFrom = (foot) => Math.max(fewest, ...tops.map((value) => foot + (value - foot) / (1 - words)));
  let { step } = niceTicks(low, topFrom(low), height / (2.3 * small));
  if (panel.log) step = Math.max(1, Math.round(step));
  const unit = panel.log ? 0.5 : step / 2, foot = Math.floor(low / unit + 1e-9) * unit;
  return { low: foot, high: Math.ceil(topFrom(foot) / unit - 1e-9) * unit, step };
}

/** Curves over rounds. colors: one a lane, or one a series if there is a single lane; changes: rounds. */
export function drawCurves(ctx, body, layout, theme, panel, colors, changes) {
  const { small, size, present, lanes } = layout;
  const several = panel.lines.length > 1;
  const thick = (present ? 1.5 : 1) * Math.max(1.7, size / 8);
  ctx.font = font(small);
  const area = { x: body.x + Math.round(3 * small), y: body.y + 3 };
  area.w = body.x + body.w - area.x - 2;
  area.h = body.y + body.h - area.y - Math.round(1.55 * small);
  const ends = several ? endWords(ctx, panel, area, small, lanes) : null;
  if (ends?.beside) area.w -= ends.width;
  if (area.h < 20 || area.w < 30) return;
  const { low, high, step } = rangeOf(panel, area.h, small);
  const last = panel.xs.length ? panel.xs[panel.xs.length - 1] : 0, end = roundEnd(last);
  const px = (x) => area.x + (x / end) * area.w;
  const py = (y) => area.y + ((high - y) / (high - low)) * area.h;
  const scale = panel.log ? (m) => Math.log10(m.value) : (m) => m.value, at = (m) => py(scale(m));

  ctx.fillStyle = theme.panel;
  ctx.fillRect(area.x, area.y, area.w, area.h);
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  const first = Math.ceil(low / step - 1e-9);
  for (let k = first; k * step <= high + 1e-9; k++) {
    const t = k * step, y = Math.round(py(t));
    ctx.fillStyle = theme.grid;
    ctx.fillRect(area.x, y, area.w, 1);
    ctx.fillStyle = theme.muted;
    ctx.fillText(panel.log ? decade(t) : tickLabel(t, step), area.x - 0.4 * small,
      Math.min(area.y + area.h - 0.3 * small, Math.max(area.y + 0.45 * small, y)));
  }
  drawRounds(ctx, area, end, px, small);
  ctx.fillStyle = theme.change;
  for (const round of changes) if (round <= end) ctx.fillRect(Math.round(px(round)), area.y, 1, area.h);

  const names = [];
  if (panel.baseline) {
    const lone = lanes === 1 ? panel.exact[0] : null;
    // words at the right, where the curve has usually moved away, unless the other line's words are there
    const apart = !lone || Math.abs(at(lone) - at(panel.baseline)) > 1.7 * small;
    const below = lanes === 1 && (apart ? lastOf(panel.lines[0].lanes[0].ys) > scale(panel.baseline)
      : at(panel.baseline) > at(lone)); // lines that are close have their words on the far sides
    names.push(rule(ctx, area, at(panel.baseline), theme.muted, [1, 3], panel.baseline.label, apart, below, layout));
  }
  panel.exact.forEach((mark, k) => {
    if (!mark) return;
    const color = lanes === 1 ? theme.exact : colors[k];
    const text = lanes === 1 && (!ends || ends.beside) ? mark.label : "";
    const close = lanes === 1 && panel.baseline && Math.abs(at(mark) - at(panel.baseline)) <= 1.7 * small;
    const below = close ? at(mark) >= at(panel.baseline)
      : lastOf(panel.lines[0].lanes[k].ys) > scale(mark); // the words on the side where the curve is not
    names.push(rule(ctx, area, at(mark), color, [6, 4], text, true, below, layout));
  });
  for (const { text, x, y, align, color } of names) { // over the lines, under the curves
    ctx.textAlign = align;
    ctx.textBaseline = "middle";
    haloed(ctx, text, x, y, color, theme.panel);
  }
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.x, area.y - 4, area.w + 4, area.h + 8);
  ctx.clip();
  ctx.lineJoin = "round";
  panel.lines.forEach((line, s) => line.lanes.forEach(({ ys }, k) => {
    ctx.strokeStyle = ctx.fillStyle = colors[lanes === 1 ? s : k];
    ctx.lineWidth = several && s > 0 ? 0.75 * thick : thick;
    ctx.setLineDash(DASHES[s % DASHES.length]);
    ctx.beginPath();
    let pen = false, drawn = -1;
    for (let i = 0; i < ys.length; i++) {
      if (!(ys[i] > panel.floor)) pen = false;
      else {
        if (pen) ctx.lineTo(px(panel.xs[i]), py(ys[i]));
        else ctx.moveTo(px(panel.xs[i]), py(ys[i]));
        pen = true;
        drawn = i;
      }
    }
    ctx.stroke();
    ctx.setLineDash([]);
    if (drawn < 0) return;
    ctx.beginPath();
    ctx.arc(px(panel.xs[drawn]), py(ys[drawn]), 1.5 * ctx.lineWidth, 0, 2 * Math.PI);
    ctx.fill();
  }));
  ctx.restore();
  if (ends) drawEnds(ctx, area, ends, panel, py, high, layout, theme, colors);
}

const lastOf = (ys) => (ys.length ? ys[ys.length - 1] : -Infinity);

function drawRounds(ctx, area, end, px, small) {
  const y = area.y + area.h + 0.35 * small, closing = `round ${end}`;
  ctx.textBaseline = "top";
  ctx.textAlign = "right";
  ctx.fillText(closing, area.x + area.w, y);
  const taken = area.x + area.w - ctx.measureText(closing).width - 0.6 * small;
  ctx.textAlign = "center";
  const { ticks, step } = niceTicks(0, end, area.w / (5 * small));
  for (const t of ticks) {
    const label = tickLabel(t, step);
    if (px(t) + ctx.measureText(label).width / 2 < taken) ctx.fillText(label, px(t), y);
  }
}

/** What stands at the ends of several series, and whether it fits beside the lines. */
function endWords(ctx, panel, area, small, lanes) {
  const long = panel.lines.map(({ name, lanes: [one] }) => (lanes === 1 ? `${name} ${one.value}` : name));
  const widest = (texts) => Math.max(...texts.map((text) => ctx.measureText(text).width)) + 0.8 * small;
  const names = panel.lines.map(({ name }) => name);
  for (const texts of [long, names]) {
    const width = Math.ceil(widest(texts));
    if (area.w - width > 8.5 * small) return { texts, width, beside: true };
  }
  return { texts: names, width: widest(names), beside: false };
}

function drawEnds(ctx, area, { texts, beside }, panel, py, high, { small, lanes }, theme, colors) {
  const places = panel.lines.map(({ lanes: all }, s) => {
    const lasts = all.map(({ ys }) => ys[ys.length - 1]).filter((y) => y > panel.floor);
    if (!lasts.length) return null;
    const mean = lasts.reduce((sum, y) => sum + y, 0) / lasts.length;
    const off = mean > high;
    return { y: off ? area.y + 0.5 * small : py(mean), text: off ? `${texts[s]} ↑` : texts[s],
      color: lanes === 1 ? colors[s] : theme.text };
  }).filter(Boolean).sort((a, b) => a.y - b.y);
  const apart = 1.12 * small, floor = area.y + area.h - 0.4 * small;
  places.forEach((place, k) => { place.y = Math.max(place.y, k ? places[k - 1].y + apart : area.y + 0.5 * small); });
  for (let k = places.length - 1; k >= 0; k--) {
    places[k].y = Math.min(places[k].y, k === places.length - 1 ? floor : places[k + 1].y - apart);
  }
  if (!beside) { // clear of its line where there is nothing else
    places.forEach((place, k) => {
      const room = k + 1 < places.length ? places[k + 1].y - place.y : floor - place.y;
      if (room > 2.2 * small) place.y += 0.8 * small;
    });
  }
  ctx.textAlign = beside ? "left" : "right";
  ctx.textBaseline = "middle";
  const x = beside ? area.x + area.w + 0.5 * small : area.x + area.w - 3;
  for (const { y, text, color } of places) haloed(ctx, text, x, y, color, beside ? null : theme.panel);
}

/** A horizontal line. Returns where its name belongs. */
function rule(ctx, area, y, color, dash, text, right, below, { small, present }) {
  ctx.strokeStyle = color;
  ctx.lineWidth = present ? 2.2 : 1.5;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(area.x, y);
  ctx.lineTo(area.x + area.w, y);
  ctx.stroke();
  ctx.setLineDash([]);
  const under = area.y + area.h - y > 1.3 * small && (below || y - area.y < 1.3 * small); // where there is room
  const short = ctx.measureText(text).width > area.w - 6 ? text.split(" ").at(-1) : text;
  return {
    text: short, color, align: right ? "right" : "left", x: right ? area.x + area.w - 4 : area.x + 4,
    y: under ? y + 0.72 * small : y - 0.62 * small,
  };
}

/** Text with a halo that lifts it off the lines behind it. */
function haloed(ctx, text, x, y, color, halo) {
  if (halo) {
    ctx.strokeStyle = halo;
    ctx.lineWidth = 7; // wide enough that a line behind is not seen between two letters
    ctx.lineJoin = "round";
    ctx.strokeText(text, x, y);
  }
  ctx.fillStyle = color;
  ctx.fillText(text, x, y);
}

/** Bars of the share at each mode, the lanes side by side; a tick where the exact limit has it. */
export function drawMasses(ctx, body, layout, theme, masses, exact, colorOf) {
  const { small, present } = layout, [lanes, modes] = masses.shape;
  ctx.font = font(small);
  const area = { x: body.x + Math.round(3 * small), y: body.y + 3 };
  area.w = body.x + body.w - area.x - 2;
  area.h = body.y + body.h - area.y - Math.round(1.55 * small);
  if (area.h < 20 || area.w < 30) return;
  let most = 0.25;
  for (const mass of masses.data) most = Math.max(most, mass);
  for (const mass of exact?.data ?? []) most = Math.max(most, mass);
  const high = [0.25, 0.5, 1].find((limit) => most <= limit + 1e-6) ?? most;
  const py = (y) => area.y + (1 - y / high) * area.h;
  ctx.fillStyle = theme.panel;
  ctx.fillRect(area.x, area.y, area.w, area.h);
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  const { ticks } = niceTicks(0, 100 * high, area.h / (2.3 * small));
  for (const t of ticks) {
    ctx.fillStyle = theme.grid;
    ctx.fillRect(area.x, Math.round(py(t / 100)), area.w, 1);
    ctx.fillStyle = theme.muted;
    ctx.fillText(`${t} %`, area.x - 0.4 * small, Math.min(area.y + area.h - 2, Math.max(area.y + 0.45 * small, py(t / 100))));
  }
  const group = area.w / modes, bar = Math.min(3.2 * small, (0.78 * group) / lanes), marked = exact?.shape[1] === modes;
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (let k = 0; k < modes; k++) {
    const middle = area.x + (k + 0.5) * group;
    ctx.fillStyle = theme.muted;
    if (group > 1.5 * small || k % Math.ceil((1.5 * small) / group) === 0) {
      ctx.fillText(modes > 4 || group < 5 * small ? k + 1 : `mode ${k + 1}`, middle, area.y + area.h + 0.35 * small);
    }
    for (let lane = 0; lane < lanes; lane++) {
      const x = middle + (lane - lanes / 2) * bar, y = py(masses.data[lane * modes + k]);
      ctx.fillStyle = colorOf(lane, k);
      ctx.fillRect(x, y, Math.max(1, bar - 1), area.y + area.h - y);
      const limit = marked ? exact.data[lane * modes + k] : -1;
      if (!(limit >= 0)) continue;
      const thick = present ? 4 : 2.5, edge = bar > 6 ? 2 : 0;
      ctx.fillStyle = theme.panel;
      ctx.fillRect(x - edge - 1, py(limit) - thick / 2 - 1, bar - 1 + 2 * edge + 2, thick + 2);
      ctx.fillStyle = theme.exact;
      ctx.fillRect(x - edge, py(limit) - thick / 2, bar - 1 + 2 * edge, thick);
    }
  }
}
