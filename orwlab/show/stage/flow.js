// The flow of a picture's first particles: they are known at some flow times, so that others can be seen later without
// asking anybody. Between the known times every particle goes a cubic way (Hermite's), with the slopes of parabolas
// through neighbouring places: exact for parabolas, and through every place that is known.

import { decodeFrame } from "./decode.js";

/** -> {lanes, times, n, data}: places at so many equally spaced flow times from 0 to 1, lane by lane, time by time. */
export function readFlow(text) {
  const { flow } = decodeFrame(text).arrays, [lanes, times, n, plane] = flow?.shape ?? [];
  if (flow?.shape.length !== 4 || lanes < 1 || times < 2 || n < 1 || plane !== 2) throw new Error("shape of flow");
  return { lanes, times, n, data: flow.data };
}

/** The flow time that somebody looks at, and the flow of the picture on show. */
export class Seeking {
  /** attempt(action): does what a bad message could spoil. */
  constructor(attempt) {
    this.attempt = attempt;
    this.t = null; // null: the pictures' own
    this.text = "";
  }

  /** The flow of the next picture, "" if it has none. It is read when somebody looks at another flow time. */
  hold(text = "") {
    if (text !== this.text) this.flow = null;
    this.text = text;
  }

  /** A frame as it is to be shown. */
  shown(frame) {
    if (this.t === null || this.t === frame.time || !this.text) return frame;
    if (!this.flow) this.attempt(() => {
      this.flow = { lanes: 0 }; // a bad one is not tried again
      this.flow = readFlow(this.text);
    });
    return this.flow.lanes === frame.count ? seenAt(frame, this.flow, this.t) : frame;
  }
}

/** What each of the known places counts for the place at flow time t. */
export function weightsAt(t, times) {
  const last = times - 1, place = last * Math.min(1, Math.max(0, t)), k = Math.min(last - 1, Math.floor(place)), s = place - k;
  const weights = new Float64Array(times);
  const add = (at, shares, factor) => shares.forEach((share, j) => { weights[at + j] += factor * share; });
  const slope = (at, factor) => {
    if (times === 2) add(0, [-1, 1], factor);
    else if (at === 0) add(0, [-1.5, 2, -0.5], factor);
    else if (at === last) add(last - 2, [0.5, -2, 1.5], factor);
    else add(at - 1, [-0.5, 0, 0.5], factor);
  };
  add(k, [1 + s * s * (2 * s - 3), s * s * (3 - 2 * s)], 1);
  slope(k, s * (1 - s) ** 2);
  slope(k + 1, s * s * (s - 1));
  return weights;
}

/** A frame as it was at another flow time, as far as that is known: of its first particles. */
export function seenAt(frame, { times, n: known, data: places }, t) {
  const { count, arrays: { x, arrows, trace, ...others } } = frame, n = Math.min(known, frame.n), weights = weightsAt(t, times);
  const data = new Float32Array(2 * n * count);
  for (let lane = 0; lane < count; lane++) {
    const into = data.subarray(2 * n * lane, 2 * n * (lane + 1));
    weights.forEach((weight, k) => {
      if (!weight) return;
      const finished = k === times - 1 && frame.time === 1; // then the frame itself knows best where they end
      const from = finished ? x.data.subarray(2 * frame.n * lane) : places.subarray(2 * known * (times * lane + k));
      for (let i = 0; i < into.length; i++) into[i] += weight * from[i];
    });
  }
  // arrows, and the way of one particle, are those of another time
  return { ...frame, n, time: t, arrays: { ...others, x: { ...x, data, shape: [count, n, 2] } } };
}
