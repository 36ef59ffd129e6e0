// Draws the parts of the stage on a 2-D canvas context. Plain functions of what they are given; no state.

// Okabe and Ito's colours, which people with any colour vision can tell apart; the last one follows the theme.
const OKABE_ITO = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442"];

export const THEMES = {
  light: {
    text: "#1b2430", muted: "#566173", grid: "rgba(27,36,48,0.10)", frame: "rgba(27,36,48,0.35)",
    ghost: "rgba(27,36,48,0.55)", low: [247, 248, 250], high: [214, 205, 240], rim: "rgba(20,26,36,0.55)",
    particles: [...OKABE_ITO, "#333333"], lines: ["#0072B2", "#00805d"], exact: "#C14F00", panel: "#f7f8fa",
  },
  dark: {
    text: "#eef2f7", muted: "#a6b1c2", grid: "rgba(238,242,247,0.12)", frame: "rgba(238,242,247,0.35)",
    ghost: "rgba(238,242,247,0.60)", low: [16, 21, 30], high: [66, 52, 112], rim: "rgba(4,7,12,0.75)",
    particles: ["#3D9BE0", ...OKABE_ITO.slice(1), "#FFFFFF"], lines: ["#56B4E9", "#2fc29a"], exact: "#F0A030",
    panel: "#10151e",
  },
};

const FAMILY = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const font = (size, weight = 400) => `${weight} ${size}px ${FAMILY}`;

/** Where everything goes for a canvas of this size: boxes {x, y, w, h} in CSS pixels. */
export function layoutOf(width, height) {
  const wide = width > 1.12 * height;
  const size = Math.round(Math.min(20, Math.max(12, (wide ? height : 1.2 * width) / 40)));
  const gap = Math.round(1.2 * size);
  const axis = { left: Math.round(2.6 * size), bottom: Math.round(3 * size), top: Math.round(0.6 * size) };
  const tileHeight = Math.round(3.1 * size);
  const box = (x, y, w, h) => ({ x, y, w, h });
  if (wide) {
    const side = Math.max(16 * size, Math.min(0.36 * width, 34 * size));
    const square = Math.min(height - axis.top - axis.bottom, width - side - axis.left - gap);
    const plot = box(axis.left, axis.top, square, square);
    const x = plot.x + square + gap;
    // never wider than 1.3 times the plot: on a very wide screen long flat curves would say less
    const w = Math.min(width - x, 1.3 * square);
    const tiles = [0, 1, 2, 3].map((k) =>
      box(x + (k % 2) * (w + gap) / 2, axis.top + Math.floor(k / 2) * tileHeight, (w - gap) / 2, tileHeight));
    const top = axis.top + 2 * tileHeight + 0.5 * gap;
    const h = (height - top - gap) / 2;
    return { wide, size, plot, tiles, panels: [box(x, top, w, h), box(x, top + h + gap, w, h)] };
  }
  const side = width - axis.left - 2;
  const square = Math.max(120, Math.min(side, height - axis.top - axis.bottom - tileHeight - 9 * size));
  const plot = box(axis.left + (side - square) / 2, axis.top, square, square);
  let y = plot.y + square + axis.bottom;
  const tiles = [0, 1, 2, 3].map((k) => box((k * width) / 4, y, width / 4 - 4, tileHeight));
  y += tileHeight + 4;
  const w = (width - gap) / 2;
  const panels = [box(0, y, w, height - y), box(w + gap, y, w, height - y)];
  return { wide, size, plot, tiles, panels };
}

/** Round numbers between two limits, about `count` of them. */
export function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return { ticks, step };
}

const label = (value, step) => value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))).replace("-", "−");

/** An image of a grid (row 0 at the lowest y), coloured from one colour to another. */
export function gridImage({ data, shape: [rows, columns], low, high }, from, to) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let j = 0; j < rows; j++) {
    for (let i = 0; i < columns; i++) {
      const s = (data[j * columns + i] - low) / (high - low);
      const at = 4 * ((rows - 1 - j) * columns + i); // images count rows from the top
      for (let c = 0; c < 3; c++) image.data[at + c] = from[c] + s * (to[c] - from[c]);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** A dot with a thin rim, drawn once and then stamped: a rim keeps yellow legible on white and blue on black. */
export function sprite(color, rim, radius, ratio) {
  const size = Math.ceil(2 * (radius + 1) * ratio);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const context = canvas.getContext("2d");
  context.beginPath();
  context.arc(size / 2, size / 2, radius * ratio, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.globalAlpha = 0.9;
  context.fill();
  context.lineWidth = 0.6 * ratio;
  context.strokeStyle = rim;
  context.stroke();
  return canvas;
}

/** The plot without its particles: reward, contours of the data's density, axes. `camera` is [x0, x1, y0, y1]. */
export function drawBackdrop(ctx, plot, size, theme, camera, scene) {
  const [x0, x1, y0, y1] = camera;
  const px = (x) => plot.x + ((x - x0) / (x1 - x0)) * plot.w;
  const py = (y) => plot.y + ((y1 - y) / (y1 - y0)) * plot.h;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x, plot.y, plot.w, plot.h);
  ctx.clip();
  ctx.fillStyle = `rgb(${theme.low})`;
  ctx.fillRect(plot.x, plot.y, plot.w, plot.h);
  if (scene) {
    const [s0, s1, r0, r1] = scene.view;
    ctx.imageSmoothingEnabled = true;
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(scene.image, px(s0), py(r1), px(s1) - px(s0), py(r0) - py(r1));
    ctx.strokeStyle = theme.ghost;
    scene.contours.forEach((segments, k) => {
      ctx.lineWidth = k === 0 ? 0.9 : 1.4;
      ctx.beginPath();
      for (let i = 0; i < segments.length; i += 4) {
        ctx.moveTo(px(segments[i]), py(segments[i + 1]));
        ctx.lineTo(px(segments[i + 2]), py(segments[i + 3]));
      }
      ctx.stroke();
    });
  }
  ctx.restore();

  ctx.strokeStyle = theme.frame;
  ctx.lineWidth = 1;
  ctx.strokeRect(Math.round(plot.x) + 0.5, Math.round(plot.y) + 0.5, Math.round(plot.w) - 1, Math.round(plot.h) - 1);
  ctx.fillStyle = theme.muted;
  ctx.font = font(size * 0.85);
  const { ticks, step } = niceTicks(x0, x1, plot.w / (5 * size));
  ctx.textAlign = "center";
  ctx.textBaseline = "top";
  for (const t of ticks) {
    ctx.fillRect(Math.round(px(t)), plot.y + plot.h, 1, 4);
    ctx.fillText(label(t, step), px(t), plot.y + plot.h + 0.5 * size);
  }
  ctx.fillText("first coordinate", plot.x + plot.w / 2, plot.y + plot.h + 1.7 * size);
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  const vertical = niceTicks(y0, y1, plot.h / (5 * size));
  for (const t of vertical.ticks) {
    ctx.fillRect(plot.x - 4, Math.round(py(t)), 4, 1);
    ctx.fillText(label(t, vertical.step), plot.x - 0.5 * size, py(t));
  }
  ctx.save();
  ctx.translate(plot.x - 2.3 * size, plot.y + plot.h / 2);
  ctx.rotate(-Math.PI / 2);
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText("second coordinate", 0, 0);
  ctx.restore();
}

/** Particles at `xy` (x0, y0, x1, y1, ...), each stamped with the sprite of its label. Returns how many are in view. */
export function drawParticles(ctx, plot, camera, xy, labels, sprites, ratio) {
  const [x0, x1, y0, y1] = camera;
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  const side = sprites[0].width / ratio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.x, plot.y, plot.w, plot.h);
  ctx.clip();
  let visible = 0;
  for (let i = 0; i < xy.length; i += 2) {
    const x = plot.x + (xy[i] - x0) * sx, y = plot.y + (y1 - xy[i + 1]) * sy;
    if (x < plot.x || x > plot.x + plot.w || y < plot.y || y > plot.y + plot.h) continue;
    visible++;
    ctx.drawImage(sprites[labels ? labels[i >> 1] % sprites.length : 0], x - side / 2, y - side / 2, side, side);
  }
  ctx.restore();
  return visible;
}

/** A small number with its name above it. */
export function drawTile(ctx, box, size, theme, name, value) {
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  ctx.fillStyle = theme.muted;
  ctx.font = font(size * 0.85);
  ctx.fillText(name, box.x, box.y, box.w);
  ctx.fillStyle = theme.text;
  ctx.font = font(size * 1.15, 600);
  ctx.fillText(value, box.x, box.y + 1.15 * size, box.w);
}

/**
 * A curve over rounds with its name and present value.
 *
 * curve: {title, value, xs, ys, color, baseline: {value, label} or null, exact: the same}; changes: rounds at which
 * somebody moved a control, drawn as faint vertical lines.
 */
export function drawPanel(ctx, box, size, theme, curve, changes) {
  const { xs, ys, baseline, exact } = curve;
  ctx.textBaseline = "alphabetic";
  ctx.textAlign = "left";
  ctx.fillStyle = theme.text;
  ctx.font = font(size, 600);
  ctx.fillText(curve.title, box.x, box.y + 1.3 * size);
  ctx.textAlign = "right";
  ctx.font = font(size * 1.5, 650);
  ctx.fillStyle = curve.color;
  ctx.fillText(curve.value, box.x + box.w, box.y + 1.4 * size);

  const area = { x: box.x + 2.6 * size, y: box.y + 2.1 * size };
  area.w = box.x + box.w - area.x;
  area.h = box.y + box.h - area.y - 1.7 * size;
  if (area.h < 24 || area.w < 40) return;
  const marks = [baseline, exact].filter(Boolean).map((m) => m.value);
  let low = Math.min(...ys, ...marks), high = Math.max(...ys, ...marks);
  if (!Number.isFinite(low)) [low, high] = [0, 1];
  const least = curve.span ?? 0.5; // noise must not be blown up to the height of the panel
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const room = (1.3 * size * (high - low)) / area.h; // for the words above the highest line
  high += marks.includes(high) ? room : 0.2 * room;
  const { step } = niceTicks(low, high, area.h / (2.2 * size));
  [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  const last = xs.length ? xs[xs.length - 1] : 0;
  // a round end that changes rarely, so that the curve grows instead of being squeezed all the time
  const end = [50, 100, 200, 300, 500, 700].find((n) => n >= last) ?? 10 ** Math.floor(Math.log10(last)) *
    Math.ceil(last / 10 ** Math.floor(Math.log10(last)) + 1e-9);
  const px = (x) => area.x + (x / end) * area.w;
  const py = (y) => area.y + ((high - y) / (high - low)) * area.h;

  ctx.fillStyle = theme.panel;
  ctx.fillRect(area.x, area.y, area.w, area.h);
  ctx.font = font(size * 0.8);
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  for (const t of niceTicks(low, high, area.h / (2.2 * size)).ticks) {
    ctx.fillStyle = theme.grid;
    ctx.fillRect(area.x, Math.round(py(t)), area.w, 1);
    ctx.fillStyle = theme.muted;
    ctx.fillText(label(t, step), area.x - 0.4 * size, py(t));
  }
  ctx.textBaseline = "top";
  ctx.textAlign = "center";
  const across = niceTicks(0, end, area.w / (5.5 * size));
  for (const t of across.ticks) {
    if (t === end) continue;
    ctx.fillText(label(t, across.step), px(t), area.y + area.h + 0.35 * size);
  }
  ctx.textAlign = "right";
  ctx.fillText(`round ${end}`, area.x + area.w, area.y + area.h + 0.35 * size);

  ctx.fillStyle = theme.frame;
  for (const round of changes) ctx.fillRect(Math.round(px(round)), area.y, 1, area.h);
  if (baseline) {
    // words at the right, where the curve has usually moved away, unless the other line's words are there
    const apart = !exact || Math.abs(py(exact.value) - py(baseline.value)) > 1.8 * size;
    const side = apart ? "right" : "left";
    rule(ctx, area, py(baseline.value), theme.muted, [1, 3], baseline.label, side, size, theme.panel);
  }
  if (exact) rule(ctx, area, py(exact.value), theme.exact, [6, 4], exact.label, "right", size, theme.panel);
  ctx.strokeStyle = curve.color;
  ctx.lineWidth = Math.max(1.6, size / 8);
  ctx.lineJoin = "round";
  ctx.beginPath();
  for (let i = 0; i < xs.length; i++) ctx.lineTo(px(xs[i]), py(ys[i]));
  ctx.stroke();
  if (xs.length) {
    ctx.beginPath();
    ctx.arc(px(last), py(ys[ys.length - 1]), Math.max(2.5, size / 5), 0, 2 * Math.PI);
    ctx.fillStyle = curve.color;
    ctx.fill();
  }
}

function rule(ctx, area, y, color, dash, text, align, size, halo) {
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = color;
  ctx.lineWidth = 1.4;
  ctx.setLineDash(dash);
  ctx.beginPath();
  ctx.moveTo(area.x, y);
  ctx.lineTo(area.x + area.w, y);
  ctx.stroke();
  ctx.textAlign = align;
  const above = y - area.y > 1.3 * size; // else there is no room over the line
  ctx.textBaseline = above ? "bottom" : "top";
  const at = [text, align === "left" ? area.x + 4 : area.x + area.w - 4, above ? y - 3 : y + 4];
  ctx.setLineDash([]);
  ctx.strokeStyle = halo;
  ctx.lineWidth = 4;
  ctx.lineJoin = "round";
  ctx.strokeText(...at); // lifts the words off the grid lines and the curve
  ctx.fillText(...at);
  ctx.restore();
}
