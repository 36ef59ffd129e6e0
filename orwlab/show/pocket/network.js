// A small network for points of the plane, what it adds to a reference's velocities: its answers, gradients and Adam, by hand.
//
// Two hidden layers with SiLU. It is told x, the time, and where the reference leads to from there, x + (1 - t) v_ref(t, x):
// what a reward changes is where that is to be, and between modes it turns as sharply.
// All parameters lie in one array, in torch's order: of each layer the weights, a row for each output, then the biases.
// Batches are rows of samples. Memory is made once; a step leaves nothing for the garbage collector.

import { Twister } from "./twister.js";

/** Points that go through a network together. */
export const BATCH = 256;
const WIDTH = 64;
const FREQUENCIES = 2; // of time, in half turns
const INPUTS = 5 + 2 * FREQUENCIES; // x, where the reference leads to, t, sines, cosines
const LAYERS = [WIDTH * INPUTS, WIDTH, WIDTH * WIDTH, WIDTH, 2 * WIDTH, 2];
/** Numbers that a network learns. */
export const PARAMETERS = LAYERS.reduce((a, b) => a + b);
const BETA1 = 0.9, BETA2 = 0.999, EPSILON = 1e-8; // torch.optim.Adam's

/** Views of an array of parameters, layer by layer. */
function layersOf(all) {
  let at = 0;
  const [w1, b1, w2, b2, w3, b3] = LAYERS.map((size) => all.subarray(at, (at += size)));
  return { w1, b1, w2, b2, w3, b3 };
}

/** Parameters to begin with: evenly from +-1 / sqrt(inputs), as torch's layers have them; the last layer is 0. */
export function initialParameters(seed) {
  const twister = new Twister(seed), all = new Float64Array(PARAMETERS), { w1, b1, w2, b2 } = layersOf(all);
  const fill = (values, inputs) => { for (let k = 0; k < values.length; k++) values[k] = (2 * twister.share() - 1) / Math.sqrt(inputs); };
  for (const values of [w1, b1]) fill(values, INPUTS);
  for (const values of [w2, b2]) fill(values, WIDTH);
  return all;
}

/** Memory for a batch, which networks may share: what a forward pass leaves for the backward one. */
class Workspace {
  constructor() {
    this.features = new Float64Array(BATCH * INPUTS);
    for (const name of ["z1", "h1", "z2", "h2", "d1", "d2"]) this[name] = new Float64Array(BATCH * WIDTH);
    this.early = new Float64Array(WIDTH);
    this.part = new Float64Array(2 * BATCH);
  }
}
const shared = new Workspace();

/** The velocity of parameters. */
export class Network {
  constructor(parameters) {
    this.parameters = parameters;
    this.layers = layersOf(parameters);
  }

  /** Adds its velocities at points x0, y0, x1, y1, ..., at one time for all, to the reference's there, `v`. */
  addAt(t, points, v) {
    const { w1, b1, w2, b2, w3, b3 } = this.layers, { early, h1, h2, part } = shared;
    earlyAt(t, w1, b1, early);
    for (let start = 0; start < points.length; start += 2 * BATCH) {
      const count = Math.min(BATCH, points.length / 2 - start / 2);
      for (let i = 0, at = 0, k = start; i < count; i++, k += 2) {
        const x = points[k], y = points[k + 1], a = x + (1 - t) * v[k], b = y + (1 - t) * v[k + 1];
        for (let j = 0, w = 0; j < WIDTH; j++, at++, w += INPUTS) {
          h1[at] = early[j] + x * w1[w] + y * w1[w + 1] + a * w1[w + 2] + b * w1[w + 3];
        }
      }
      swish(h1, h1, count * WIDTH);
      through(h1, w2, b2, h2, count);
      swish(h2, h2, count * WIDTH);
      outwards(h2, w3, b3, part, count);
      for (let k = 0; k < 2 * count; k++) v[start + k] += part[k];
    }
  }

  /** The same at points each of which has its own time. */
  addEach(t, points, v) {
    for (let start = 0; start < t.length; start += BATCH) {
      const end = Math.min(t.length, start + BATCH);
      this.forward(t.subarray(start, end), points.subarray(2 * start, 2 * end), v.subarray(2 * start, 2 * end), end - start);
    }
  }

  /** `addEach` for up to BATCH points; what `backward` needs is kept. */
  forward(t, points, v, count) {
    const { w1, b1, w2, b2, w3, b3 } = this.layers, { features, z1, h1, z2, h2, part } = shared;
    for (let i = 0, at = 0; i < count; i++) {
      const row = i * INPUTS;
      featuresAt(t[i], points[2 * i], points[2 * i + 1], v[2 * i], v[2 * i + 1], features, row);
      for (let j = 0, w = 0; j < WIDTH; j++, at++, w += INPUTS) {
        let sum = b1[j];
        for (let k = 0; k < INPUTS; k++) sum += features[row + k] * w1[w + k];
        z1[at] = sum;
      }
    }
    swish(z1, h1, count * WIDTH);
    through(h1, w2, b2, z2, count);
    swish(z2, h2, count * WIDTH);
    outwards(h2, w3, b3, part, count);
    for (let k = 0; k < 2 * count; k++) v[k] += part[k];
  }

  /** Gradients, written to `to`, of what has the derivatives `dv` by the velocities of the last `forward`. */
  backward(dv, to, count) {
    const { w2, w3 } = this.layers, { features, z1, h1, z2, h2, d1, d2 } = shared;
    to.w3.fill(0);
    to.b3.fill(0);
    for (let i = 0, at = 0; i < count; i++) {
      const a = dv[2 * i], b = dv[2 * i + 1];
      to.b3[0] += a;
      to.b3[1] += b;
      for (let j = 0; j < WIDTH; j++, at++) {
        to.w3[j] += a * h2[at];
        to.w3[WIDTH + j] += b * h2[at];
        d2[at] = a * w3[j] + b * w3[WIDTH + j];
      }
    }
    unswish(z2, d2, count * WIDTH);
    across(d2, h1, to.w2, to.b2, count);
    back(d2, w2, d1, count);
    unswish(z1, d1, count * WIDTH);
    to.w1.fill(0);
    to.b1.fill(0);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < WIDTH; j++) {
        const d = d1[i * WIDTH + j];
        to.b1[j] += d;
        for (let k = 0; k < INPUTS; k++) to.w1[j * INPUTS + k] += d * features[i * INPUTS + k];
      }
    }
  }
}

/** Adam over one array of parameters: torch.optim.Adam's step. */
export class Adam {
  constructor(parameters) {
    this.parameters = parameters;
    this.gradient = new Float64Array(parameters.length);
    this.gradients = layersOf(this.gradient);
    this.first = new Float64Array(parameters.length);
    this.second = new Float64Array(parameters.length);
    this.steps = 0;
  }

  step(lr) {
    const { parameters, gradient, first, second } = this;
    this.steps++;
    const rate = lr / (1 - BETA1 ** this.steps), root = Math.sqrt(1 - BETA2 ** this.steps);
    for (let k = 0; k < parameters.length; k++) {
      const g = gradient[k];
      first[k] += (1 - BETA1) * (g - first[k]);
      second[k] = BETA2 * second[k] + (1 - BETA2) * g * g;
      parameters[k] -= (rate * first[k]) / (Math.sqrt(second[k]) / root + EPSILON);
    }
  }
}

function featuresAt(t, x, y, vx, vy, to, at) {
  to[at] = x;
  to[at + 1] = y;
  to[at + 2] = x + (1 - t) * vx;
  to[at + 3] = y + (1 - t) * vy;
  to[at + 4] = t;
  for (let k = 1; k <= FREQUENCIES; k++) {
    to[at + 4 + k] = Math.sin(Math.PI * k * t);
    to[at + 4 + FREQUENCIES + k] = Math.cos(Math.PI * k * t);
  }
}

const once = new Float64Array(INPUTS);

/** What the first layer makes of the time alone. */
function earlyAt(t, w1, b1, to) {
  featuresAt(t, 0, 0, 0, 0, once, 0);
  for (let j = 0; j < WIDTH; j++) {
    to[j] = b1[j];
    for (let k = 4; k < INPUTS; k++) to[j] += once[k] * w1[j * INPUTS + k];
  }
}

// Products of matrices, in blocks that registers hold: rows of samples beside rows of weights. ------------------------------

/** `out = x w^T + b`, for `count` rows of WIDTH; where their number is odd, one more row is worked out. */
function through(x, w, b, out, count) {
  for (let row = 0; row < count; row += 2) {
    const r = row * WIDTH, s = r + WIDTH;
    for (let c = 0; c < WIDTH; c += 4) {
      const p = c * WIDTH, q = p + WIDTH, u = q + WIDTH, v = u + WIDTH;
      let a0 = b[c], a1 = b[c + 1], a2 = b[c + 2], a3 = b[c + 3], e0 = a0, e1 = a1, e2 = a2, e3 = a3;
      for (let k = 0; k < WIDTH; k++) {
        const f = x[r + k], g = x[s + k], w0 = w[p + k], w1 = w[q + k], w2 = w[u + k], w3 = w[v + k];
        a0 += f * w0;
        a1 += f * w1;
        a2 += f * w2;
        a3 += f * w3;
        e0 += g * w0;
        e1 += g * w1;
        e2 += g * w2;
        e3 += g * w3;
      }
      four(out, r + c, a0, a1, a2, a3);
      four(out, s + c, e0, e1, e2, e3);
    }
  }
}

/** `out = d w`. */
function back(d, w, out, count) {
  for (let row = 0; row < count; row += 2) {
    const r = row * WIDTH, s = r + WIDTH;
    for (let c = 0; c < WIDTH; c += 4) {
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, e0 = 0, e1 = 0, e2 = 0, e3 = 0;
      for (let k = 0, at = c; k < WIDTH; k++, at += WIDTH) {
        const f = d[r + k], g = d[s + k], w0 = w[at], w1 = w[at + 1], w2 = w[at + 2], w3 = w[at + 3];
        a0 += f * w0;
        a1 += f * w1;
        a2 += f * w2;
        a3 += f * w3;
        e0 += g * w0;
        e1 += g * w1;
        e2 += g * w2;
        e3 += g * w3;
      }
      four(out, r + c, a0, a1, a2, a3);
      four(out, s + c, e0, e1, e2, e3);
    }
  }
}

/** `w = d^T h`, and `b` the sums of d. */
function across(d, h, w, b, count) {
  for (let row = 0; row < WIDTH; row += 2) {
    for (let c = 0; c < WIDTH; c += 4) {
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, e0 = 0, e1 = 0, e2 = 0, e3 = 0;
      for (let k = 0, at = 0; k < count; k++, at += WIDTH) {
        const f = d[at + row], g = d[at + row + 1], h0 = h[at + c], h1 = h[at + c + 1], h2 = h[at + c + 2], h3 = h[at + c + 3];
        a0 += f * h0;
        a1 += f * h1;
        a2 += f * h2;
        a3 += f * h3;
        e0 += g * h0;
        e1 += g * h1;
        e2 += g * h2;
        e3 += g * h3;
      }
      four(w, row * WIDTH + c, a0, a1, a2, a3);
      four(w, (row + 1) * WIDTH + c, e0, e1, e2, e3);
    }
  }
  b.fill(0);
  for (let k = 0, at = 0; k < count; k++) for (let j = 0; j < WIDTH; j++, at++) b[j] += d[at];
}

function four(out, at, a, b, c, d) {
  out[at] = a;
  out[at + 1] = b;
  out[at + 2] = c;
  out[at + 3] = d;
}

function outwards(h, w3, b3, out, count) {
  for (let i = 0, at = 0; i < count; i++) {
    let x = b3[0], y = b3[1];
    for (let j = 0; j < WIDTH; j++, at++) {
      x += h[at] * w3[j];
      y += h[at] * w3[WIDTH + j];
    }
    out[2 * i] = x;
    out[2 * i + 1] = y;
  }
}

// SiLU, z / (1 + e^-z) --------------------------------------------------------------------------------------------------

const FINE = 16, BEYOND = 20, PIECES = 2 * BEYOND * FINE; // pieces a unit, from -BEYOND to BEYOND: a third of the time of Math.exp
const pieces = sigmoidPieces();

/** Hermite's cubics between the pieces' ends: 4 coefficients each. They are right to 3e-9. */
function sigmoidPieces() {
  const found = new Float64Array(4 * PIECES), sigmoid = (z) => 1 / (1 + Math.exp(-z));
  for (let k = 0; k < PIECES; k++) {
    const a = sigmoid(k / FINE - BEYOND), b = sigmoid((k + 1) / FINE - BEYOND), slopeA = (a * (1 - a)) / FINE, slopeB = (b * (1 - b)) / FINE;
    found.set([a, slopeA, 3 * (b - a) - 2 * slopeA - slopeB, 2 * (a - b) + slopeA + slopeB], 4 * k);
  }
  return found;
}

/** h = z sigmoid(z); what is not finite stays so. */
function swish(z, h, count) {
  for (let k = 0; k < count; k++) {
    const at = Math.min(PIECES - 1e-9, Math.max(0, FINE * (z[k] + BEYOND))), j = 4 * (at | 0), r = at - (at | 0);
    h[k] = z[k] * (pieces[j] + r * (pieces[j + 1] + r * (pieces[j + 2] + r * pieces[j + 3])));
  }
}

/** d times the derivative of SiLU at z, in place. */
function unswish(z, d, count) {
  for (let k = 0; k < count; k++) {
    const at = Math.min(PIECES - 1e-9, Math.max(0, FINE * (z[k] + BEYOND))), j = 4 * (at | 0), r = at - (at | 0);
    const s = pieces[j] + r * (pieces[j + 1] + r * (pieces[j + 2] + r * pieces[j + 3]));
    d[k] *= s * (1 + z[k] * (1 - s));
  }
}
