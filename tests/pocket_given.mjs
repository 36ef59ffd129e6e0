// A small world for the session's tests: mixtures from a fixture, and two rewards.

export function worldOf(targets) {
  const isOwn = (text) => typeof text === "string" && text.startsWith("formula:");
  return {
    isOwn, words: (text) => text, checkTarget: (text) => text, checkReward: (text) => text, load: () => {},
    target: (text) => mixture(targets[text]),
    reward: (text) => {
      const along = { right: (x) => Math.tanh(x / 2.5), plane: (x) => x / 3, "formula:y": (x, y) => Math.tanh(y / 2.5) }[text];
      if (!along) throw new RangeError(`no reward ${text}`);
      return (points) => Float64Array.from({ length: points.length / 2 }, (_, k) => along(points[2 * k], points[2 * k + 1]));
    },
  };
}

function mixture({ weights, means, covs, modes, centres, spreads }) {
  const whole = weights.reduce((a, b) => a + b);
  const parts = weights.map((weight, k) => {
    const [[a, b], [, c]] = covs[k], det = a * c - b * b;
    return (x, y) => {
      const u = x - means[k][0], v = y - means[k][1];
      return Math.log(weight / whole / (2 * Math.PI * Math.sqrt(det))) - (c * u * u - 2 * b * u * v + a * v * v) / (2 * det);
    };
  });
  const each = (points, of) => Float64Array.from({ length: points.length / 2 }, (_, k) =>
    of(parts.map((part) => part(points[2 * k], points[2 * k + 1]))));
  return {
    weights, means, covs, centres, spreads,
    logProb: (points) => each(points, (logs) => {
      const top = Math.max(...logs);
      return top + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - top), 0));
    }),
    modeOf: (points) => Int32Array.from(each(points, (logs) => modes[logs.indexOf(Math.max(...logs))])),
  };
}
