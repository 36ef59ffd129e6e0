// Draws what is inside the plots on a 2-D canvas context. Plain functions of what they are given; no state.

import { niceTicks, tickLabel } from "./numerals.js";
import { font } from "./theme.js";

const FINER = 3; // pixels of an image between two values of its grid

/**
 * An image of a grid (row 0 at the lowest y), coloured from one colour to another.
 *
 * A pale ramp has few steps of colour, and a projector shows each of them as a stripe: a little noise hides them.
 */
export function gridImage({ data, shape: [rows, columns], low, high }, [from, to]) {
  const width = (columns - 1) * FINER + 1, height = (rows - 1) * FINER + 1;
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    const j = Math.min(rows - 2, Math.floor(y / FINER)), v = y / FINER - j;
    for (let x = 0; x < width; x++) {
      const i = Math.min(columns - 2, Math.floor(x / FINER)), u = x / FINER - i, k = j * columns + i;
      const value = (1 - v) * ((1 - u) * data[k] + u * data[k + 1]) +
        v * ((1 - u) * data[k + columns] + u * data[k + columns + 1]);
      const s = (value - low) / (high - low), noise = ((52.9829189 * ((0.06711056 * x + 0.00583715 * y) % 1)) % 1) - 0.5;
      const at = 4 * ((height - 1 - y) * width + x); // images count rows from the top
      for (let c = 0; c < 3; c++) image.data[at + c] = from[c] + s * (to[c] - from[c]) + noise;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** An image of a density's root, from 0 to 1: one colour, as opaque as there is mass. The ground is seen through it. */
export function massImage({ data, shape: [rows, columns] }, { color: [red, green, blue], opacity }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let y = 0, at = 0; y < rows; y++) {
    const row = (rows - 1 - y) * columns; // images count rows from the top
    for (let x = 0; x < columns; x++, at += 4) {
      image.data[at] = red;
      image.data[at + 1] = green;
      image.data[at + 2] = blue;
      image.data[at + 3] = 255 * opacity * data[row + x]; // what a cubic has below 0 is cut off
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

export function clipTo(ctx, plot) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x, plot.y, plot.w, plot.h);
  ctx.clip();
}

/** A grid's image where it belongs: its values are at points, each the middle of a pixel. */
export function drawGrid(ctx, plot, [x0, x1, y0, y1], image, [s0, s1, r0, r1]) {
  const px = (x) => plot.x + ((x - x0) / (x1 - x0)) * plot.w, py = (y) => plot.y + ((y1 - y) / (y1 - y0)) * plot.h;
  const dx = (s1 - s0) / (image.width - 1) / 2, dy = (r1 - r0) / (image.height - 1) / 2;
  ctx.imageSmoothingEnabled = true;
  ctx.imageSmoothingQuality = "high";
  const left = px(s0 - dx), top = py(r1 + dy);
  ctx.drawImage(image, left, top, px(s1 + dx) - left, py(r0 - dy) - top);
}

/** Contours as segments x0, y0, x1, y1, ...; the outermost is drawn thinner. */
export function drawContours(ctx, plot, [x0, x1, y0, y1], contours, color, width) {
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  ctx.strokeStyle = color;
  ctx.lineCap = "round";
  contours.forEach((segments, k) => {
    ctx.lineWidth = (k === 0 ? 0.72 : 1.1) * width;
    ctx.beginPath();
    for (let i = 0; i < segments.length; i += 4) {
      ctx.moveTo(plot.x + (segments[i] - x0) * sx, plot.y + (y1 - segments[i + 1]) * sy);
      ctx.lineTo(plot.x + (segments[i + 2] - x0) * sx, plot.y + (y1 - segments[i + 3]) * sy);
    }
    ctx.stroke();
  });
}

/** The frame of a plot and its ticks; which of them have numbers is the layout's business. */
export function drawAxes(ctx, plot, layout, theme, [x0, x1, y0, y1], { left, below }) {
  const { small } = layout;
  ctx.strokeStyle = theme.frame;
  ctx.lineWidth = 1;
  ctx.strokeRect(plot.x + 0.5, plot.y + 0.5, plot.w - 1, plot.h - 1);
  ctx.fillStyle = theme.muted;
  ctx.font = font(small);
  const { ticks, step } = niceTicks(x0, x1, Math.max(5.2, plot.w / (4.2 * small)));
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const t of ticks) {
    const x = plot.x + ((t - x0) / (x1 - x0)) * plot.w;
    ctx.fillRect(Math.round(x), plot.y + plot.h - (below ? 0 : 4), 1, 4);
    if (below && x > plot.x + 0.9 * small && x < plot.x + plot.w - 0.9 * small) ctx.fillText(tickLabel(t, step), x, plot.y + plot.h + 0.42 * small);
  }
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const t of ticks.length ? niceTicks(y0, y1, Math.max(5.2, plot.h / (4.2 * small))).ticks : []) {
    const y = plot.y + ((y1 - t) / (y1 - y0)) * plot.h;
    ctx.fillRect(plot.x - (left ? 4 : 0), Math.round(y), 4, 1);
    if (left && y > plot.y + 0.4 * small && y < plot.y + plot.h - 0.4 * small) ctx.fillText(tickLabel(t, step), plot.x - 0.42 * small, y);
  }
}

/** Arrows x, y, u, v from `first` on, `count` of them; `scale` is the length that a speed of one has in the data. */
export function drawArrows(ctx, plot, [x0, x1, y0, y1], arrows, first, count, scale, color, width) {
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = width;
  ctx.lineCap = "round";
  ctx.beginPath();
  for (let k = first; k < first + count; k++) {
    const x = plot.x + (arrows[4 * k] - x0) * sx, y = plot.y + (y1 - arrows[4 * k + 1]) * sy;
    const dx = arrows[4 * k + 2] * scale * sx, dy = -arrows[4 * k + 3] * scale * sy;
    const length = Math.hypot(dx, dy);
    if (!(length > 0.6)) continue;
    const head = Math.min(0.4 * length, 2.2 + 2.2 * width) / length, tipX = x + dx, tipY = y + dy;
    ctx.moveTo(x, y);
    ctx.lineTo(tipX, tipY);
    ctx.moveTo(tipX - head * (dx + 0.55 * dy), tipY - head * (dy - 0.55 * dx));
    ctx.lineTo(tipX, tipY);
    ctx.lineTo(tipX - head * (dx - 0.55 * dy), tipY - head * (dy + 0.55 * dx));
  }
  ctx.stroke();
}

/** The length in the data that a speed of one is drawn with: a fast arrow is as long as the lattice is wide. */
export function arrowScale({ data, shape: [, m] }) {
  if (!m) return 1;
  const speeds = [];
  let low = Infinity, high = -Infinity;
  for (let k = 0; k < data.length; k += 4) {
    speeds.push(Math.hypot(data[k + 2], data[k + 3]));
    low = Math.min(low, data[k]);
    high = Math.max(high, data[k]);
  }
  const fast = speeds.sort((a, b) => a - b)[Math.floor(0.97 * (speeds.length - 1))];
  const spacing = (high - low) / Math.max(1, Math.sqrt(m) - 1);
  return fast > 0 ? (0.92 * spacing) / fast : 1;
}

/** Trajectories first .. first + count, each of `steps` points; the past fades, the head is a dot. */
export function drawPaths(ctx, plot, [x0, x1, y0, y1], xy, first, count, steps, color, width) {
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = width;
  ctx.lineCap = "butt";
  for (let s = 1; s < steps; s++) {
    ctx.globalAlpha = 0.06 + 0.5 * (s / (steps - 1)) ** 1.6;
    ctx.beginPath();
    for (let k = first; k < first + count; k++) {
      const i = 2 * (k * steps + s);
      ctx.moveTo(plot.x + (xy[i - 2] - x0) * sx, plot.y + (y1 - xy[i - 1]) * sy);
      ctx.lineTo(plot.x + (xy[i] - x0) * sx, plot.y + (y1 - xy[i + 1]) * sy);
    }
    ctx.stroke();
  }
  ctx.globalAlpha = 0.9;
  ctx.beginPath();
  for (let k = first; k < first + count; k++) {
    const i = 2 * (k * steps + steps - 1);
    const x = plot.x + (xy[i] - x0) * sx, y = plot.y + (y1 - xy[i + 1]) * sy;
    ctx.moveTo(x + 1.5 * width, y);
    ctx.arc(x, y, 1.5 * width, 0, 2 * Math.PI);
  }
  ctx.fill();
  ctx.globalAlpha = 1;
}
