// Where every place of the plane is a picture: what the sample that somebody looks at shows, and all of it as a ground.

import { make, setText } from "./tips.js";

const SIDE = 72, LEAST = 40; // pixels of a picture on the page, at most and in small plots
const BESIDE = 16; // pixels between a sample and its picture
const FAINT = 0.34; // opacity of pictures behind the samples
const CRISP = 4; // times as large as it is, from which on an image has visible pixels
const COARSER = 2; // places from one picture of the ground to the next
const CLOSE = 0.86; // of the way to the next one, that a picture of the ground is wide

/** The picture at x, y, blended from those at the four places around: {levels, odds}, both from 0 to 1. */
export function pictureAt({ view: [x0, x1, y0, y1], levels, odds, shape: [rows, columns] }, x, y) {
  const within = (u, n) => Math.min(n - 1.000001, Math.max(0, u * (n - 1)));
  const u = within((x - x0) / (x1 - x0), columns), v = within((y - y0) / (y1 - y0), rows), i = Math.floor(u), j = Math.floor(v);
  const corners = [[j, i, 1 - u + i, 1 - v + j], [j, i + 1, u - i, 1 - v + j], [j + 1, i, 1 - u + i, v - j], [j + 1, i + 1, u - i, v - j]];
  const blended = (data) => {
    const size = data.length / (rows * columns), out = new Float32Array(size);
    for (const [row, column, a, b] of corners) {
      const start = (row * columns + column) * size;
      for (let k = 0; k < size; k++) out[k] += (a * b * data[start + k]) / 255;
    }
    return out;
  };
  return { levels: blended(levels), odds: blended(odds) };
}

/** A picture as an image: ink of one colour, as opaque as it is dark. */
function inkOf(levels, width, height, ink) {
  const image = new ImageData(width, height), rgb = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
  for (let k = 0; k < width * height; k++) image.data.set([...rgb, Math.round(255 * levels[k])], 4 * k);
  return image;
}

/** What somebody sees in a picture: {kind, percent}. */
export function seenIn({ kinds }, { odds }) {
  const k = odds.indexOf(Math.max(...odds));
  return { kind: kinds[k], percent: Math.min(99, Math.round(100 * odds[k])) }; // nobody is quite sure
}

/** Every other picture where it belongs, as an image in ink; {canvas, view}. */
export function mosaicOf({ view: [x0, x1, y0, y1], levels, shape: [rows, columns, height, width] }, ink) {
  const canvas = document.createElement("canvas"), across = Math.ceil(columns / COARSER), up = Math.ceil(rows / COARSER);
  const wide = Math.round(width / CLOSE), high = Math.round(height / CLOSE);
  canvas.width = across * wide;
  canvas.height = up * high;
  const ctx = canvas.getContext("2d"), size = width * height;
  for (let j = 0; j < up; j++) {
    for (let i = 0; i < across; i++) {
      const start = COARSER * (j * columns + i) * size, part = levels.subarray(start, start + size);
      const left = i * wide + Math.floor((wide - width) / 2), top = (up - 1 - j) * high + Math.floor((high - height) / 2);
      ctx.putImageData(inkOf(Array.from(part, (level) => level / 255), width, height, ink), left, top);
    }
  }
  const halfX = (COARSER * (x1 - x0)) / (columns - 1) / 2, halfY = (COARSER * (y1 - y0)) / (rows - 1) / 2;
  const right = x0 + (2 * across - 1) * halfX, highest = y0 + (2 * up - 1) * halfY;
  return { canvas, view: [x0 - halfX, right, y0 - halfY, highest] };
}

/** Lays a mosaic faintly into a plot. */
export function drawMosaic(ctx, plot, [x0, x1, y0, y1], { canvas, view: [left, right, low, high] }) {
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  ctx.save();
  ctx.globalAlpha = FAINT;
  ctx.imageSmoothingEnabled = (right - left) * sx < CRISP * canvas.width; // small pixels would be of uneven sizes
  ctx.drawImage(canvas, plot.x + (left - x0) * sx, plot.y + (y1 - high) * sy, (right - left) * sx, (high - low) * sy);
  ctx.restore();
}

/** Boxes beside the sample that somebody looks at, one a lane: its picture and what it is taken for. */
export class Glimpse {
  constructor(holder) {
    this.holder = holder;
    this.boxes = [];
  }

  /** places: for every lane where the sample is in the data's coordinates; none where it is not looked at. */
  show(pictures, places, layout, [x0, x1, y0, y1], theme) {
    const wanted = pictures ? places.length : 0;
    while (this.boxes.length < wanted) this.add();
    this.boxes.forEach((box, k) => {
      box.hidden = !(k < wanted);
      if (box.hidden) return;
      const [x, y] = places[k], plot = layout.plots[k], found = pictureAt(pictures, x, y);
      const [, , height, width] = pictures.shape, { kind, percent } = seenIn(pictures, found);
      const side = Math.min(SIDE, Math.max(LEAST, width * Math.round(plot.w / 7 / width))); // whole pixels a pixel
      const [canvas, words] = box.children;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").putImageData(inkOf(found.levels, width, height, theme.text), 0, 0);
      canvas.style.width = `${side}px`;
      canvas.style.height = `${Math.round((side * height) / width)}px`;
      setText(words.children[0], kind);
      setText(words.children[1], `${percent} %`);
      const px = plot.x + ((x - x0) / (x1 - x0)) * plot.w, py = plot.y + ((y1 - y) / (y1 - y0)) * plot.h;
      const { offsetWidth: w, offsetHeight: h } = box, right = px + BESIDE + w <= plot.x + plot.w;
      box.style.left = `${Math.max(plot.x, right ? px + BESIDE : px - BESIDE - w)}px`;
      box.style.top = `${Math.max(plot.y, Math.min(plot.y + plot.h - h, py - h / 2))}px`;
    });
  }

  add() {
    const box = make("div", "orw-glimpse"), words = make("span");
    box.setAttribute("aria-hidden", "true"); // who follows samples by keyboard is told, see stage.js
    words.append(make("strong"), " ", make("span"));
    box.append(document.createElement("canvas"), words);
    box.hidden = true;
    this.holder.append(box);
    this.boxes.push(box);
  }
}
