// Everything on the stage that is words: the heads of lanes and panels, banners, badges, legend and summary.

import { modeName } from "./modes.js";
import { escaped } from "./numerals.js";
import { Numbers } from "./numbers.js";
import { LEAST_FOR_NUMBERS } from "./picture.js";
import { fitting, textWidth } from "./places.js";
import { groundOf } from "./truth.js";
import { Tips, isCoarse, make, newId, putAt, setText, term } from "./tips.js";

const MASS_HINT = "The share at each mode of the data: of the samples, or where there is no network of the exact density. " +
  "The orange-red tick is the share in the exact limit.";
const SHORT_TITLES = { "Mass of each mode": "Modes", "Mean reward": "Reward" };
const IN_WORDS = "Keys: space starts and pauses, s does one step, r resets, z undoes, left and right change alpha, up and down tau, " +
  "n follows one sample, plus and minus zoom, 0 shows the whole picture, p is for projectors.";
const HOW = "Zoom: Ctrl + wheel. Move: drag. Back: double click.";
const HOW_WITH_FINGERS = "Two fingers zoom and move.";

const SPEAK_EVERY = 12000; // ms between summaries for screen readers, unless something happens

export class Words {
  /** more(): the button for more or fewer numbers was pressed. */
  constructor(root, more, signal) {
    this.root = root;
    root.innerHTML = `<div class="orw-picture"><canvas tabindex="0" role="application"></canvas></div>
      <ul class="orw-legend"></ul><p class="orw-summary" aria-live="polite"></p>`;
    this.picture = root.querySelector(".orw-picture");
    this.canvas = root.querySelector("canvas");
    this.legend = root.querySelector(".orw-legend");
    this.summary = root.querySelector(".orw-summary");
    this.summary.id = newId();
    this.canvas.setAttribute("aria-label",
      `Animated scatter plot of samples, with curves of reward and diversity. ${IN_WORDS}`);
    this.canvas.setAttribute("aria-describedby", this.summary.id);
    this.tips = new Tips(root, signal);
    this.numbers = new Numbers(this.picture, more);
    this.lanes = [];
    this.heads = [];
    this.home = make("button", "orw-home", "Whole picture");
    this.home.type = "button";
    this.home.hidden = true;
    this.ring = make("div", "orw-ring"); // shows that the picture has the keyboard
    this.picture.append(this.ring, this.home, this.tips.advice);
    this.legendOf = "";
    this.spokenAt = -Infinity;
  }

  /** Tells screen readers what a frame shows: now and then, and soon if it is urgent. */
  speak(frame, now, urgent) {
    if (now - this.spokenAt < (urgent ? 1000 : SPEAK_EVERY) && this.spokenAt > 0) return void (this.unsaid ||= urgent);
    if (!urgent && !this.unsaid && frame.meta.state !== "running" && this.spokenAt > 0) return;
    this.unsaid = false;
    this.spokenAt = now;
    const banners = frame.lanes.map(({ banner }) => banner && `${banner.title} ${banner.text ?? ""}`);
    setText(this.summary, summaryOf(frame, this.told)); // what was told once is not told again while it goes on
    this.told = new Set(banners.filter(Boolean));
  }

  /** Tells screen readers something that somebody asked for. */
  tell(text) {
    setText(this.summary, text);
  }

  advise(text) {
    this.tips.advise(text);
  }

  /** Puts everything where the layout has it. */
  place(layout, theme) {
    const { style } = this.picture;
    style.setProperty("--size", `${layout.size}px`);
    style.setProperty("--small", `${layout.small}px`);
    style.setProperty("--exact", theme.exact);
    style.setProperty("--true", theme.true);
    theme.lanes.forEach((color, k) => style.setProperty(`--lane-${k}`, color));
    theme.dots.forEach((color, k) => style.setProperty(`--dot-${k}`, color));
    style.setProperty("--value", `${layout.numbers.value ?? layout.size}px`);
    this.root.classList.toggle("orw-many", layout.lanes > 1);
    while (this.lanes.length > layout.lanes) {
      const { head, banner } = this.lanes.pop();
      head.remove();
      banner.remove();
    }
    while (this.lanes.length < layout.lanes) this.addLane(this.lanes.length);
    this.lanes.forEach(({ head, banner }, k) => {
      putAt(head, layout.heads[k]);
      const plot = layout.plots[k];
      banner.style.left = `${plot.x + 6}px`;
      banner.style.width = `${plot.w - 12}px`;
      banner.style.setProperty("--top", `${plot.y + 6}px`);
      banner.style.setProperty("--bottom", `${layout.height - plot.y - plot.h + 6}px`);
      banner.classList.toggle("orw-brief", plot.w < 21 * layout.size);
    });
    putAt(this.ring, layout.area);
    const [first] = layout.plots;
    this.home.style.left = `${first.x + 6}px`;
    this.home.style.bottom = this.tips.advice.style.bottom = `${layout.height - first.y - first.h + 6}px`;
    this.tips.advice.style.left = `${first.x + 6}px`;
    this.tips.advice.style.maxWidth = `${first.w - 12}px`;
    this.numbers.place(layout);
    this.heads.forEach(({ element }) => element.remove());
    this.heads = [];
    this.legendOf = "";
    this.tips.hide();
  }

  addLane(k) {
    const head = make("div", "orw-lane"), banner = make("div", "orw-banner");
    head.dataset.lane = k;
    const mark = make("span", "orw-lane-mark");
    mark.innerHTML = markSvg(k, `var(--dot-${k})`);
    head.append(mark, make("strong", "orw-label"), make("span", "orw-note"), make("span", "orw-badge"));
    banner.append(make("strong"), " ", make("span"));
    banner.hidden = true;
    banner.explain = () => ({
      title: banner.children[0].textContent,
      text: banner.classList.contains("orw-brief") ? banner.children[1].textContent : "",
    });
    this.picture.append(head, banner);
    this.lanes.push({ head, banner });
  }

  /** The words of a frame. edge(k) says which edge of a lane's plot, "top" or "bottom", holds fewer particles. */
  show(frame, layout, options, edge) {
    frame.lanes.forEach((lane, k) => {
      const { head, banner } = this.lanes[k];
      this.showHead(head, lane, k, frame, layout, options);
      if (lane.banner && banner.hidden) banner.dataset.edge = edge(k); // then it stays there
      banner.hidden = !lane.banner;
      if (!lane.banner) return;
      setText(banner.children[0], lane.banner.title);
      setText(banner.children[1], lane.banner.text ?? "");
      banner.dataset.kind = lane.banner.kind;
    });
    this.numbers.show(frame, layout, options);
    this.showHeads(frame, layout);
  }

  /** What stands over a lane's plot. Where there is no room for all of it, its name stays. */
  showHead(head, lane, k, frame, { heads, size, small }, options) {
    const [mark, label, note, badge] = head.children;
    const state = lane.banner?.kind === "stopped" ? "stopped" : stateOf(frame.meta);
    const many = frame.count > 1, gap = 0.6 * size;
    const place = heads[k].w - (many ? 12 + gap : 0) - 2, whole = textWidth(lane.label, size, 650);
    let room = Math.max(0, place - whole);
    mark.hidden = !many;
    setText(label, lane.label);
    label.style.fontSize = whole > place ? `${Math.max(11, Math.floor((size * place) / whole))}px` : "";
    const shown = fitting([state === "running" ? "" : state, SHORT_STATES[state] ?? "❚❚", ""], room - gap - 1.3 * small,
      (text) => textWidth(text, small, 600));
    setText(badge, shown);
    badge.dataset.state = state;
    badge.setAttribute("aria-label", state);
    if (shown) room -= gap + 1.3 * small + textWidth(shown, small, 600);
    const first = k === 0, notes = [];
    if (frame.time < 1) notes.push(`t = ${frame.time.toFixed(2)}`);
    if (first && options.present && Number.isFinite(frame.meta.tau)) notes.push(`τ = ${Number(frame.meta.tau.toFixed(3))}`);
    if (first && !options.more && frame.numbers.some(({ key }) => key === "round")) notes.push(`round ${frame.meta.round}`);
    const missing = missingLimit(frame, lane), forms = [];
    if (missing) {
      forms.push([...notes, missing].join("   "));
      forms.push([...notes, missing.split(":")[0]].join("   "));
    }
    for (let count = notes.length; count >= 0; count--) forms.push(notes.slice(0, count).join("   "));
    setText(note, fitting(forms, room - gap, (text) => textWidth(text, small)));
    note.title = missing;
  }

  showHeads(frame, layout) {
    const titles = frame.panels.map(({ title, hint }) => [title, hint]);
    if (frame.arrays.mode_mass) titles.push(["Mass of each mode", MASS_HINT]);
    const wanted = titles.slice(0, layout.panels.length);
    if (this.heads.length !== wanted.length || this.heads.some(({ title }, k) => title !== wanted[k][0])) {
      this.heads.forEach(({ element }) => element.remove());
      this.heads = wanted.map(([title, hint], k) => {
        const element = make("div", "orw-head"), now = make("b", "orw-now");
        const room = layout.panels[k].head.w, width = (text) => textWidth(text, (layout.size + layout.small) / 2, 600);
        element.append(term(fitting([title, SHORT_TITLES[title] ?? title], room, width), hint, element), now);
        element.explain = () => ({ title, text: hint });
        putAt(element, layout.panels[k].head);
        this.picture.append(element);
        return { element, title, now, beside: true };
      });
    }
    this.heads.forEach((head, k) => {
      // several lanes have their values in the table and at the ends of their lines
      const lines = frame.count === 1 ? frame.panels[k]?.lines : null;
      const value = lines?.length === 1 ? lines[0].lanes[0].value : "";
      const { size, small } = layout, room = layout.panels[k].head.w - textWidth(head.title, (size + small) / 2, 600) - 0.6 * size;
      if (textWidth(value, 1.12 * size, 650) > room) head.beside = false; // for good: nothing blinks
      setText(head.now, head.beside ? value : "");
      head.now.style.color = lines?.[0].series === "truth" ? "var(--true)" : "";
    });
  }

  showLegend(frame, scene, theme, options, layout) {
    const many = frame.count > 1, { arrows, paths, trace } = frame.arrays, ground = scene && groundOf(scene, options);
    const missing = frame.lanes.map((lane) => missingLimit(frame, lane));
    const bars = layout.panels.length > frame.panels.length;
    const exact = frame.mode === "exact";
    const key = [many, frame.mode, frame.time < 1, Boolean(arrows), Boolean(paths), Boolean(trace), bars, missing.join("|"), JSON.stringify(options),
      theme.text].join();
    if (key === this.legendOf && scene === this.legendScene) return;
    [this.legendOf, this.legendScene] = [key, scene];
    const rgb = (color) => `rgb(${color})`, number = (value) => String(Number(value.toFixed(2))).replace("-", "−");
    const ramp = (colors) => `<i class="ramp" style="background:linear-gradient(90deg,${colors.map(rgb)})"></i>`;
    const modes = theme.particles.slice(0, Math.min(4, scene?.modes ?? 1)), items = [];
    const coloured = !many && scene?.modes > 1 && scene.labels;
    if (!options.samples) {
      // nothing to say of what is not drawn
    } else if (exact) items.push(`${markSvg(0, theme.contour)} samples of the exact density`);
    else if (many) items.push(`${theme.dots.slice(0, frame.count).map((color, k) => markSvg(k, color)).join("")} ${frame.meta.race ? "samples of the models, one method a colour" : "samples of the model, one α a colour"}`);
    else if (coloured) items.push(`${modes.map((color) => markSvg(0, color)).join("")} samples of the model: a dot's colour is the mode it starts from, where the reference puts it`);
    else items.push(`${markSvg(0, modes[0])} samples of the model`);
    if (exact) {
      const { color, opacity } = theme.mass, through = (part) => `rgba(${color},${part})`;
      items.push(`<i class="ramp" style="background:linear-gradient(90deg,${[0, opacity].map(through)})"></i> the exact density in this round${frame.time < 1 ? ", of finished samples" : ""}`);
      if (options.contours) items.push(`${oval(theme.contour, 2.2)} ${scene?.shares ?? "shares"} of it inside`);
    }
    if (!many && scene?.modes > 1 && bars) {
      items.push(`${modes.slice(0, 3).map((color) => svg(`<rect x="1" width="5" height="10" fill="${color}"/>`, 7, 10)).join("")} a bar's colour is the mode where samples are now`);
    }
    if (scene?.modes > 1 && scene.centres && options.modes && layout.plots[0].w >= LEAST_FOR_NUMBERS) items.push(`<i class="glyph">${[0, 1, 2].map((k) => escaped(modeName(scene, k))).join(" ")}</i> the modes of the data${bars ? ", as below the bars" : ""}`);
    if (scene && options.ghost) items.push(`${oval(theme.ghost, 1.4)} the data: ${scene.shares} of it inside`);
    const limits = frame.mode === "both" && missing.some((text) => !text);
    if (limits && options.contours) items.push(`${oval(theme.contour, 2.2)} the exact limit: the same shares`);
    if (frame.panels.some(({ exact, lines }) => lines[0].series !== "alpha" && exact.some(Boolean))) { // there it is a budget
      const dash = `<path d="M0 5H26" stroke="${many ? theme.text : theme.exact}" stroke-width="2" stroke-dasharray="6 4"/>`;
      items.push(`${svg(dash, 26, 10)} in the curves: the exact limit`);
    }
    const untold = new Map(); // sentence -> lanes
    frame.lanes.forEach(({ label }, k) => { if (missing[k]) untold.set(missing[k], [...(untold.get(missing[k]) ?? []), label]); });
    for (const [text, labels] of untold) items.push(`<span class="orw-untold">${escaped(many ? `${labels.join(", ")}: ${text}` : text)}</span>`);
    if (arrows) items.push('<i class="glyph">↗</i> velocity v(t, x)');
    if (paths && options.trails) items.push('<i class="glyph">∿</i> ways of single samples from the noise at t = 0');
    if (trace && options.samples) items.push(`${svg(`<circle cx="5" cy="5" r="3.6" fill="none" stroke="${theme.text}" stroke-width="1.8"/><path d="M9 5H20M16 2l4 3l-4 3" fill="none" stroke="${theme.text}" stroke-width="1.8"/>`, 22, 10)} one sample: from its noise (ring) to where it is`);
    if (ground === "reward" || ground === "truth") {
      const { low, high } = scene[ground];
      items.push(`${ground === "truth" ? "true reward" : "reward"} ${number(low)} ${ramp(theme[ground])} ${number(high)}`);
    } else if (ground === "pictures") items.push("grey pictures: what each place shows");
    else if (ground === "density") items.push(`density of the data ${ramp(theme.density)}`);
    if (scene?.pictures && options.samples) items.push(`${isCoarse() ? "tap" : "point at"} a sample: what it shows, and what a judge takes it for`);
    if (!options.present) items.push(`<span class="orw-how">${isCoarse() ? HOW_WITH_FINGERS : HOW}</span>`);
    this.legend.innerHTML = items.map((item) => `<li>${item}</li>`).join("");
  }
}

const svg = (inside, width, height) =>
  `<svg class="orw-mark" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-hidden="true">${inside}</svg>`;
const oval = (color, width) => svg(`<ellipse cx="9" cy="6" rx="7.6" ry="4.4" fill="none" stroke="${color}" stroke-width="${width}"/>`, 18, 12);

/** The edge of a lane's plot, top or bottom, where words hide fewer of the frame's particles, which are at `xy`. */
export function emptierEdge({ n }, xy, [, , y0, y1], lane) {
  let balance = 0;
  for (let i = lane * n; i < (lane + 1) * n; i++) {
    const height = (xy[2 * i + 1] - y0) / (y1 - y0);
    if (height > 0.78 && height <= 1) balance++;
    else if (height < 0.22 && height >= 0) balance--;
  }
  return balance > 0 ? "bottom" : "top";
}

const SHORT_STATES = { stopped: "×", settling: "…" };
const SPOKEN_STATES = { running: "Running", paused: "Paused", stopped: "Stopped", settling: "Settling" };

/** What the rounds do: who is paused and has moved a control of exact lanes sees them go on to where they settle. */
const stateOf = ({ state, settling }) => (settling ? "settling" : state);

/** Why a lane has no exact limit, in a sentence; nothing where it has one, where none was asked for, or where nobody said. */
export function missingLimit(frame, { limit }) {
  if (frame.mode === "learned" || !limit || limit.state === "there") return "";
  return limit.text || (limit.state === "pending" ? "the exact limit is being worked out" : "no exact limit");
}

/** The picture in a few sentences; without the banners that have been told. */
export function summaryOf(frame, told = new Set()) {
  const state = SPOKEN_STATES[stateOf(frame.meta)] ?? "Not running";
  const lanes = frame.lanes.map((lane, k) => {
    const curves = frame.panels.filter(({ lines }) => lines.length === 1).map(({ title, lines, exact }) =>
      [title, lines[0].lanes[k].value, exact[k] ? `(${exact[k].label})` : ""].join(" ").trim()).join("; ");
    const banner = lane.banner ? `${lane.banner.title} ${lane.banner.text ?? ""}` : "";
    const words = banner && !told.has(banner) ? ` ${banner}` : "";
    return `${frame.count > 1 ? `${lane.label}: ` : ""}${curves && `${curves}.`}${words}`;
  });
  const time = frame.time < 1 ? ` Flow time ${frame.time.toFixed(2)}.` : "";
  return `${state}, round ${frame.meta.round}.${time} ${lanes.join(" ")}`.replace(/\s+/g, " ").trim();
}
