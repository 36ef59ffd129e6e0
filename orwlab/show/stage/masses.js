// Draws the panel of the modes: how much of the samples is at each of them.

import { niceTicks } from "./numerals.js";
import { widthOf, write } from "./places.js";
import { font } from "./theme.js";

/** Bars of the share at each mode, the lanes side by side; a tick where the exact limit has it. */
export function drawMasses(ctx, body, layout, theme, masses, exact, colorOf, { reading = null, texts = null, nameOf = (k) => String(k + 1) } = {}) {
  const { small, present } = layout, [lanes, modes] = masses.shape;
  ctx.font = font(small);
  let most = 0.25;
  for (const mass of masses.data) most = Math.max(most, mass);
  for (const mass of exact?.data ?? []) most = Math.max(most, mass);
  const high = [0.25, 0.5, 1].find((limit) => most <= limit + 1e-6) ?? most;
  const h = body.h - 3 - Math.round(1.55 * small);
  const { ticks } = niceTicks(0, 100 * high, h / (2.3 * small));
  const left = Math.ceil(Math.max(...ticks.map((t) => widthOf(ctx, `${t} %`))) + 0.5 * small + 1);
  const area = { x: body.x + left, y: body.y + 3, w: body.w - left - 2, h };
  if (area.h < 20 || area.w < 30) return null;
  const py = (y) => area.y + (1 - y / high) * area.h;
  const say = (text, x, y, align, color) => write(ctx, texts, text, x, y, align, color, small);
  ctx.fillStyle = theme.panel;
  ctx.fillRect(area.x, area.y, area.w, area.h);
  for (const t of ticks) {
    ctx.fillStyle = theme.grid;
    ctx.fillRect(area.x, Math.round(py(t / 100)), area.w, 1);
    const y = Math.min(area.y + area.h - 0.3 * small, Math.max(area.y + 0.45 * small, py(t / 100)));
    say(`${t} %`, area.x - 0.4 * small, y, "right", theme.muted);
  }
  const group = area.w / modes, bar = Math.min(3.2 * small, (0.78 * group) / lanes), marked = exact?.shape[1] === modes;
  const every = Math.max(1, Math.ceil((widthOf(ctx, String(modes)) + 0.4 * small) / group)); // numbers that fit beside each other
  for (let k = 0; k < modes; k++) {
    const middle = area.x + (k + 0.5) * group;
    if (reading === k) {
      ctx.fillStyle = theme.grid;
      ctx.fillRect(middle - group / 2, area.y, group, area.h);
    }
    if (k % every === 0) say(nameOf(k), middle, area.y + area.h + 0.9 * small, "center", theme.muted);
    for (let lane = 0; lane < lanes; lane++) {
      const x = middle + (lane - lanes / 2) * bar, y = py(masses.data[lane * modes + k]);
      ctx.fillStyle = colorOf(lane, k);
      ctx.fillRect(x, y, Math.max(1, bar - 1), area.y + area.h - y);
      const limit = marked ? exact.data[lane * modes + k] : -1;
      if (!(limit >= 0)) continue;
      const thick = present ? 4 : 2.5, edge = bar > 6 ? 2 : 0;
      ctx.fillStyle = theme.panel;
      ctx.fillRect(x - edge - 1, py(limit) - thick / 2 - 1, bar - 1 + 2 * edge + 2, thick + 2);
      ctx.fillStyle = theme.exact;
      ctx.fillRect(x - edge, py(limit) - thick / 2, bar - 1 + 2 * edge, thick);
    }
  }
  return { area, modes };
}
