// W2 on a line, exactly: `_on_a_line` of exact/frontiers.py in the browser.

/** `W2^2` between masses of the same cells, each spread evenly over its own: both quantile functions are then straight between levels. */
export function w2OnALine({ n, dx, coordinates: g }, a, b) {
  const [wholeA, wholeB] = [a, b].map((masses) => masses.reduce((x, y) => x + y));
  let i = 0, j = 0, belowA = 0, belowB = 0, level = 0, sum = 0; // levels below cells i and j, and how far it has come
  const at = (k, mass, below, height) => g[k] + dx * (Math.min(1, Math.max(0, (height - below) / Math.max(mass, 1e-300))) - 0.5);
  while (i < n && j < n) {
    const massA = a[i] / wholeA, massB = b[j] / wholeB, topA = belowA + massA, topB = belowB + massB, next = Math.min(topA, topB);
    const left = at(i, massA, belowA, level) - at(j, massB, belowB, level), right = at(i, massA, belowA, next) - at(j, massB, belowB, next);
    sum += ((next - level) * (left * left + left * right + right * right)) / 3;
    level = next;
    if (topA <= next) {
      belowA = topA;
      i++;
    }
    if (topB <= next) {
      belowB = topB;
      j++;
    }
  }
  return sum;
}
