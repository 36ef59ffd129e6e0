// The numbers of the modes, where the modes are: the same numbers stand below the bars.

import { font } from "./theme.js";

const ASIDE = 2.4; // spreads of a mode between its middle and its number: beside the samples, not on them
const MOST_ASIDE = 0.75; // in the data's units; the number of a mode that is spread wide stays near it

/** Where the number of each mode stands, in the data's coordinates; none where the scene does not say. */
export function modePlaces({ centres, spreads = [] } = {}) {
  if (!Array.isArray(centres) || centres.length < 2) return [];
  const middle = [0, 1].map((i) => centres.reduce((sum, centre) => sum + centre[i], 0) / centres.length);
  return centres.map(([x, y], k) => {
    const spread = spreads[k] ?? 0.3, dx = x - middle[0], dy = y - middle[1], length = Math.hypot(dx, dy);
    if (length < 0.05 * spread) return [x, y + Math.SQRT2 * spread]; // a ring around the middle: on the ring
    const away = Math.min(MOST_ASIDE, ASIDE * spread);
    return [x + (away * dx) / length, y + (away * dy) / length];
  });
}

/** What a mode is called: its number, from 1, if the scene has no other name for it. */
export const modeName = (scene, k) => String(scene?.names?.[k] ?? k + 1);

/** A number in a disc, as a picture of its own: drawing words for every painting would cost more. */
export function makeBadge(text, size, ratio, ground, ink, rim) {
  const canvas = document.createElement("canvas"), side = Math.ceil(1.5 * size) + 3;
  canvas.width = canvas.height = Math.ceil(side * ratio);
  const ctx = canvas.getContext("2d");
  ctx.scale(ratio, ratio);
  ctx.beginPath();
  ctx.arc(side / 2, side / 2, 0.75 * size, 0, 2 * Math.PI);
  ctx.globalAlpha = 0.88;
  ctx.fillStyle = ground;
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.lineWidth = 2;
  ctx.strokeStyle = rim;
  ctx.stroke();
  ctx.fillStyle = ink;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.font = font(text.length > 1 ? 0.85 * size : size, 650);
  ctx.fillText(text, side / 2, side / 2 + 0.06 * size);
  return { canvas, side: canvas.width / ratio, ratio };
}

/** Draws the badges of the modes; a mode out of sight has none. */
export function drawBadges(ctx, plot, [x0, x1, y0, y1], places, badgeOf) {
  places.forEach(([x, y], k) => {
    const { canvas, side, ratio } = badgeOf(k), half = side / 2;
    const whole = (at) => Math.round(at * ratio) / ratio; // whole pixels are copied, others would have to be blended
    const px = plot.x + ((x - x0) / (x1 - x0)) * plot.w, py = plot.y + ((y1 - y) / (y1 - y0)) * plot.h;
    if (px < plot.x - half || px > plot.x + plot.w + half || py < plot.y - half || py > plot.y + plot.h + half) return;
    const left = Math.min(plot.x + plot.w - side, Math.max(plot.x, px - half)), top = Math.min(plot.y + plot.h - side, Math.max(plot.y, py - half));
    ctx.drawImage(canvas, whole(left), whole(top), side, side);
  });
}
