// Everything on the stage that is words: the heads of lanes and panels, banners, badges, legend and summary.

import { Numbers } from "./numbers.js";
import { Tips, make, newId, putAt, setText, term } from "./tips.js";

const MASS_HINT = "The share of the samples at each mode of the data, and as an orange-red tick the share in the exact limit.";
const KEYS = "Keys: space starts and pauses, s does one step, r resets, left and right change alpha, up and down tau, " +
  "plus and minus zoom, 0 shows the whole picture, p is for projectors.";
const HOW = "Zoom: Ctrl + wheel, or two fingers. Move: drag. Back: double click.";

export class Words {
  constructor(root) {
    this.root = root;
    root.innerHTML = `<div class="orw-picture"><canvas tabindex="0" role="application"></canvas></div>
      <ul class="orw-legend"></ul><p class="orw-summary" aria-live="polite"></p>`;
    this.picture = root.querySelector(".orw-picture");
    this.canvas = root.querySelector("canvas");
    this.legend = root.querySelector(".orw-legend");
    this.summary = root.querySelector(".orw-summary");
    this.summary.id = newId();
    this.canvas.setAttribute("aria-label",
      `Animated scatter plot of samples, with curves of reward and diversity. ${KEYS}`);
    this.canvas.setAttribute("aria-describedby", this.summary.id);
    this.tips = new Tips(root);
    this.numbers = new Numbers(this.picture);
    this.lanes = [];
    this.heads = [];
    this.home = make("button", "orw-home", "Whole picture");
    this.home.type = "button";
    this.home.hidden = true;
    this.ring = make("div", "orw-ring"); // shows that the picture has the keyboard
    this.picture.append(this.ring, this.home, this.tips.advice);
    this.legendOf = "";
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
    theme.lanes.forEach((color, k) => style.setProperty(`--lane-${k}`, color));
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
    head.append(make("strong", "orw-label"), make("span", "orw-note"), make("span", "orw-badge"));
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
  show(frame, layout, edge) {
    frame.lanes.forEach((lane, k) => {
      const { head, banner } = this.lanes[k];
      const [label, note, badge] = head.children;
      setText(label, lane.label);
      setText(note, frame.time < 1 ? `t = ${frame.time.toFixed(2)}` : "");
      const state = lane.banner?.kind === "stopped" ? "stopped" : frame.meta.state;
      setText(badge, state === "running" ? "" : state);
      badge.dataset.state = state;
      if (lane.banner && banner.hidden) banner.dataset.edge = edge(k); // then it stays there
      banner.hidden = !lane.banner;
      if (!lane.banner) return;
      setText(banner.children[0], lane.banner.title);
      setText(banner.children[1], lane.banner.text ?? "");
      banner.dataset.kind = lane.banner.kind;
    });
    this.numbers.show(frame, layout);
    this.showHeads(frame, layout);
  }

  showHeads(frame, layout) {
    const titles = frame.panels.map(({ title, hint }) => [title, hint]);
    if (frame.arrays.mode_mass) titles.push(["Mass of each mode", MASS_HINT]);
    const wanted = titles.slice(0, layout.panels.length);
    if (this.heads.length !== wanted.length || this.heads.some(({ title }, k) => title !== wanted[k][0])) {
      this.heads.forEach(({ element }) => element.remove());
      this.heads = wanted.map(([title, hint], k) => {
        const element = make("div", "orw-head"), now = make("span", "orw-now");
        element.append(term(title, hint, element), now);
        element.explain = () => ({ title, text: hint });
        putAt(element, layout.panels[k].head);
        element.classList.toggle("orw-stacked", layout.panels[k].stacked);
        this.picture.append(element);
        return { element, title, now };
      });
    }
    this.heads.forEach(({ now }, k) => {
      const lines = frame.panels[k]?.lines;
      const values = lines?.length === 1 ? lines[0].lanes.map(({ value }) => value) : [];
      while (now.children.length > values.length) now.lastChild.remove();
      values.forEach((value, lane) => {
        if (!now.children[lane]) now.append(make("b"));
        now.children[lane].dataset.lane = lane;
        setText(now.children[lane], value);
      });
    });
  }

  showLegend(frame, scene, theme, options) {
    const many = frame.count > 1, { arrows, paths } = frame.arrays;
    const key = [many, frame.mode, Boolean(arrows), Boolean(paths), JSON.stringify(options), theme.text].join();
    if (key === this.legendOf && scene === this.legendScene) return;
    [this.legendOf, this.legendScene] = [key, scene];
    const dots = (many ? theme.dots.slice(0, frame.count) : theme.particles.slice(0, Math.min(4, scene?.modes ?? 1)))
      .map((color) => `<i class="dot" style="background:${color}"></i>`).join("");
    const rgb = (color) => `rgb(${color})`, number = (value) => String(Number(value.toFixed(2))).replace("-", "−");
    const ramp = (colors) => `<i class="ramp" style="background:linear-gradient(90deg,${colors.map(rgb)})"></i>`;
    const items = [];
    const coloured = !many && scene?.modes > 1 && scene.labels ? ", coloured by where the reference puts them" : "";
    if (frame.mode !== "exact") items.push(`${dots} samples of the model${many ? ", one α a colour" : coloured}`);
    if (scene && options.ghost) items.push(`<i class="ghost" style="border-color:${theme.ghost}"></i> the data: ${scene.shares} of it inside`);
    if (frame.mode !== "learned" && options.contours) {
      items.push(`<i class="ring" style="border-color:${theme.contour}"></i> the exact limit: the same shares`);
    }
    if (arrows) items.push("<i class=\"glyph\">↗</i> velocity v(t, x)");
    if (paths && options.trails) items.push("<i class=\"glyph\">∿</i> ways of single samples from the noise at t = 0");
    if (frame.mode === "exact") items.push(`the exact limit's density ${ramp(theme.limit)}`);
    else if (scene && options.background === "reward") {
      items.push(`reward ${number(scene.reward.low)} ${ramp(theme.reward)} ${number(scene.reward.high)}`);
    } else if (scene && options.background === "density") items.push(`density of the data ${ramp(theme.density)}`);
    if (!options.present) items.push(`<span class="orw-how">${HOW}</span>`);
    this.legend.innerHTML = items.map((item) => `<li>${item}</li>`).join("");
  }
}

/** The picture in a few sentences. */
export function summaryOf(frame) {
  const state = { running: "Running", paused: "Paused", stopped: "Stopped" }[frame.meta.state] ?? "Not running";
  const lanes = frame.lanes.map((lane, k) => {
    const curves = frame.panels.filter(({ lines }) => lines.length === 1).map(({ title, lines, exact }) =>
      [title, lines[0].lanes[k].value, exact[k] ? `(${exact[k].label})` : ""].join(" ").trim()).join("; ");
    const words = lane.banner ? ` ${lane.banner.title} ${lane.banner.text ?? ""}` : "";
    return `${frame.count > 1 ? `${lane.label}: ` : ""}${curves}.${words}`;
  });
  const time = frame.time < 1 ? ` Flow time ${frame.time.toFixed(2)}.` : "";
  return `${state}, round ${frame.meta.round}.${time} ${lanes.join(" ")}`.replace(/\s+/g, " ").trim();
}
