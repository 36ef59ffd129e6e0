// What a painting is worth: show/lab/painting.py in the browser, on the strokes and the ink of web/strokes.js.

import { BLANK, EXTENT, SIDE, inkOf, readPainting } from "../web/strokes.js";
import { cloud } from "./mixtures.js";

const LATTICES = [40, 36, 32, 28, 24, 20]; // a target's components an axis: the finest that needs no more than MOST_BELLS
const MOST_BELLS = 400;
const BELL = 0.6; // a component's std in steps: even ink then ripples by less than 0.2 %
const SPARED = 0.005; // of the mass, in the lightest components, which are left out
const FITTING = 20; // rounds of expectation maximisation

/** The picture of a painting's text; an Error if it is damaged. */
export function paintedInk(text) {
  try {
    return inkOf(readPainting(text));
  } catch {
    throw new Error("the painting's text is damaged: it is not as the lab writes it");
  }
}

/** The picture, on which one sees something. */
export function inkedPainting(text) {
  const ink = paintedInk(text);
  if (ink.some((value) => value >= BLANK)) return ink;
  throw new Error("the painting is empty; allowed: some ink, from which a density can be made. Paint something");
}

/** The density that one sees painted: ink is probability. At most MOST_BELLS equal round Gaussians on a lattice. */
export function paintedTarget(text) {
  const ink = inkedPainting(text), sum = ink.reduce((a, b) => a + b, 0), share = ink.map((value) => value / sum);
  for (const n of LATTICES) {
    const step = (2 * EXTENT) / n, std = BELL * step, bells = bellsOf(n, std), spread = transposed(bells, n);
    const start = matrixProduct(matrixProduct(spread, share, n, SIDE, SIDE), bells, n, SIDE, n), least = LATTICES.at(-1);
    if (n > least && heavyOnes(start).length > 2 * MOST_BELLS) continue; // fitting does not make them so few
    const weights = fittedWeights(share, bells, spread, start, n), kept = heavyOnes(weights);
    if (n > least && kept.length > MOST_BELLS) continue;
    const at = (i) => (i + 0.5) * step - EXTENT;
    return cloud(kept.map((k) => weights[k]), kept.flatMap((k) => [at(Math.floor(k / n)), at(k % n)]), std, text);
  }
  return null; // never: the last lattice has MOST_BELLS places
}

/** (SIDE, n): the share of a pixel's width in each component. */
function bellsOf(n, std) {
  const pixel = (2 * EXTENT) / SIDE, step = (2 * EXTENT) / n, scale = pixel / std / Math.sqrt(2 * Math.PI);
  return Float64Array.from({ length: SIDE * n }, (_, k) => {
    const away = (((Math.floor(k / n) + 0.5) * pixel) - ((k % n) + 0.5) * step) / std;
    return Math.exp((-away * away) / 2) * scale;
  });
}

const transposed = (bells, n) => Float64Array.from({ length: n * SIDE }, (_, k) => bells[(k % SIDE) * n + Math.floor(k / SIDE)]);

/** A (a, b) times B (b, c). */
function matrixProduct(A, B, a, b, c) {
  const out = new Float64Array(a * c);
  for (let i = 0; i < a; i++) {
    for (let k = 0; k < b; k++) {
      const factor = A[i * b + k];
      if (factor !== 0) for (let j = 0; j < c; j++) out[i * c + j] += factor * B[k * c + j];
    }
  }
  return out;
}

/** Weights (n, n) of Gaussians whose mixture comes as near to `share` as its likelihood can tell. */
function fittedWeights(share, bells, spread, weights, n) {
  for (let round = 0; round < FITTING; round++) {
    const density = matrixProduct(matrixProduct(bells, weights, SIDE, n, n), spread, SIDE, n, SIDE);
    const missing = share.map((value, k) => value / Math.max(density[k], 1e-300));
    const factor = matrixProduct(matrixProduct(spread, missing, n, SIDE, SIDE), bells, n, SIDE, n);
    weights = weights.map((weight, k) => weight * factor[k]);
  }
  return weights;
}

/** Those that remain if the lightest are left out, up to a share SPARED of the sum; equal ones stay together. */
function heavyOnes(weights) {
  const ordered = weights.slice().sort(), allowed = SPARED * ordered.reduce((a, b) => a + b, 0);
  let left = 0, sum = ordered[0];
  while (sum <= allowed) sum += ordered[++left];
  return [...weights.keys()].filter((k) => weights[k] >= ordered[left] * (1 - 1e-9));
}

/** The ink at a point as a reward, in [0, 1]: cubic between the pixels (Keys 1981), constant beyond those at the edge. */
export function paintedReward(text) {
  const ink = paintedInk(text), pixel = (value) => (value / EXTENT + 1) * (SIDE / 2) - 0.5;
  return (points) => {
    const found = new Float64Array(points.length / 2);
    for (let k = 0; k < found.length; k++) {
      const x = onInk(pixel(points[2 * k])), y = onInk(pixel(points[2 * k + 1]));
      const i = Math.min(SIDE - 2, Math.floor(x)), j = Math.min(SIDE - 2, Math.floor(y)), columns = keysWeights(y - j);
      let sum = 0;
      keysWeights(x - i).forEach((row, a) => columns.forEach((column, b) => {
        sum += row * column * ink[onInk(i + a - 1) * SIDE + onInk(j + b - 1)];
      }));
      found[k] = within01(sum);
    }
    return found;
  };
}

const within01 = (value) => Math.min(1, Math.max(0, value));
const onInk = (place) => Math.min(SIDE - 1, Math.max(0, place));

/** The weights of the four pixels around a place a share `s` of the way from the second to the third. */
function keysWeights(s) {
  const a = s * (1 - s) ** 2, b = s * s * (1 - s), c = s * s * (3 - 2 * s);
  return [-a / 2, 1 - c + b / 2, c + a / 2, -b / 2];
}
