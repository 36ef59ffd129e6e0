// Paintings as lab/painting.py has them: strokes, their text and their picture. Pure functions.
//
//   strokeOf(way, brush) -> {points, size, strength, eraser, symmetry}; way: [[x, y], ...] in the plane
//   writePainting(strokes) -> "paint:...", readPainting(text) -> strokes, or an Error
//   inkOf(strokes) -> Float64Array of SIDE * SIDE, at [x * SIDE + y], from 0 to 1

export const PAINT = "paint:";
export const EXTENT = 5; // half the side of the square one paints on
const LATTICE = 256; // places an axis
export const SIDE = 128; // pixels an axis of a picture
const SIZES = [0.2, 0.35, 0.7, 1.2];
const STRENGTHS = [1, 0.5, 0.25];
const REACH = 5; // sizes, beyond which a brush leaves nothing
export const BLANK = 0.02; // the most ink of a picture on which one sees nothing
const FULL = 20000; // characters of a text
const TOLERANCE = 0.03; // how far a line may move to need fewer points
const NEAR = 31; // steps that fit a single digit are smaller than this
export const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const FAR = DIGITS[63]; // stands before a point that is given by its place

// Each map of the square is applied to all there is so far: (x, y) of pixels -> where its cover comes from.
const last = SIDE - 1;
const flipX = (x, y) => [last - x, y], flipY = (x, y) => [x, last - y], flipBoth = (x, y) => [last - x, last - y];
const turned = (x, y) => [y, last - x];
const SYMMETRIES = {
  none: [], left_right: [flipX], up_down: [flipY], both: [flipX, flipY], quarters: [turned, flipBoth], eighths: [turned, flipX, flipY],
};

const within = (value, low, high) => Math.min(high, Math.max(low, value));
const placeOf = (value) => (within(value, -EXTENT, EXTENT) / EXTENT + 1) * (LATTICE / 2) - 0.5;
const onLattice = (place) => Math.trunc(within(Math.round(place), 0, LATTICE - 1)) + 0; // no -0
const inPlane = (place) => ((place + 0.5) * 2 * EXTENT) / LATTICE - EXTENT;

/** The stroke along points in the plane, with as few points as keep it within TOLERANCE. */
export function strokeOf(way, brush) {
  const kept = simplified(way.map(([x, y]) => [placeOf(x), placeOf(y)]), (TOLERANCE * LATTICE) / (2 * EXTENT));
  const points = kept.map(([x, y]) => [onLattice(x), onLattice(y)]);
  return { ...brush, points: points.filter(([x, y], k) => k === 0 || x !== points[k - 1][0] || y !== points[k - 1][1]) };
}

/** Douglas and Peucker: between two points that are kept, the farthest is kept too, if it is too far. */
function simplified(points, tolerance) {
  const keep = new Set([0, points.length - 1]), spans = [[0, points.length - 1]];
  while (spans.length) {
    const [first, end] = spans.pop();
    let farthest = -1, most = tolerance ** 2;
    for (let k = first + 1; k < end; k++) {
      const away = squaredDistance(...points[k], points[first], points[end]);
      if (away > most) [farthest, most] = [k, away];
    }
    if (farthest < 0) continue;
    keep.add(farthest);
    spans.push([first, farthest], [farthest, end]);
  }
  return points.filter((_, k) => keep.has(k));
}

/** From a point (x, y) to the segment from a to b. */
function squaredDistance(x, y, a, b) {
  const u = b[0] - a[0], v = b[1] - a[1], px = x - a[0], py = y - a[1];
  const along = within((px * u + py * v) / Math.max(u * u + v * v, 1e-300), 0, 1);
  return (px - along * u) ** 2 + (py - along * v) ** 2;
}

export function writePainting(strokes) {
  const text = PAINT + strokes.map(strokeText).join(".");
  if (text.length > FULL) throw new Error("The painting is full. Undo some strokes, or clear it.");
  return text;
}

function strokeText({ points, size, strength, eraser, symmetry }) {
  const brush = (SIZES.indexOf(size) * STRENGTHS.length + STRENGTHS.indexOf(strength)) * 2 + Number(eraser);
  let text = DIGITS[brush] + DIGITS[Object.keys(SYMMETRIES).indexOf(symmetry)] + placeText(points[0]);
  for (let k = 1; k < points.length; k++) {
    const dx = points[k][0] - points[k - 1][0], dy = points[k][1] - points[k - 1][1];
    const near = Math.abs(dx) < NEAR && Math.abs(dy) < NEAR;
    text += near ? DIGITS[dx + NEAR] + DIGITS[dy + NEAR] : FAR + placeText(points[k]);
  }
  return text;
}

function placeText([x, y]) {
  const place = x * LATTICE + y;
  return DIGITS[place >> 12] + DIGITS[(place >> 6) & 63] + DIGITS[place & 63];
}

export function readPainting(text) {
  const damaged = new Error("This painting's text is damaged.");
  if (!text.startsWith(PAINT) || text.length > FULL) throw damaged;
  const body = text.slice(PAINT.length);
  const strokes = body ? body.split(".").map((part) => strokeIn(part, damaged)) : [];
  if (writePainting(strokes) !== text) throw damaged;
  return strokes;
}

function strokeIn(part, damaged) {
  const values = [...part].map((digit) => DIGITS.indexOf(digit));
  const placed = (at) => {
    const [high, middle, low] = values.slice(at, at + 3), place = (high << 12) + (middle << 6) + low;
    return [Math.floor(place / LATTICE), place % LATTICE];
  };
  if (values.includes(-1) || values.length < 5) throw damaged;
  const points = [placed(2)];
  for (let at = 5; at < values.length;) {
    if (values[at] === 63) {
      points.push(placed(at + 1));
      at += 4;
    } else {
      const [x, y] = points.at(-1);
      points.push([x + values[at] - NEAR, y + values[at + 1] - NEAR]);
      at += 2;
    }
  }
  const brush = values[0] >> 1, size = SIZES[Math.floor(brush / STRENGTHS.length)];
  const symmetry = Object.keys(SYMMETRIES)[values[1]];
  const inside = points.every((point) => point.every((place) => place >= 0 && place < LATTICE)); // false for NaN
  if (size === undefined || symmetry === undefined || !inside) throw damaged;
  return { points, size, strength: STRENGTHS[brush % STRENGTHS.length], eraser: values[0] % 2 === 1, symmetry };
}

/** How a stroke that is being drawn covers the pixels; it grows point by point. */
export class Cover {
  constructor({ size, strength, symmetry }) {
    Object.assign(this, { size, strength, symmetry });
    this.away = new Float64Array(SIDE * SIDE).fill(Infinity); // squared
    this.end = null;
  }

  /** On to a place of the lattice. */
  reach(place) {
    const b = place.map(inPlane), a = this.end ?? b, far = REACH * this.size, step = (2 * EXTENT) / SIDE;
    this.end = b;
    const range = (axis) => [
      Math.max(0, Math.floor((Math.min(a[axis], b[axis]) - far + EXTENT) / step)),
      Math.min(SIDE, Math.ceil((Math.max(a[axis], b[axis]) + far + EXTENT) / step)),
    ];
    const [x0, x1] = range(0), [y0, y1] = range(1);
    for (let x = x0; x < x1; x++) {
      for (let y = y0; y < y1; y++) {
        const away = squaredDistance((x + 0.5) * step - EXTENT, (y + 0.5) * step - EXTENT, a, b), at = x * SIDE + y;
        if (away < this.away[at]) this.away[at] = away;
      }
    }
  }

  /** The cover at each pixel. */
  get picture() {
    const far = (REACH * this.size) ** 2, wide = 2 * this.size ** 2;
    let cover = this.away.map((away) => (away > far ? 0 : this.strength * Math.exp(-away / wide)));
    for (const image of SYMMETRIES[this.symmetry]) {
      const before = cover;
      cover = before.map((value, at) => {
        const [x, y] = image(Math.floor(at / SIDE), at % SIDE);
        return Math.max(value, before[x * SIDE + y]);
      });
    }
    return cover;
  }
}

const covers = new Map(); // of the last strokes that were asked for, by their text: with undo most stay what they are
const KEPT = 128;

function coverOf(stroke) {
  const text = strokeText(stroke);
  let found = covers.get(text);
  if (!found) {
    const cover = new Cover(stroke);
    stroke.points.forEach((place) => cover.reach(place));
    found = cover.picture;
    if (covers.size >= KEPT) covers.delete(covers.keys().next().value);
  }
  covers.delete(text);
  covers.set(text, found); // the newest
  return found;
}

/** The picture `ink` with a cover painted over it, or taken away. */
export const laidOn = (ink, cover, eraser) =>
  ink.map((value, at) => (eraser ? value * (1 - cover[at]) : value + (1 - value) * cover[at]));

export const blankInk = () => new Float64Array(SIDE * SIDE);
export const inkOf = (strokes) => strokes.reduce((ink, stroke) => laidOn(ink, coverOf(stroke), stroke.eraser), blankInk());

/** The places in the plane where a symmetric brush paints besides (x, y). */
export function imagesOf([x, y], symmetry) {
  let found = [[x, y]];
  const maps = new Map([[flipX, ([u, v]) => [-u, v]], [flipY, ([u, v]) => [u, -v]], [flipBoth, ([u, v]) => [-u, -v]], [turned, ([u, v]) => [-v, u]]]);
  for (const image of SYMMETRIES[symmetry]) found = [...found, ...found.map(maps.get(image))];
  return found.slice(1);
}
