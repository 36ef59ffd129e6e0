// A shape for each lane, so that its line can be told from the others without its colour.

const SHAPES = [ // corners on a circle of radius one, y downwards; the first lane has a round mark
  null,
  [[0, -1.2], [1.1, 0.85], [-1.1, 0.85]],
  [[-0.88, -0.88], [0.88, -0.88], [0.88, 0.88], [-0.88, 0.88]],
  [[0, -1.3], [1.15, 0], [0, 1.3], [-1.15, 0]],
];

/** Adds lane k's mark to the canvas's path. */
export function traceMark(ctx, k, x, y, radius) {
  const corners = SHAPES[k % SHAPES.length];
  if (!corners) {
    ctx.moveTo(x + radius, y);
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  corners.forEach(([cx, cy], i) => (i ? ctx.lineTo(x + radius * cx, y + radius * cy) : ctx.moveTo(x + radius * cx, y + radius * cy)));
  ctx.closePath();
}

/** Lane k's mark as SVG, whose colours stay where a reader's own colours replace those of the page. */
export function markSvg(k, color) {
  const corners = SHAPES[k % SHAPES.length];
  const shape = corners ? `<polygon points="${corners.map(([x, y]) => `${4 * x},${4 * y}`).join(" ")}"/>` : '<circle r="4.4"/>';
  return `<svg class="orw-mark" viewBox="-6 -6 12 12" width="12" height="12" fill="${color}" aria-hidden="true">${shape}</svg>`;
}
