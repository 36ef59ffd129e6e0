// Conditional moments on a grid and the way back along the flow: exact/moments.py in the browser.

/** Cells: the kernel's width at the last time; narrower ones fall between the cells. */
const STOP = 0.6;

/**
 * Of a row's largest entry, below which a kernel is 0, as Python has it: two of them still multiply to a normal number.
 * Where a reference is uneven or weights reach far, entries count that look like nothing: cut at 1e-40, twenty rounds end
 * up to 0.3 in total variation elsewhere.
 */
export const CUT = 1e-150;

/**
 * Row x of the kernel `exp(-(x - t g)^2 / (2 (1 - t)^2))`, divided by its largest entry, written to `row` from `at`.
 * Sets the band [first, after] outside of which it is below `cut`, and 0: there nothing is written.
 */
export function kernelRow(x, t, g, row, at, cut, band) {
  const n = g.length, step = g[1] - g[0], width = 1 - t, scale = -0.5 / (width * width);
  // the nearest t g to x has the largest entry
  const peak = t > 0 ? Math.min(n - 1, Math.max(0, Math.round((x / t - g[0]) / step))) : 0;
  const away = x - t * g[peak], reach = Math.sqrt(away * away - 2 * width * width * Math.log(cut));
  const first = t > 0 ? Math.min(peak, Math.max(0, Math.ceil(((x - reach) / t - g[0]) / step))) : 0;
  const after = t > 0 ? Math.max(peak + 1, Math.min(n, Math.floor(((x + reach) / t - g[0]) / step) + 1)) : n;
  // from one entry to the next by a factor, which itself changes by a factor: three exponentials a row
  const move = t * step, bend = Math.exp(2 * scale * move * move);
  row[at + peak] = 1;
  for (let j = peak + 1, value = 1, factor = Math.exp(scale * move * (move - 2 * away)); j < after; j++, factor *= bend) {
    row[at + j] = value *= factor;
  }
  for (let j = peak - 1, value = 1, factor = Math.exp(scale * move * (move + 2 * away)); j >= first; j--, factor *= bend) {
    row[at + j] = value *= factor;
  }
  band[0] = first;
  band[1] = after;
}

/** The kernel at time t on all cells, each entry beside its product with the coordinate, and the band of every row. */
class Kernel {
  constructor(grid, unit, t, cut) {
    const { n, coordinates: g } = grid, row = new Float64Array(n), band = [0, n];
    Object.assign(this, { pairs: new Float64Array(2 * n * n), first: new Int32Array(n), after: new Int32Array(n) });
    for (let i = 0; i < n; i++) {
      kernelRow(g[i], t, g, row, 0, cut, band);
      [this.first[i], this.after[i]] = band;
      for (let j = band[0]; j < band[1]; j++) this.pairs.set([row[j], row[j] * unit[j]], 2 * (i * n + j));
    }
  }
}

/** What `sums` needs of memory, and its answers: of each of two fields the sums and those with each coordinate. */
class Sums {
  constructor({ size, dim }) {
    this.answers = [0, 1].map(() => Array.from({ length: 1 + dim }, () => new Float64Array(size)));
    this.turned = new Float64Array(2 * size);
    this.half = new Float64Array(4 * size);
  }
}

/**
 * Conditional moments given x_t at all cell centres and all quadrature times, for the linear path.
 *
 * Given x1 = g, x_t is Gaussian with mean t g and standard deviation 1 - t in every coordinate, so E[f(x1) | x_t = x]
 * is a ratio of separable sums. Times are t = 1 - u^2 with u linear from 1 to sqrt(0.6 dx). Positions are in units of
 * half the domain's side. `followed` (Uint8Array): the cells whose correction is wanted; at the others it is 0.
 */
export class Moments {
  constructor(grid, p, times, followed, cut = CUT) {
    const { n, dim } = grid, last = Math.sqrt(STOP * grid.dx);
    Object.assign(this, { grid, cut, memory: new Sums(grid), way: null });
    this.times = Array.from({ length: times }, (_, k) => 1 - (1 + (k / (times - 1)) * (last - 1)) ** 2);
    this.times[0] = 0;
    this.unit = grid.coordinates.map((g) => g / grid.extent);
    this.ends = Int32Array.from([...followed.keys()].filter((k) => followed[k]));
    this.end = Float64Array.from([...this.ends].flatMap((k) => (dim === 1 ? [this.unit[k]] : [this.unit[Math.floor(k / n)], this.unit[k % n]])));
    this.kernels = this.times.map((t, k) => (k === 0 ? null : new Kernel(grid, this.unit, t, cut)));
    // the reference's E[x1 | x_t], by the same sums: where q = p_ref the correction then vanishes exactly
    this.reference = [this.mean(p)];
    for (let k = 1; k < times; k++) {
      const [plain, ...first] = this.sums(k, p, p)[0];
      this.reference.push(first.map((f) => f.map((sum, i) => sum / plain[i])));
    }
  }

  /** E[x1], one number an axis: the conditional one at t = 0, where x_t knows nothing of x1. */
  mean(q) {
    const { n, dim } = this.grid, sums = [0, 0, 0];
    for (let k = 0; k < q.length; k++) {
      sums[0] += q[k];
      sums[dim] += q[k] * this.unit[k % n];
      if (dim === 2) sums[1] += q[k] * this.unit[Math.floor(k / n)];
    }
    return sums.slice(1, 1 + dim).map((sum) => sum / sums[0]);
  }

  /** Of two fields `sum_g K[x, g] F(g)`, then `sum_g K[x, g] F(g) g_a` for each axis a, at time k > 0. */
  sums(k, F, G) {
    const { memory, grid: { n, dim } } = this, kernel = this.kernels[k];
    if (dim === 1) {
      sumsOnALine(kernel, n, F, memory.answers[0]);
      sumsOnALine(kernel, n, G, memory.answers[1]);
    } else {
      sideBySide(F, G, memory.turned, n);
      alongX(kernel, n, memory.turned, memory.half);
      alongY(kernel, n, memory.half, ...memory.answers[0], ...memory.answers[1]);
    }
    return memory.answers;
  }

  /**
   * `alpha int_0^1 (div e + e . grad log rho_t) / (W + alpha) dt` on the v*-trajectories that end at each cell, written
   * to `out`. Followed backward from t = 1 by Heun's method; fields are carried as E[x1 | x_t], which stays bounded.
   */
  correction(q, w, alpha, out) {
    this.way ??= new Backward(this);
    const { times, ends, way } = this, last = times.length - 1;
    way.begin(q, w, alpha);
    way.stopAt(last);
    let rest = 1 - times[last], step = times[last] - times[last - 1];
    way.arrive(rest, step);
    for (let k = last - 1; k > 0; k--) {
      way.stopAt(k);
      const behind = rest, before = step;
      rest = 1 - times[k];
      step = times[k] - times[k - 1];
      way.goBack(behind, before, rest, step);
    }
    way.leave(step);
    out.fill(0);
    for (let i = 0; i < ends.length; i++) out[ends[i]] = way.total[i];
    return out;
  }
}

/** The way back from t = 1: v* and the integrand of `Moments.correction` at one time after the other. */
class Backward {
  constructor(moments) {
    const { grid } = moments, m = moments.ends.length;
    Object.assign(this, { moments, grid, dim: grid.dim, alpha: 0, unit: 0 });
    this.fitted = new Float64Array(grid.size); // q (w + alpha)
    this.minusE = Array.from({ length: grid.dim }, () => new Float64Array(grid.size));
    this.fields = new Float64Array((1 + grid.dim) * grid.size); // at each cell x + (1 - t) v*, and the integrand but for `unit`
    for (const name of ["x", "guess", "pull"]) this[name] = new Float64Array(m * grid.dim);
    this.total = new Float64Array(m);
    this.found = new Float64Array(1 + grid.dim);
  }

  begin(q, w, alpha) {
    Object.assign(this, { q, alpha });
    for (let k = 0; k < q.length; k++) this.fitted[k] = q[k] * (w[k] + alpha);
  }

  /**
   * Go to time k > 0: fill `fields`.
   *
   * With S and T the sums of q and of q (w + alpha), and e = E_p_ref[x1 | x_t] - E_q[x1 | x_t], which is 1 - t times the
   * velocities' difference, x + (1 - t) v* = T_x / T + alpha S / T e; and 1 / (W + alpha) is S / T.
   */
  stopAt(k) {
    const { moments, grid, dim, alpha, fields, minusE } = this, { n } = grid, t = moments.times[k];
    const [T, S] = moments.sums(k, this.fitted, this.q), rate = T[0], pull = S[0], wide = 1 + dim;
    const size = grid.size;
    for (let i = 0; i < size; i++) {
      const perT = 1 / T[0][i], perS = 1 / S[0][i], share = S[0][i] * perT;
      let along = 0;
      for (let a = 0; a < dim; a++) {
        const here = moments.unit[a === dim - 1 ? i % n : (i / n) | 0], mean = S[1 + a][i] * perS;
        const minus = mean - moments.reference[k][a][i];
        minusE[a][i] = minus;
        fields[i * wide + a] = T[1 + a][i] * perT - alpha * share * minus;
        along += minus * (here - t * mean);
      }
      rate[i] = along;
      pull[i] = share;
    }
    const h = (1 - t) ** 2 / grid.extent / (12 * grid.dx);
    for (let a = 0; a < dim; a++) addSlopes(minusE[a], rate, n, size, a === dim - 1 ? 1 : n, -h);
    for (let i = 0; i < size; i++) fields[i * wide + dim] = pull[i] * rate[i];
    this.unit = (alpha * grid.extent ** 2) / (1 - t) ** 3;
  }

  /** `fields` at the position that stands in `x` from k, bilinearly, to `found`. */
  look(x, k) {
    const { n } = this.grid, { dim, fields, found } = this, wide = 1 + dim;
    const u = Math.min(n - 1, Math.max(0, ((x[k] + 1) * n - 1) / 2)), i = Math.min(n - 2, u | 0), a = u - i;
    if (dim === 1) {
      for (let c = 0, at = 2 * i; c < 2; c++, at++) found[c] = (1 - a) * fields[at] + a * fields[at + 2];
      return;
    }
    const v = Math.min(n - 1, Math.max(0, ((x[k + 1] + 1) * n - 1) / 2)), j = Math.min(n - 2, v | 0), b = v - j;
    const at = (i * n + j) * wide, up = at + n * wide;
    const w0 = (1 - a) * (1 - b), w1 = (1 - a) * b, w2 = a * (1 - b), w3 = a * b;
    for (let c = 0; c < 3; c++) {
      found[c] = w0 * fields[at + c] + w1 * fields[at + 3 + c] + w2 * fields[up + c] + w3 * fields[up + 3 + c];
    }
  }

  /** From 1 back to the first time, a straight line at the speed it has there, and half a step on. */
  arrive(rest, step) {
    const { dim, x, guess, pull, total: sum, found, moments: { end } } = this;
    x.set(end);
    for (let i = 0, k = 0; i < sum.length; i++, k += dim) {
      for (let twice = 0; twice < 2; twice++) {
        this.look(x, k);
        for (let a = 0; a < dim; a++) x[k + a] = end[k + a] - (found[a] - x[k + a]);
      }
      this.look(x, k);
      sum[i] = found[dim] * ((rest + step) / 2) * this.unit; // the rate falls linearly to 0 at t = 1
      for (let a = 0; a < dim; a++) {
        const p = found[a] - x[k + a];
        pull[k + a] = p;
        guess[k + a] = x[k + a] - (step / rest) * p;
        x[k + a] -= (step / 2 / rest) * p;
      }
    }
  }

  /** One look a step: predict with the last two slopes, look there, correct; x is half a step ahead. */
  goBack(behind, before, rest, step) {
    const { dim, x, guess, pull, total: sum, found } = this, bend = step / before / 2;
    const both = (before + step) / 2, now = (step * (0.5 + bend)) / rest, older = (step * bend) / behind;
    for (let i = 0, k = 0; i < sum.length; i++, k += dim) {
      this.look(guess, k);
      sum[i] += found[dim] * (both * this.unit); // the trapezoid rule
      for (let a = 0; a < dim; a++) {
        const p = found[a] - guess[k + a], half = x[k + a] - (both / rest) * p;
        x[k + a] = half;
        guess[k + a] = half - now * p + older * pull[k + a];
        pull[k + a] = p;
      }
    }
  }

  /** The integrand at t = 0, where e and W are constant and grad log rho is -x. */
  leave(step) {
    const { dim, guess, total: sum, moments, grid: { n, extent } } = this, mean = moments.mean(this.q);
    let T = 0, S = 0;
    for (let k = 0; k < this.q.length; k++) {
      T += this.fitted[k];
      S += this.q[k];
    }
    const factor = ((-this.alpha * extent ** 2 * S) / T) * (step / 2), low = moments.unit[0], high = moments.unit[n - 1];
    for (let i = 0, k = 0; i < sum.length; i++, k += dim) {
      for (let a = 0; a < dim; a++) {
        sum[i] += factor * (moments.reference[0][a] - mean[a]) * Math.min(high, Math.max(low, guess[k + a]));
      }
    }
  }
}

/** Adds `factor` times 4th-order differences of f along an axis to `rate`, all but in the two outermost cells. */
function addSlopes(f, rate, n, size, step, factor) {
  const lines = size / n, stride = step === 1 ? n : 1;
  for (let line = 0; line < lines; line++) {
    const end = line * stride + (n - 2) * step;
    for (let k = line * stride + 2 * step; k < end; k += step) {
      rate[k] += factor * (8 * (f[k + step] - f[k - step]) + f[k - 2 * step] - f[k + 2 * step]);
    }
  }
}

function sumsOnALine({ pairs, first, after }, n, F, [out, outX]) {
  for (let i = 0; i < n; i++) {
    let sum = 0, sumX = 0;
    for (let g = first[i], at = 2 * (i * n + g); g < after[i]; g++, at += 2) {
      sum += pairs[at] * F[g];
      sumX += pairs[at + 1] * F[g];
    }
    out[i] = sum;
    outX[i] = sumX;
  }
}

/** Two fields by columns, side by side: what is multiplied together then lies together. */
function sideBySide(F, G, out, n) {
  for (let i = 0; i < n; i++) {
    for (let j = 0, from = i * n, to = 2 * i; j < n; j++, from++, to += 2 * n) {
      out[to] = F[from];
      out[to + 1] = G[from];
    }
  }
}

/** `K F`, `K_g F`, `K G` and `K_g G` side by side: of two columns at once, for their loads are shared. */
function alongX({ pairs, first, after }, n, fields, out) {
  for (let i = 0; i < n; i++) {
    const low = first[i], count = after[i] - low;
    for (let j = 0; j < n; j += 2) {
      let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0;
      for (let k = 0, s = 2 * (i * n + low), t = 2 * (j * n + low), u = t + 2 * n; k < count; k++, s += 2, t += 2, u += 2) {
        const K = pairs[s], Kg = pairs[s + 1], F0 = fields[t], G0 = fields[t + 1], F1 = fields[u], G1 = fields[u + 1];
        a += K * F0;
        b += Kg * F0;
        c += K * G0;
        d += Kg * G0;
        e += K * F1;
        f += Kg * F1;
        g += K * G1;
        h += Kg * G1;
      }
      const to = 4 * (i * n + j);
      out[to] = a;
      out[to + 1] = b;
      out[to + 2] = c;
      out[to + 3] = d;
      out[to + 4] = e;
      out[to + 5] = f;
      out[to + 6] = g;
      out[to + 7] = h;
    }
  }
}

/** The other axis: of each field `K F K^T`, `K_g F K^T` and `K F K_g^T`. */
function alongY({ pairs, first, after }, n, half, F, Fx, Fy, G, Gx, Gy) {
  for (let j = 0; j < n; j++) {
    const low = first[j], count = after[j] - low;
    for (let i = 0; i < n; i++) {
      let a = 0, b = 0, c = 0, d = 0, e = 0, f = 0;
      for (let k = 0, s = 2 * (j * n + low), t = 4 * (i * n + low); k < count; k++, s += 2, t += 4) {
        const K = pairs[s], Kg = pairs[s + 1], p = half[t], q = half[t + 2];
        a += K * p;
        b += K * half[t + 1];
        c += Kg * p;
        d += K * q;
        e += K * half[t + 3];
        f += Kg * q;
      }
      const to = i * n + j;
      F[to] = a;
      Fx[to] = b;
      Fy[to] = c;
      G[to] = d;
      Gx[to] = e;
      Gy[to] = f;
    }
  }
}
