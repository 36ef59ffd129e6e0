// Somebody's points as a target: the texts of show/lab/points.py in the browser.

import { DIGITS } from "../web/strokes.js";
import { cloud } from "./mixtures.js";

const POINTS = "points:";
export const WIDEST = 8; // half the side of the square in which a text's centres lie, and the largest width
export const MOST_CENTRES = 400;
const FINEST = 65535; // whole numbers go up to this

/** {width, centres: [x0, y0, ...], weights} of a text, all whole numbers; an Error if it is not as the lab writes it. */
export function readPoints(text) {
  const damaged = new Error("the text of the points is damaged: it is not as the lab writes it");
  const body = text.slice(POINTS.length), bytes = bytesOf(body);
  if (!bytes || body.length > 8 * MOST_CENTRES + 3 || bytes.length % 2) throw damaged;
  const [width, ...rest] = Array.from({ length: bytes.length / 2 }, (_, k) => 256 * bytes[2 * k] + bytes[2 * k + 1]);
  const centres = rest.filter((_, k) => k % 3 < 2), weights = rest.filter((_, k) => k % 3 === 2), K = rest.length / 3;
  if (!(width >= 1 && K >= 1 && K <= MOST_CENTRES && Number.isInteger(K)) || weights.includes(0)) throw damaged;
  const found = { width, centres, weights };
  if (writePoints(found) !== text) throw damaged; // two texts of one density would be kept as two
  return found;
}

/** The text of a sketch. */
export function writePoints({ width, centres, weights }) {
  const numbers = [width, ...weights.flatMap((weight, k) => [centres[2 * k], centres[2 * k + 1], weight])];
  const bits = numbers.flatMap((number) => [number >> 8, number & 255]);
  let text = POINTS;
  for (let k = 0; k < bits.length; k += 3) {
    const [a, b = 0, c = 0] = bits.slice(k, k + 3), whole = (a << 16) | (b << 8) | c;
    for (let i = 0; i <= Math.min(3, bits.length - k); i++) text += DIGITS[(whole >> (18 - 6 * i)) & 63];
  }
  return text;
}

/** What base64url says, or null. */
function bytesOf(text) {
  const values = [...text].map((digit) => DIGITS.indexOf(digit)), bytes = [];
  if (values.includes(-1) || values.length % 4 === 1) return null;
  for (let k = 0; k < values.length; k += 4) {
    const [a, b, c = 0, d = 0] = values.slice(k, k + 4), whole = (a << 18) | (b << 12) | (c << 6) | d;
    bytes.push(...[whole >> 16, (whole >> 8) & 255, whole & 255].slice(0, Math.min(4, values.length - k) - 1));
  }
  return bytes;
}

/** The density of a text of points. */
export function pointsTarget(text) {
  const { width, centres, weights } = readPoints(text);
  return cloud(weights, centres.map((place) => place * ((2 * WIDEST) / FINEST) - WIDEST), (width * WIDEST) / FINEST, text);
}
