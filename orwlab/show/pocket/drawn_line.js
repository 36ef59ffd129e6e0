// A density that somebody draws on a line: with a finger or a mouse, or by keys with a handle that walks on its curve.

import { minus } from "../stage/numerals.js";

const REACH = 4.6; // where the outermost heights stand
const KNOTS = 48; // heights that one draws
const KNOTS_A_LEAP = 5; // that Shift and an arrow go; both steps are those of a brush in the plane
const RISE = 0.05, RISE_A_LEAP = 0.25; // of the largest height
const BESIDE = 0.35; // how far from its place a key lifts the curve along
const WAYS_OF_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
const NOTHING_DRAWN = 0.01; // the most height of what is no density

const placeOfKnot = (k) => (2 * REACH * k) / (KNOTS - 1) - REACH;
const knotAt = (x) => Math.min(KNOTS - 1, Math.max(0, Math.round(((x + REACH) / (2 * REACH)) * (KNOTS - 1))));

export class DrawnLine {
  /** `plot`: where it is drawn, with the handle in it; `changed()`: it is another one now. */
  constructor(plot, changed) {
    Object.assign(this, { plot, changed, heights: null, knot: 0, at: null });
    this.handle = plot.querySelector(".line-handle");
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) plot.addEventListener(kind, (event) => this.hand(event));
    this.handle.addEventListener("keydown", (event) => this.key(event));
  }

  get on() { return !this.handle.hidden; }

  /** What one draws begins as the curve on show: {x, p}, or a hill if there is none yet. */
  turn(on, { x, p } = {}) {
    this.handle.hidden = !on;
    this.plot.classList.toggle("drawn-on", on);
    if (!on || this.heights) return;
    const at = Array.from({ length: KNOTS }, (_, k) => placeOfKnot(k)), top = p && Math.max(...p.density);
    const near = (value) => p.density[Math.round((value - x[0]) / (x[1] - x[0]))] / top;
    this.heights = at.map(p ? near : (value) => Math.exp(-value * value)).map((height) => (height < 0.005 ? 0 : height));
    this.knot = this.heights.indexOf(Math.max(...this.heights));
    this.say();
  }

  /** As a target: see `drawnTarget`. */
  get target() { return { heights: this.heights, reach: REACH }; }

  /** The picture is another: `at` says where what is, {xOf, heightOf, X, Y}; `density(x)` is its curve. */
  lies(at, density) {
    const x = placeOfKnot(this.knot);
    this.at = at;
    this.handle.style.left = `${at.X(x)}px`;
    this.handle.style.top = `${at.Y(density(x))}px`;
  }

  become(heights) {
    if (heights.some((one) => one > NOTHING_DRAWN)) this.heights = heights;
    this.say();
    this.changed();
  }

  say() {
    const height = Math.round(100 * this.heights[this.knot]);
    this.handle.setAttribute("aria-valuenow", String(height));
    this.handle.setAttribute("aria-valuetext", `x = ${minus(placeOfKnot(this.knot).toFixed(1))}: height ${height} of 100`);
  }

  // ---- finger and mouse

  hand(event) {
    if (!this.on || !this.at) return;
    if (event.type === "pointerdown") {
      this.plot.setPointerCapture(event.pointerId);
      this.last = null;
      this.held = true;
    } else if (event.type !== "pointermove") this.held = false;
    if (!this.held) return;
    event.preventDefault();
    const box = this.plot.getBoundingClientRect(), k = knotAt(this.at.xOf(event.clientX - box.left));
    const height = Math.min(1, Math.max(0, this.at.heightOf(event.clientY - box.top))), [from, before] = this.last ?? [k, height];
    const heights = [...this.heights];
    for (let i = Math.min(from, k); i <= Math.max(from, k); i++) {
      heights[i] = k === from ? height : before + ((height - before) * (i - from)) / (k - from);
    }
    this.last = [k, height];
    this.knot = k;
    this.become(heights);
  }

  // ---- keys

  key(event) {
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event, [along, up] = WAYS_OF_KEYS[key] ?? [];
    if (along === undefined || ctrlKey || metaKey || altKey) return;
    event.preventDefault(); // elsewhere arrows move alpha and tau
    const there = this.knot + along * (shiftKey ? KNOTS_A_LEAP : 1);
    this.knot = Math.min(KNOTS - 1, Math.max(0, there));
    this.become(up ? this.lifted(up * (shiftKey ? RISE_A_LEAP : RISE)) : this.heights);
  }

  /** A hill more, or less, where the handle is. */
  lifted(by) {
    const x = placeOfKnot(this.knot);
    return this.heights.map((height, k) => {
      const far = (placeOfKnot(k) - x) / BESIDE, lifted = height + by * Math.exp((-far * far) / 2);
      return Math.min(1, lifted < 0.005 ? 0 : lifted);
    });
  }
}
