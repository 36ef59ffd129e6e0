// The gallery's rewards: rewards.py in the browser. What each says of itself comes from Python.

const coordinateAlong = (points, dim, degrees) => {
  const angle = (degrees * Math.PI) / 180, c = Math.cos(angle), s = Math.sin(angle);
  return (k) => (dim === 1 ? points[k] * c : points[2 * k] * c + points[2 * k + 1] * s);
};
const distanceOf = (points, dim) => (k) => (dim === 1 ? Math.abs(points[k]) : Math.hypot(points[2 * k], points[2 * k + 1]));

/** What Python calls each kind -> (its numbers, points, dim) -> (k -> the reward at point k). */
const KINDS_OF_REWARD = {
  Direction({ degrees, width }, points, dim) {
    const x = coordinateAlong(points, dim, degrees);
    return (k) => Math.tanh(x(k) / width);
  },
  Plane({ degrees, slope }, points, dim) {
    const x = coordinateAlong(points, dim, degrees);
    return (k) => slope * x(k);
  },
  Bump({ centre, width, height }, points, dim) {
    return (k) => {
      let square = 0;
      for (let a = 0; a < dim; a++) square += ((points[k * dim + a] - centre[a]) / width) ** 2;
      return height * Math.exp(-square / 2);
    };
  },
  Ring({ radius, width }, points, dim) {
    const r = distanceOf(points, dim);
    return (k) => Math.exp(-(((r(k) - radius) / width) ** 2) / 2);
  },
  Angle({ degrees }, points, dim) {
    const x = coordinateAlong(points, dim, degrees), r = distanceOf(points, dim);
    return (k) => x(k) / Math.max(r(k), 1e-6);
  },
  Box({ low, high }, points, dim) {
    return (k) => {
      for (let a = 0; a < dim; a++) if (!(points[k * dim + a] >= low[a] && points[k * dim + a] <= high[a])) return 0;
      return 1;
    };
  },
  Sum({ rewards, coefficients }, points, dim) {
    const parts = rewards.map((one) => KINDS_OF_REWARD[one.kind](one, points, dim));
    return (k) => parts.reduce((sum, part, i) => sum + (coefficients?.[i] ?? 1) * part(k), 0);
  },
};

/** The reward that given.py wrote down as `said`: (points, dim = 2) -> Float64Array. */
export function namedReward(said) {
  return (points, dim = 2) => Float64Array.from({ length: points.length / dim }, (_, k) => k).map(KINDS_OF_REWARD[said.kind](said, points, dim));
}
