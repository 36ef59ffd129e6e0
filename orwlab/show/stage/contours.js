// Contour lines of a grid by marching squares.

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
