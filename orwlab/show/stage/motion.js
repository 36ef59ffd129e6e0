// Between two data frames everything that moves is led from where it is drawn to where the newest frame has it, in a
// straight line and over the time that frames take to come: the smallest smoothing there is. A late frame makes the
// motion slower and a skipped one makes it faster; neither makes it jump.

const EMPTY = new Float32Array(0);

/** Numbers that glide. `now` is what to draw; it stays the same array as long as its length does. */
export class Glide {
  constructor() {
    this.now = this.from = this.to = EMPTY;
    this.done = true;
  }

  /**
   * Glide from here to `next`, `count` lanes of equal length. Lanes that are new start where the last one known is
   * (they begin with the same model); if the lanes themselves change their length there is nothing to start from.
   */
  aim(next, count = 1) {
    const length = next.length / count, before = this.lane;
    if (this.now.length !== next.length) {
      const now = new Float32Array(next.length);
      if (before === length && this.now.length) {
        const last = this.now.length / length - 1;
        for (let k = 0; k < count; k++) {
          const from = length * Math.min(k, last);
          now.set(this.now.subarray(from, from + length), length * k);
        }
      } else {
        now.set(next);
      }
      this.now = now;
      this.from = new Float32Array(next.length);
    }
    this.lane = length;
    this.from.set(this.now);
    this.to = next;
    this.done = false;
  }

  /** Go to the place that belongs to a part of the way, 0 to 1. */
  go(part) {
    if (this.done) return;
    const { now, from, to } = this;
    if (part >= 1) {
      now.set(to);
      this.done = true;
      return;
    }
    for (let i = 0; i < to.length; i++) now[i] = from[i] + part * (to[i] - from[i]);
  }

  clear() {
    this.now = this.from = this.to = EMPTY;
    this.lane = 0;
    this.done = true;
  }
}

/** All that glides in a picture. */
export class Motion {
  constructor() {
    this.x = new Glide();
    this.paths = new Glide();
    this.arrows = new Glide();
  }

  /** To where a frame has it. */
  aim({ arrays, count }) {
    this.x.aim(arrays.x.data, count);
    for (const name of ["paths", "arrows"]) {
      if (arrays[name]) this[name].aim(arrays[name].data, count);
      else this[name].clear();
    }
  }

  go(part) {
    for (const glide of Object.values(this)) glide.go(part);
  }
}

/** How long frames take to come, in ms, seen from here: a running mean that forgets pauses. */
export class Pace {
  constructor() {
    this.interval = 50;
    this.arrivedAt = -Infinity;
  }

  arrived(now) {
    const gap = now - this.arrivedAt;
    if (gap < 400) this.interval += 0.2 * (Math.min(250, 1.1 * gap) - this.interval);
    this.arrivedAt = now;
  }

  /** The part of the way, 0 to 1, at a time after the last arrival. */
  part(now) {
    return Math.min(1, (now - this.arrivedAt) / this.interval);
  }
}
