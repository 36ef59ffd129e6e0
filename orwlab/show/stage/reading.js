// Values read off the panels: the pointer or a finger over a panel shows the round there and what each line says.

import { markSvg } from "./marks.js";
import { modeName } from "./modes.js";
import { escaped, said } from "./numerals.js";
import { make } from "./tips.js";

const REST = 6000; // ms after which a pointer that does not move shows nothing any more

export class Reading {
  /** changed(): the panels have to be painted again. */
  constructor(holder, changed) {
    this.changed = changed;
    this.box = make("div", "orw-reading");
    this.box.hidden = true;
    this.box.setAttribute("aria-hidden", "true"); // the same numbers are in the table and in the summary
    holder.append(this.box);
    this.now = null; // {panel, at: a round or a mode}
  }

  /** What is under a place of the picture; null takes the reading away. */
  look(place, frame, areas) {
    const next = place ? readingAt(place, frame, areas ?? []) : null;
    clearTimeout(this.resting);
    if (next) this.resting = setTimeout(() => this.look(null), REST);
    if (next?.panel === this.now?.panel && next?.at === this.now?.at) return;
    this.now = next;
    this.changed();
  }

  /** Forgets what is not there any more: after a reset, say. */
  check({ panels, arrays }) {
    if (!this.now) return;
    const { panel, at } = this.now;
    if (panels[panel] ? !panels[panel].xs.includes(at) : !(at < arrays.mode_mass?.shape[1])) this.now = null;
  }

  /** Writes the values; after every frame, for the curves grow. */
  show(frame, scene, layout, areas, theme) {
    const { now, box } = this, area = now && areas[now.panel]?.area;
    box.hidden = !area;
    if (!area) return;
    const panel = frame.panels[now.panel];
    const html = panel ? curveTable(frame, panel, now.at, theme) : massTable(frame, scene, now.at, theme);
    if (html !== this.html) box.innerHTML = this.html = html;
    const x = panel ? area.x + (now.at / areas[now.panel].end) * area.w : area.x + ((now.at + 0.5) / areas[now.panel].modes) * area.w;
    const { offsetWidth: w, offsetHeight: h } = box, { width, height } = { width: box.parentElement.clientWidth, height: layout.height };
    const right = x + 12 + w <= width - 2;
    box.style.left = `${Math.max(2, right ? x + 12 : x - 12 - w)}px`;
    box.style.top = `${Math.max(2, Math.min(area.y + 4, height - h - 2))}px`;
  }
}

function readingAt({ x, y }, frame, areas) {
  for (let panel = 0; panel < areas.length; panel++) {
    const found = areas[panel];
    if (!found) continue;
    const { area } = found;
    if (x < area.x - 4 || x > area.x + area.w + 4 || y < area.y || y > area.y + area.h) continue;
    const share = Math.min(1, Math.max(0, (x - area.x) / area.w));
    if (found.modes) return { panel, at: Math.min(found.modes - 1, Math.floor(share * found.modes)) };
    const { xs } = frame.panels[panel];
    if (!xs.length) return null;
    let at = xs[0];
    for (const round of xs) if (Math.abs(round - share * found.end) < Math.abs(at - share * found.end)) at = round;
    return { panel, at };
  }
  return null;
}

const headOf = (frame, theme) => (frame.count === 1 ? "" :
  `<tr><td></td>${frame.lanes.map(({ label }, k) => `<th scope="col">${markSvg(k, theme.dots[k])} ${escaped(label)}</th>`).join("")}</tr>`);
const rowOf = (name, values) =>
  `<tr><th scope="row">${escaped(name)}</th>${values.map((value) => `<td>${escaped(value ?? "–")}</td>`).join("")}</tr>`;

function curveTable(frame, panel, round, theme) {
  const rows = valuesAt(panel, round).map(({ name, values }) => rowOf(name, values));
  return `<strong>round ${round}</strong><table>${headOf(frame, theme)}${rows.join("")}</table>`;
}

function massTable(frame, scene, mode, theme) {
  const percent = (array) => Array.from({ length: frame.count }, (_, k) => {
    const mass = array.data[k * array.shape[1] + mode];
    return mass >= 0 ? `${(100 * mass).toFixed(1)} %` : null;
  });
  const { mode_mass: masses, mode_mass_exact: exact } = frame.arrays;
  const rows = [rowOf("samples", percent(masses))];
  if (exact?.shape[1] === masses.shape[1]) rows.push(rowOf("exact limit", percent(exact)));
  return `<strong>mode ${escaped(modeName(scene, mode))}</strong><table>${headOf(frame, theme)}${rows.join("")}</table>`;
}

/** What each line of a panel says at one of its rounds, and its marks: [{name, values: one a lane}]. */
export function valuesAt(panel, round) {
  const i = panel.xs.indexOf(round);
  const of = (y) => (y > panel.floor ? said(panel.log ? 10 ** y : y, panel.log) : null);
  const rows = panel.lines.map(({ name, lanes }) => ({
    name: panel.lines.length === 1 ? panel.title.toLowerCase() : name, values: lanes.map(({ ys }) => of(ys[i])),
  }));
  if (panel.exact.some(Boolean)) rows.push({ name: "exact limit", values: panel.exact.map((mark) => mark && said(mark.value, panel.log)) });
  if (panel.baseline) rows.push({ name: "reference", values: panel.exact.map(() => said(panel.baseline.value, panel.log)) });
  return rows;
}
