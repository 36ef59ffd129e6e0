// The way of one sample: which one the pointer is at, and how its way from its noise is drawn.

const NEAR = 10; // pixels from a particle at which the pointer is at it
const NEAR_A_FINGER = 18;
const PATIENCE = 70; // ms that the pointer rests on a particle before its way is asked for

export class Tracing {
  /** host.trace(k or null) asks for a way; shown(): whether there is something to see without one; changed(): what is drawn has changed. */
  constructor(host, shown, changed) {
    Object.assign(this, { host, shown, changed });
    this.wanted = null; // the particle's number
  }

  /** Whether anything is to be seen of a single sample. */
  get possible() { return Boolean(this.host.trace) || this.shown(); }

  want(k, atOnce = false) {
    if (k === this.wanted || !this.possible) return;
    this.wanted = k;
    clearTimeout(this.asking);
    const ask = () => this.host.trace?.(k);
    if (k === null || atOnce) ask();
    else this.asking = setTimeout(ask, PATIENCE);
    this.changed();
  }

  /** The next particle, for the keyboard. */
  next(n) {
    this.want(this.wanted === null ? 0 : (this.wanted + 1) % n, true);
  }
}

/** The number of the particle nearest to a place in a plot (pixels from its upper left corner), or null. */
export function particleAt({ x, y }, plot, [x0, x1, y0, y1], positions, first, n, finger = false) {
  const sx = plot.w / (x1 - x0), sy = plot.h / (y1 - y0);
  let nearest = null, least = (finger ? NEAR_A_FINGER : NEAR) ** 2;
  for (let k = 0; k < n; k++) {
    const dx = (positions[2 * (first + k)] - x0) * sx - x, dy = (y1 - positions[2 * (first + k) + 1]) * sy - y;
    const apart = dx * dx + dy * dy;
    if (apart <= least) [nearest, least] = [k, apart];
  }
  return nearest;
}

/** A ring around a particle. */
export function drawChosen(ctx, plot, camera, [x, y], theme, width) {
  const [px, py] = onPlot(plot, camera, x, y);
  outlined(ctx, theme, width, () => {
    ctx.beginPath();
    ctx.arc(px, py, 6 + width, 0, 2 * Math.PI);
    ctx.stroke();
  });
}

/** A way: a ring at its noise, a line, and an arrow head at `end`, where the particle is drawn. */
export function drawTrace(ctx, plot, camera, way, first, steps, end, theme, width) {
  const points = [];
  for (let s = 0; s < steps; s++) points.push(onPlot(plot, camera, way[2 * (first + s)], way[2 * (first + s) + 1]));
  points[steps - 1] = onPlot(plot, camera, ...end); // it may have moved on since it was traced
  const [px, py] = points[steps - 1];
  const back = [...points].reverse().find(([x, y]) => Math.hypot(px - x, py - y) > 8) ?? points[0];
  const length = Math.hypot(px - back[0], py - back[1]), head = 5 + 3 * width;
  outlined(ctx, theme, width, () => {
    ctx.beginPath();
    ctx.arc(points[0][0], points[0][1], 4 + 1.5 * width, 0, 2 * Math.PI);
    ctx.stroke();
    ctx.beginPath();
    points.forEach(([x, y], s) => (s ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    if (length > 1) {
      const ux = (px - back[0]) / length, uy = (py - back[1]) / length;
      ctx.moveTo(px - head * (ux + 0.6 * uy), py - head * (uy - 0.6 * ux));
      ctx.lineTo(px, py);
      ctx.lineTo(px - head * (ux - 0.6 * uy), py - head * (uy + 0.6 * ux));
    }
    ctx.stroke();
  });
}

const onPlot = (plot, [x0, x1, y0, y1], x, y) => [plot.x + ((x - x0) / (x1 - x0)) * plot.w, plot.y + ((y1 - y) / (y1 - y0)) * plot.h];

/** Draws twice: wide in the ground's colour, then in ink, so that it stands out from the particles. */
function outlined(ctx, theme, width, draw) {
  ctx.lineJoin = ctx.lineCap = "round";
  for (const [color, thick] of [[theme.panel, 2.6 * width], [theme.text, width]]) {
    ctx.strokeStyle = color;
    ctx.lineWidth = thick;
    draw();
  }
}
