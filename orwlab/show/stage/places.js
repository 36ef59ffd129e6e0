// Finds free room for words in a panel: what is drawn is marked on a coarse grid, and words go where nothing is.

import { font } from "./theme.js";

const CELL = 2; // pixels

export class Room {
  constructor(area) {
    this.area = area;
    this.columns = Math.max(1, Math.ceil(area.w / CELL));
    this.rows = Math.max(1, Math.ceil(area.h / CELL));
    this.taken = new Uint8Array(this.columns * this.rows);
  }

  /** Marks a line between two points. */
  line(x0, y0, x1, y1) {
    if (x1 < x0) [x0, y0, x1, y1] = [x1, y1, x0, y0];
    const { area, columns } = this;
    const first = Math.max(0, Math.floor((x0 - area.x) / CELL)), last = Math.min(columns - 1, Math.floor((x1 - area.x) / CELL));
    const slope = x1 > x0 ? (y1 - y0) / (x1 - x0) : 0;
    for (let i = first; i <= last; i++) {
      const left = Math.max(x0, area.x + i * CELL), right = Math.min(x1, area.x + (i + 1) * CELL);
      const a = y0 + slope * (left - x0), b = x1 > x0 ? y0 + slope * (right - x0) : y1;
      this.column(i, Math.min(a, b) - 1, Math.max(a, b) + 1);
    }
  }

  /** Marks a box. */
  box(x, y, w, h) {
    const first = Math.max(0, Math.floor((x - this.area.x) / CELL));
    const last = Math.min(this.columns - 1, Math.floor((x + w - this.area.x) / CELL));
    for (let i = first; i <= last; i++) this.column(i, y, y + h);
  }

  column(i, top, bottom) {
    const { area, rows, columns, taken } = this;
    const last = Math.min(rows - 1, Math.floor((bottom - area.y) / CELL));
    for (let j = Math.max(0, Math.floor((top - area.y) / CELL)); j <= last; j++) taken[j * columns + i] = 1;
  }

  /** Whether a box lies inside and nothing is there. */
  free(x, y, w, h) {
    const { area, columns, rows, taken } = this;
    if (x < area.x || y < area.y || x + w > area.x + area.w || y + h > area.y + area.h) return false;
    const i0 = Math.floor((x - area.x) / CELL), i1 = Math.min(columns - 1, Math.floor((x + w - area.x) / CELL));
    const j0 = Math.floor((y - area.y) / CELL), j1 = Math.min(rows - 1, Math.floor((y + h - area.y) / CELL));
    for (let j = j0; j <= j1; j++) for (let i = i0; i <= i1; i++) if (taken[j * columns + i]) return false;
    return true;
  }

  /**
   * Free room for words of this size at a horizontal line at height y: {x, y, over} of the upper left corner, which is
   * taken from then on; null if there is none. From the right or from the left, above before below; `over` if only the
   * line itself is in the way: it has to make room for the words.
   */
  beside(y, w, h, right = true) {
    const { area } = this, slack = area.w - w - 6;
    if (slack < 0) return null;
    const steps = Math.max(1, Math.ceil(slack / h)), half = h / 2 - 3.2;
    const ways = [
      (x) => [y - h - 3.2, y + 3.2].find((top) => this.free(x, top, w, h)),
      (x) => (this.free(x - 3, y - h / 2, w + 6, half) && this.free(x - 3, y + 3.2, w + 6, half) ? y - h / 2 : undefined),
    ];
    for (const way of ways) {
      for (let step = 0; step <= steps; step++) {
        const share = step / steps, x = area.x + 3 + slack * (right ? 1 - share : share), top = way(x);
        if (top === undefined) continue;
        this.box(x - 3, top, w + 6, h);
        return { x, y: top, over: way === ways[1] };
      }
    }
    return null;
  }
}

const known = new Map(); // widths of words: the same ones are drawn many times a second

/** The width of a text in the canvas's present font. */
export function widthOf(ctx, text) {
  const key = `${ctx.font}|${text}`;
  let width = known.get(key);
  if (width === undefined) {
    if (known.size > 3000) known.clear();
    known.set(key, width = ctx.measureText(text).width);
  }
  return width;
}

/** Spreads places (sorted by y) so that they are `apart`, between two limits. */
export function spread(places, apart, top, bottom) {
  places.forEach((place, k) => { place.y = Math.max(place.y, k ? places[k - 1].y + apart : top); });
  for (let k = places.length - 1; k >= 0; k--) {
    places[k].y = Math.min(places[k].y, k === places.length - 1 ? bottom : places[k + 1].y - apart);
  }
}

/** Writes words and notes where they are. `y` is the middle of their height. */
export function write(ctx, texts, text, x, y, align, color, small) {
  ctx.textAlign = align;
  ctx.textBaseline = "middle";
  ctx.fillStyle = color;
  ctx.fillText(text, x, y);
  const w = widthOf(ctx, text), left = align === "left" ? x : align === "right" ? x - w : x - w / 2;
  texts?.push({ text, x: left, y: y - 0.5 * small, w, h: small });
}

/** The first of some texts that fits, or the last one. */
export const fitting = (texts, room, measure) => texts.find((text) => measure(text) <= room) ?? texts.at(-1);

let pen = null;

/** The width of words on the page, in CSS pixels: measured without laying the page out. */
export function textWidth(text, size, weight = 400) {
  pen ??= document.createElement("canvas").getContext("2d");
  pen.font = font(size, weight);
  return 1.02 * widthOf(pen, text);
}
