// Zooming and moving. A camera is [x0, x1, y0, y1], the rectangle of data on show; home is the one the frames ask for.

const NEAREST = 1 / 60; // of the home's side
const FARTHEST = 4;

/** Nearer by `factor` around the point at (fx, fy), fractions of the picture from its left and its lower edge. */
export function zoomed([x0, x1, y0, y1], factor, fx = 0.5, fy = 0.5) {
  const x = x0 + fx * (x1 - x0), y = y0 + fy * (y1 - y0);
  return [x + (x0 - x) / factor, x + (x1 - x) / factor, y + (y0 - y) / factor, y + (y1 - y) / factor];
}

/** Moved over the data by fractions of the picture: positive ones show what is farther right and farther up. */
export function moved([x0, x1, y0, y1], dx, dy) {
  const x = dx * (x1 - x0), y = dy * (y1 - y0);
  return [x0 + x, x1 + x, y0 + y, y1 + y];
}

/** The nearest camera that is neither too near nor too far, and whose middle is not beyond the home's edges. */
export function limited(camera, home) {
  const side = home[1] - home[0], now = camera[1] - camera[0];
  const wanted = Math.min(FARTHEST * side, Math.max(NEAREST * side, now));
  const [x0, x1, y0, y1] = zoomed(camera, now / wanted);
  const into = (value, low, high) => Math.min(high, Math.max(low, value)) - value;
  const dx = into((x0 + x1) / 2, home[0], home[1]), dy = into((y0 + y1) / 2, home[2], home[3]);
  return [x0 + dx, x1 + dx, y0 + dy, y1 + dy];
}

/** Whether two cameras show the same, to a small part of a pixel. */
export function alike(a, b) {
  const least = 2e-4 * (b[1] - b[0]);
  for (let i = 0; i < 4; i++) if (Math.abs(a[i] - b[i]) > least) return false;
  return true;
}

/** Where the picture looks. It glides to where it is sent, and follows the frames' view until somebody zooms. */
export class Camera {
  constructor(home = [-5, 5, -5, 5]) {
    this.home = home;
    this.now = this.goal = home;
    this.free = false; // somebody has zoomed or moved it
  }

  /** The frames ask for this view. */
  follow(home, atOnce) {
    this.home = home;
    if (!this.free) this.goal = home;
    if (atOnce) this.now = this.goal;
  }

  /** Somebody wants to look there. */
  look(camera, atOnce) {
    this.free = true;
    this.goal = limited(camera, this.home);
    if (atOnce) this.now = this.goal;
  }

  goHome() {
    this.free = false;
    this.goal = this.home;
  }

  /** One step of `ms` towards the goal. Returns whether anything moved. */
  step(ms, atOnce) {
    if (this.now === this.goal) return false;
    if (atOnce || alike(this.now, this.goal)) {
      this.now = this.goal;
      return true;
    }
    const part = 1 - Math.exp(-Math.min(100, ms) / 90);
    this.now = this.now.map((c, i) => c + part * (this.goal[i] - c));
    return true;
  }

  get settled() {
    return this.now === this.goal;
  }
}
