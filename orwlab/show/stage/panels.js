// Draws the panels beside the plots: curves over rounds, linear or logarithmic.
//
// Nothing is drawn outside a panel's own box. Words are written where nothing else is: see places.js.

import { heightOf, rangeOf, roundEnd, ticksOf } from "./axes.js";
import { traceMark } from "./marks.js";
import { niceTicks, shortAlpha, superscript, tickLabel } from "./numerals.js";
import { Room, fitting, spread, widthOf, write } from "./places.js";
import { font } from "./theme.js";

// A plain dash is for what is exact, dots of one pixel for the reference: series have others.
const DASHES = [[], [9, 3, 2, 3], [2, 3], [9, 3, 2, 3, 2, 3]];
const EXACT_DASH = [6, 4], REFERENCE_DASH = [1, 3];

/** A name in one word: “coupled” cost, the paper's “bound”. */
const brief = (name) => (name.startsWith("the ") ? name.split(" ").at(-1) : name.split(" ")[0]);

/** The first and the last of some numbers as one text. */
const between = (low, high) => (low === high ? `10${superscript(low)}` : `10${superscript(low)}–10${superscript(high)}`);

function farWords(panel, range) {
  const words = [];
  for (const s of range.far) {
    const { name, lanes } = panel.lines[s];
    const last = lanes.map(({ ys }) => ys.at(-1)).filter((y) => y > panel.floor).map(Math.round);
    const value = last.length ? between(Math.min(...last), Math.max(...last)) : "";
    words.push({ s, texts: [`${name} ↑ ${value}`, `${brief(name)} ↑ ${value}`] });
  }
  for (const mark of range.outside) {
    const value = heightOf(panel, mark), arrow = value > range.high ? "↑" : "↓";
    words.push({ s: -1, texts: [`${mark.label} ${arrow}`, `${mark.label.split(" ").at(-1)} ${arrow}`] });
  }
  return words;
}

/** The names of several series in as few rows as possible, each after a piece of its line: [{s, text, x, row}]. */
function keyOf(ctx, panel, range, width, small) {
  const sample = 1.6 * small, near = panel.lines.map((line, s) => ({ ...line, s })).filter(({ s }) => !range.far.has(s));
  const ways = [({ name }) => name, ({ name }) => brief(name)];
  if (panel.lines[0].lanes.length === 1) ways.unshift(({ name, lanes }) => `${name} ${lanes[0].value}`);
  let key = null;
  for (const way of ways) {
    const items = [];
    let x = 0, row = 0;
    for (const line of near) {
      const text = way(line), w = sample + 0.35 * small + widthOf(ctx, text);
      if (x > 0 && x + w > width) [x, row] = [0, row + 1];
      items.push({ s: line.s, text, x, row });
      x += w + 0.8 * small;
    }
    if (!key || row + 1 < key.rows) key = { items, rows: row + 1, sample };
  }
  return key;
}

/** Where everything in a panel goes; measured, because labels differ in length. */
function plan(ctx, body, layout, panel, labels) {
  const { small, lanes } = layout, line = 1.3 * small;
  const several = panel.lines.length > 1;
  const bottom = body.y + body.h - Math.round(1.55 * small);
  let range = rangeOf(panel, Math.max(20, bottom - body.y), small);
  const far = farWords(panel, range);
  let gutter = 0, ends = null, key = null;
  if (lanes > 1) {
    const short = labels.map(shortAlpha);
    const widest = (texts) => Math.max(...texts.map((text) => widthOf(ctx, text))) + 1.9 * small;
    ends = [[labels, 0.22], [short, 0.4]].find(([texts, most]) => widest(texts) <= most * body.w)?.[0] ?? labels.map(() => "");
    gutter = Math.ceil(widest(ends));
  } else if (several) {
    const written = [({ name, lanes: [one] }) => `${name} ${one.value}`, ({ name }) => name, ({ name }) => brief(name)];
    for (const texts of written.map((way) => panel.lines.map(way))) {
      const near = texts.filter((_, s) => !range.far.has(s));
      const width = Math.ceil(Math.max(0, ...near.map((text) => widthOf(ctx, text))) + 0.8 * small);
      if (body.w - width < 11 * small) continue;
      [ends, gutter] = [texts, width];
      break;
    }
  }
  if (several && (lanes > 1 || !ends)) key = keyOf(ctx, panel, range, body.w - 2, small);
  const top = body.y + 3 + Math.round(line * (far.length + (key?.rows ?? 0)));
  const h = bottom - top;
  range = rangeOf(panel, Math.max(20, h), small);
  const ticks = ticksOf(panel, range, h, small);
  const wide = Math.max(2.2 * small, ...ticks.map(([, label]) => widthOf(ctx, label) + 0.5 * small + 1));
  const left = Math.min(Math.ceil(wide / 4) * 4, Math.round(0.5 * body.w)); // in steps: the axis must not shake
  const area = { x: body.x + left, y: top, w: body.w - left - gutter - 2, h };
  return { area, range, ticks, far, key, ends, line };
}

/**
 * Curves over rounds. colors: one a lane, or one a series if there is a single lane; changes: rounds; labels: what the
 * lanes are called; reading: a round whose values are looked at, or null; texts: a list that gets the words' boxes.
 */
export function drawCurves(ctx, body, layout, theme, panel, colors, changes, { labels = [], reading = null, texts = null } = {}) {
  const { small, size, present, lanes } = layout;
  const thick = (present ? 1.5 : 1) * Math.max(1.7, size / 8);
  ctx.font = font(small);
  const { area, range, ticks, far, key, ends, line } = plan(ctx, body, layout, panel, labels);
  if (area.h < 20 || area.w < 30) return null;
  const { low, high } = range;
  const last = panel.xs.length ? panel.xs[panel.xs.length - 1] : 0, end = roundEnd(last);
  const px = (x) => area.x + (x / end) * area.w;
  const py = (y) => area.y + ((high - y) / (high - low)) * area.h;
  const say = (text, x, y, align, color) => write(ctx, texts, text, x, y, align, color, small);

  ctx.fillStyle = theme.panel;
  ctx.fillRect(area.x, area.y, area.w, area.h);
  for (const [t, label] of ticks) {
    const y = Math.round(py(t));
    ctx.fillStyle = theme.grid;
    ctx.fillRect(area.x, y, area.w, 1);
    say(label, area.x - 0.4 * small, Math.min(area.y + area.h - 0.3 * small, Math.max(area.y + 0.45 * small, y)), "right", theme.muted);
  }
  drawRounds(area, end, px, small, (text) => widthOf(ctx, text), (text, x, y, align) => say(text, x, y, align, theme.muted));
  ctx.fillStyle = theme.change;
  for (const round of changes) if (round <= end) ctx.fillRect(Math.round(px(round)), area.y, 1, area.h);

  const colorOf = (s, k) => colors[lanes === 1 ? s : k];
  far.forEach(({ s, texts: forms }, row) => {
    const text = fitting(forms, body.w - 4, (one) => widthOf(ctx, one));
    say(text, body.x + body.w - 3, body.y + 3 + (row + 0.5) * line, "right", s < 0 ? theme.exact : lanes === 1 ? colors[s] : theme.text);
  });
  key?.items.forEach(({ s, text, x, row }) => {
    const y = body.y + 3 + (far.length + row + 0.5) * line, left = body.x + 2 + x;
    ctx.strokeStyle = lanes === 1 ? colors[s] : theme.text;
    ctx.lineWidth = thick;
    stroke(ctx, DASHES[s % DASHES.length], left, y, left + key.sample, y);
    say(text, left + key.sample + 0.35 * small, y, "left", lanes === 1 ? colors[s] : theme.text);
  });

  const room = new Room(area), rules = rulesOf(panel, range, theme, colors, lanes, labels);
  for (const { mark, color, dash } of rules) {
    const y = py(heightOf(panel, mark));
    ctx.strokeStyle = color;
    ctx.lineWidth = present ? 2.2 : 1.5;
    stroke(ctx, dash, area.x, y, area.x + area.w, y);
    room.line(area.x, y, area.x + area.w, y);
  }
  ctx.save();
  ctx.beginPath();
  ctx.rect(area.x, area.y - 4, area.w + 4, area.h + 8);
  ctx.clip();
  ctx.lineJoin = "round";
  const radius = (s) => 1.5 * (s > 0 ? 0.75 : 1) * thick;
  const pitch = lanes > 1 ? niceTicks(0, end, area.w / (5 * small)).step : 0; // marks stand at rounds: they do not creep
  const tips = []; // the ends of the lines that are named at the right
  panel.lines.forEach((one, s) => one.lanes.forEach(({ ys }, k) => {
    if (range.far.has(s)) return;
    ctx.strokeStyle = ctx.fillStyle = colorOf(s, k);
    ctx.lineWidth = s > 0 ? 0.75 * thick : thick;
    ctx.setLineDash(DASHES[s % DASHES.length]);
    ctx.beginPath();
    let pen = false, drawn = -1;
    for (let i = 0; i < ys.length; i++) {
      if (!(ys[i] > panel.floor)) pen = false;
      else {
        if (pen) {
          ctx.lineTo(px(panel.xs[i]), py(ys[i]));
          room.line(px(panel.xs[i - 1]), py(ys[i - 1]), px(panel.xs[i]), py(ys[i]));
        } else ctx.moveTo(px(panel.xs[i]), py(ys[i]));
        pen = true;
        drawn = i;
      }
    }
    ctx.stroke();
    ctx.setLineDash([]);
    if (drawn < 0) return;
    ctx.beginPath();
    const x = px(panel.xs[drawn]), y = py(ys[drawn]), r = lanes > 1 ? 1.25 * radius(s) : radius(s);
    traceMark(ctx, lanes > 1 ? k : 0, x, y, r);
    room.box(x - r - 1, y - r - 1, 2 * r + 2, 2 * r + 2);
    if (pitch && s === 0) {
      for (let round = pitch * (0.2 + 0.15 * k); round < panel.xs[drawn] - 0.2 * pitch; round += pitch) {
        const at = valueAt(panel, ys, round);
        if (at === null) continue;
        traceMark(ctx, k, px(round), py(at), r);
        room.box(px(round) - r, py(at) - r, 2 * r, 2 * r);
      }
    }
    ctx.fill();
    if (ends && (lanes === 1 || s === [0, 1, 2, 3].find((first) => !range.far.has(first)))) {
      tips.push({ x, y, at: y, text: ends[lanes === 1 ? s : k], color: colorOf(s, k), mark: lanes > 1 ? k : -1 });
    }
  }));
  if (lanes > 1) { // from where a line ends to its name
    for (const { x, y, color } of tips) {
      ctx.globalAlpha = 0.35;
      ctx.strokeStyle = color;
      ctx.lineWidth = 1;
      stroke(ctx, [], x, y, area.x + area.w + 4, y);
      room.line(x, y, area.x + area.w, y);
      ctx.globalAlpha = 1;
    }
  }
  ctx.restore();
  if (reading !== null) drawReading(ctx, area, panel, range, px(reading), py, reading, theme, colorOf, thick);

  tips.sort((a, b) => a.y - b.y);
  spread(tips, 1.08 * small, area.y + 0.5 * small, area.y + area.h - 0.5 * small);
  for (const { y, text, color, mark } of tips) {
    let x = area.x + area.w + 0.5 * small;
    if (mark >= 0) {
      ctx.fillStyle = color;
      ctx.beginPath();
      traceMark(ctx, mark, x + 0.4 * small, y, 0.3 * small);
      ctx.fill();
      x += 1.05 * small;
    }
    if (text) say(text, x, y, "left", color);
  }
  for (const { mark, color, names } of rules) {
    const y = py(heightOf(panel, mark)), h = 1.05 * small;
    for (const name of names) {
      const w = widthOf(ctx, name), place = room.beside(y, w, h, lanes === 1);
      if (!place) continue;
      if (place.over) {
        ctx.fillStyle = theme.panel;
        ctx.fillRect(place.x - 3, place.y, w + 6, h);
      }
      say(name, place.x, place.y + h / 2, "left", color);
      break;
    }
  }
  return { area, end };
}

function stroke(ctx, dash, x0, y0, x1, y1) {
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(x0, y0);
  ctx.lineTo(x1, y1);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** The horizontal lines of a panel, each with its name in the forms that may be used, longest first. */
function rulesOf(panel, range, theme, colors, lanes, labels) {
  const last = (label) => label.split(" ").at(-1);
  const rules = panel.exact.map((mark, k) => mark && {
    mark, dash: EXACT_DASH, color: lanes === 1 ? theme.exact : colors[k],
    names: lanes === 1 || panel.lines[0].series === "alpha" // that is a budget, and no limit
      ? [mark.label, mark.label.replace("exact ", ""), last(mark.label)]
      : [`limit ${labels[k] ?? ""}`, `limit ${shortAlpha(labels[k])}`, shortAlpha(labels[k])],
  });
  if (panel.baseline) {
    const { label } = panel.baseline;
    rules.push({ mark: panel.baseline, dash: REFERENCE_DASH, color: theme.muted, names: [label, label.split(" ")[0], last(label)] });
  }
  return rules.filter((rule) => rule && !range.outside.has(rule.mark));
}

/** A line's height at a round, between its points; null where it has none. */
export function valueAt({ xs, floor }, ys, round) {
  let i = 0;
  while (i < xs.length && xs[i] < round) i++;
  if (i >= xs.length || !(ys[i] > floor)) return null;
  if (i === 0 || !(ys[i - 1] > floor)) return xs[i] === round ? ys[i] : null;
  return ys[i - 1] + ((round - xs[i - 1]) / (xs[i] - xs[i - 1])) * (ys[i] - ys[i - 1]);
}

function drawReading(ctx, area, panel, range, x, py, round, theme, colorOf, thick) {
  ctx.strokeStyle = theme.text;
  ctx.lineWidth = 1;
  stroke(ctx, [], Math.round(x) + 0.5, area.y, Math.round(x) + 0.5, area.y + area.h);
  const i = panel.xs.indexOf(round);
  panel.lines.forEach(({ lanes }, s) => lanes.forEach(({ ys }, k) => {
    if (range.far.has(s) || !(ys[i] > panel.floor)) return;
    ctx.beginPath();
    ctx.arc(x, py(ys[i]), 2 * thick, 0, 2 * Math.PI);
    ctx.fillStyle = theme.panel;
    ctx.strokeStyle = colorOf(s, k);
    ctx.lineWidth = 0.8 * thick;
    ctx.fill();
    ctx.stroke();
  }));
}

function drawRounds(area, end, px, small, widthOfText, say) {
  const y = area.y + area.h + 0.9 * small;
  const closing = [`round ${tickLabel(end, end)}`, tickLabel(end, end)].find((text) => widthOfText(text) < area.w) ?? "";
  say(closing, area.x + area.w, y, "right");
  const taken = area.x + area.w - widthOfText(closing) - 0.6 * small;
  const { ticks, step } = niceTicks(0, end, area.w / (5 * small));
  for (const t of ticks) {
    const label = tickLabel(t, step, end), half = widthOfText(label) / 2;
    if (px(t) + half < taken) say(label, px(t), y, "center");
  }
}
