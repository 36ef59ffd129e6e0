// Contour lines of a grid by marching squares, and a smooth way to a finer grid.

/**
 * Segments of the line where a grid crosses a level.
 *
 * values: Float32Array, rows x columns, row-major, row 0 at the lowest y.
 * Returns a flat array x0, y0, x1, y1, ... in grid units: (0, 0) is the first value, (columns - 1, rows - 1) the last.
 */
export function contourSegments(values, rows, columns, level) {
  const segments = [];
  // where the level lies between two neighbouring values
  const cut = (a, b) => (level - a) / (b - a);
  for (let j = 0; j + 1 < rows; j++) {
    for (let i = 0; i + 1 < columns; i++) {
      const k = j * columns + i;
      const a = values[k], b = values[k + 1], c = values[k + columns + 1], d = values[k + columns];
      const inside = (a > level) | ((b > level) << 1) | ((c > level) << 2) | ((d > level) << 3);
      if (inside === 0 || inside === 15) continue;
      const bottom = () => [i + cut(a, b), j];
      const right = () => [i + 1, j + cut(b, c)];
      const top = () => [i + cut(d, c), j + 1];
      const left = () => [i, j + cut(a, d)];
      const line = (p, q) => segments.push(...p, ...q);
      switch (inside) {
        case 1: case 14: line(left(), bottom()); break;
        case 2: case 13: line(bottom(), right()); break;
        case 4: case 11: line(right(), top()); break;
        case 8: case 7: line(top(), left()); break;
        case 3: case 12: line(left(), right()); break;
        case 6: case 9: line(bottom(), top()); break;
        // two opposite corners inside: either pairing is consistent, and at this size nobody can tell
        case 5: line(left(), bottom()); line(right(), top()); break;
        case 10: line(bottom(), right()); line(top(), left()); break;
      }
    }
  }
  return segments;
}

/**
 * The same function on a grid `times` finer, by Catmull and Rom's cubics along both axes: it goes through every value
 * given, and contours of a coarse grid come out round. The corners stay where they are.
 */
export function refined(values, rows, columns, times) {
  const wide = stretched(values, rows, columns, times, 1, columns);
  const across = (columns - 1) * times + 1;
  return { values: stretched(wide, across, rows, times, across, 1), rows: (rows - 1) * times + 1, columns: across };
}

/** `lines` lines of `n` values refined; values of a line are `step` apart in the array, the lines `stride`. */
function stretched(values, lines, n, times, step, stride) {
  const m = (n - 1) * times + 1;
  const out = new Float32Array(lines * m);
  // a line runs along x if its values are neighbours in the array, else along y
  const place = step === 1 ? (line, i) => line * m + i : (line, i) => i * lines + line;
  for (let line = 0; line < lines; line++) {
    const at = (i) => values[line * stride + Math.min(n - 1, Math.max(0, i)) * step];
    for (let i = 0; i < m; i++) {
      const k = Math.min(n - 2, Math.floor(i / times)), u = i / times - k;
      const a = at(k - 1), b = at(k), c = at(k + 1), d = at(k + 2);
      const value = b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)));
      out[place(line, i)] = value;
    }
  }
  return out;
}
