// Where repeating a map ends, found sooner than by repeating it: exact/anderson.py in the browser.

const LINEAR = 0.05; // a move, below which the map is close enough to linear for extrapolating to pay
const ROUNDING = 1e-12; // moves below it say nothing about how the map contracts

/**
 * Repeats `refresh(state) -> {state, moved, over}` until it moves by at most `tol`, extrapolating between repetitions:
 * a generator that stops after every refresh, and answers {converged, rounds, moved, rate, error}. See Python's
 * `search` for what it does and why. `refresh` may throw `NotFinite`.
 */
export function* searching({ refresh, start, accept, restore, weight, tol, maxRounds, memory, slowest }) {
  let steps = [], bends = [], previous = null, plain = null; // differences of states, of residuals; what was extrapolated
  let state = start, moved = Infinity, ratio = NaN, over = false, rounds = 0, rejected = 0, pause = 0;
  const settled = () => moved <= tol && (ratio < 1 || (moved <= ROUNDING && !Number.isNaN(ratio)));
  while (rounds < maxRounds && !over && !settled()) {
    const found = tried(refresh, state, plain !== null);
    rounds++;
    yield rounds;
    if (found === null || (plain !== null && found.moved > moved)) {
      [state, plain, previous, steps, bends] = [plain, null, null, [], []];
      pause = 2 ** ++rejected;
      continue;
    }
    accept(found);
    if (plain !== null || moved === Infinity) ratio = NaN;
    else ratio = moved > ROUNDING ? found.moved / moved : slowest;
    const before = state;
    state = found.state;
    plain = null;
    ({ moved, over } = found);
    if (memory === 0 || moved > LINEAR) continue;
    const residual = state.map((value, k) => value - before[k]);
    if (previous !== null) {
      const [older, its] = previous;
      steps = [...steps, before.map((value, k) => value - older[k])].slice(-memory);
      bends = [...bends, residual.map((value, k) => value - its[k])].slice(-memory);
    }
    previous = [before, residual];
    pause = Math.max(0, pause - 1);
    if (steps.length && !pause && moved > Math.max(tol, ROUNDING)) {
      plain = state;
      state = restore(beyond(state, residual, steps, bends, weight));
    }
  }
  const fitted = steps.length && moved > ROUNDING ? slowestRate(steps, bends, weight) : NaN;
  const rate = Math.max(...[ratio, fitted < 1 ? fitted : NaN].filter((one) => !Number.isNaN(one)));
  const known = Number.isFinite(rate) ? rate : NaN, left = moved <= ROUNDING ? moved : Infinity;
  return { converged: settled() && !over, rounds, moved, rate: known, error: known < 1 ? (2 * moved) / (1 - known) : left };
}

/** A refresh; null where it failed from a state that was extrapolated. */
function tried(refresh, state, extrapolated) {
  try {
    return refresh(state);
  } catch (error) {
    if (error.name !== "NotFinite" || !extrapolated) throw error;
    return null;
  }
}

function product(x, y, weight) {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += weight[k] * x[k] * y[k];
  return sum;
}

/** The state at which the residual would vanish if all was linear. */
function beyond(state, residual, steps, bends, weight) {
  const gram = bends.map((a) => bends.map((b) => product(a, b, weight)));
  const most = Math.max(...gram.map((row, i) => row[i]));
  gram.forEach((row, i) => { row[i] += 1e-12 * most; });
  const c = solved(gram, bends.map((a) => [product(a, residual, weight)])).map(([one]) => one);
  return state.map((value, k) => value - c.reduce((sum, one, i) => sum + one * (steps[i][k] + bends[i][k]), 0));
}

/** The largest real part of an eigenvalue of the refresh's linearisation J: residuals bend by (J - 1) times the step. */
function slowestRate(steps, bends, weight) {
  const { basis, R } = orthonormal(steps, weight);
  if (R.some((row, i) => !(Math.abs(row[i]) > 0))) return NaN;
  return 1 + abscissa(solved(R, basis.map((e) => bends.map((b) => product(e, b, weight)))));
}

/** `vectors = basis R` with an orthonormal basis, R triangular: Gram and Schmidt's way, twice for the sake of rounding. */
function orthonormal(vectors, weight) {
  const m = vectors.length, R = vectors.map(() => new Array(m).fill(0)), basis = [];
  vectors.forEach((vector, j) => {
    const rest = vector.slice();
    for (let twice = 0; twice < 2; twice++) {
      basis.forEach((e, i) => {
        const c = product(e, rest, weight);
        R[i][j] += c;
        for (let k = 0; k < rest.length; k++) rest[k] -= c * e[k];
      });
    }
    R[j][j] = Math.sqrt(product(rest, rest, weight));
    basis.push(rest.map((value) => value / R[j][j]));
  });
  return { basis, R };
}

/** X with A X = B for small square A, by elimination with pivots. */
export function solved(A, B) {
  const m = A.length, rows = A.map((row, i) => [...row, ...B[i]]);
  for (let c = 0; c < m; c++) {
    let best = c;
    for (let r = c + 1; r < m; r++) if (Math.abs(rows[r][c]) > Math.abs(rows[best][c])) best = r;
    [rows[c], rows[best]] = [rows[best], rows[c]];
    for (let r = 0; r < m; r++) {
      if (r === c) continue;
      const factor = rows[r][c] / rows[c][c];
      for (let k = c; k < rows[r].length; k++) rows[r][k] -= factor * rows[c][k];
    }
  }
  return rows.map((row, i) => row.slice(m).map((value) => value / row[i]));
}

/** The largest real part of an eigenvalue of a small matrix: the rate at which |e^(s A)| grows, s doubled many times. */
export function abscissa(A) {
  const m = A.length, size = (M) => Math.max(...M.map((row) => row.reduce((sum, value) => sum + Math.abs(value), 0)));
  const times = (X, Y) => X.map((row) => Y[0].map((_, j) => row.reduce((sum, value, k) => sum + value * Y[k][j], 0)));
  let s = 0.5 / Math.max(size(A), 1e-300), log = 0;
  let term = A.map((_, i) => A.map((__, j) => (i === j ? 1 : 0))), E = term.map((row) => row.slice());
  for (let order = 1; order < 20; order++) {
    term = times(term, A).map((row) => row.map((value) => (value * s) / order));
    E = E.map((row, i) => row.map((value, j) => value + term[i][j]));
  }
  for (let doubled = 0; doubled < 50; doubled++) {
    E = times(E, E);
    const norm = size(E);
    E = E.map((row) => row.map((value) => value / norm));
    log = 2 * log + Math.log(norm);
    s *= 2;
  }
  return m ? log / s : NaN;
}
