// "On a line": the same dynamics where one can see all of a density at once. What it shows comes from on_a_line.js.

import { escaped, minus, niceTicks, tickLabel } from "../stage/numerals.js";
import { isDark, THEMES } from "../stage/theme.js";
import { DrawnLine } from "./drawn_line.js";

const VIEW_OF_A_LINE = 5; // half the width that is shown
const NO_MORE = 5e-4; // of reward, below which two densities are one
const A_ROUND = 180; // ms, while it plays
const SETTLED_IN_VIEW = 30; // rounds to play
const CURVES_OF_A_LINE = [ // as they are listed; the last drawn lies on top
  ["p", "reference p_ref", "kind-ghost"],
  ["tilt", "tilt of the same KL", "kind-tilt"],
  ["proximal", "W₂ optimum of the same W₂²", "kind-proximal"],
  ["q", "now", "kind-now"],
  ["limit", "limit", "kind-limit"],
];

const figure = (x) => minus(x.toFixed(Math.abs(x) >= 10 ? 1 : Math.abs(x) >= 1 ? 2 : 3));

/** `root`: its details element; `ask(question)` -> promise of an answer of on_a_line.js. */
export class LineLab {
  constructor(root, ask) {
    Object.assign(this, { root, ask, found: null, asking: false, timer: null, top: 0 });
    this.find = (selector) => root.querySelector(selector);
    this.form = this.find("form");
    this.plot = this.find(".line-plot");
    root.addEventListener("toggle", () => this.look());
    this.form.addEventListener("input", () => this.turned());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.find(".line-play").addEventListener("click", () => this.play(!this.timer));
    this.drawn = new DrawnLine(this.plot, () => { this.draw(); this.look(); });
    new ResizeObserver(() => this.draw()).observe(this.plot);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["class"] });
    this.say();
  }

  /** What its controls say. */
  get question() {
    const { target, reward, alpha, tau, weighting, rounds } = Object.fromEntries(new FormData(this.form));
    return { target: target === "own" ? this.drawn.target : target, reward, alpha: Number((10 ** Number(alpha)).toPrecision(2)), tau: Number(tau), weighting, rounds: Number(rounds) };
  }

  turned() {
    this.say();
    this.look();
  }

  get own() { return this.form.elements.target.value === "own"; }

  say() {
    this.drawn.turn(this.own, this.found ?? {});
    const { alpha, tau, rounds } = this.question;
    for (const [name, value] of Object.entries({ alpha, tau, rounds })) {
      this.find(`[data-of=${name}]`).textContent = String(value);
      this.form.elements[name].setAttribute("aria-valuetext", String(value));
    }
    for (const place of this.root.querySelectorAll("[data-number=alpha]")) place.textContent = String(alpha);
    for (const place of this.root.querySelectorAll("[data-number=tau]")) place.textContent = String(tau);
    this.find(".line-hint").hidden = !this.own;
  }

  // ---- asking

  async look() {
    this.wanted = true;
    if (this.asking || !this.root.open) return;
    this.asking = true;
    while (this.wanted && this.root.open) {
      this.wanted = false;
      try {
        const found = await this.ask(this.question);
        if (!found.done) this.wanted = true;
        this.takes(found);
      } catch (error) {
        this.find(".line-says").textContent = error.message;
      }
    }
    this.asking = false;
  }

  /** The limit and the optima stay until newer ones are there, which they are in some hundredths of a second. */
  takes(found) {
    const { limit, tilt, proximal } = this.found ?? {};
    const late = found.done ? {} : { limit, tilt, proximal };
    this.found = { ...late, ...found, stale: !found.done };
    this.draw();
  }

  // ---- playing

  play(on) {
    clearInterval(this.timer);
    this.timer = null;
    this.find(".line-play").textContent = on ? "Pause" : "Play rounds";
    if (!on) return;
    const { rounds } = this.form.elements;
    if (Number(rounds.value) >= SETTLED_IN_VIEW) rounds.value = 0;
    this.turned();
    this.timer = setInterval(() => {
      if (this.found?.round < Number(rounds.value)) return; // it is not there yet
      rounds.value = Number(rounds.value) + 1;
      this.turned();
      if (Number(rounds.value) >= SETTLED_IN_VIEW || !this.root.open) this.play(false);
    }, A_ROUND);
  }

  // ---- the picture

  draw() {
    if (!this.found?.x || !this.plot.clientWidth || this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.paint();
    });
  }

  scale() {
    const { found, plot: { clientWidth: width } } = this, height = Math.round(Math.max(250, Math.min(420, 0.52 * width))), below = 84;
    const left = 50, top = 12, w = width - left - 12, h = height - top - below - 40;
    const most = Math.max(...found.p.density, ...found.q.density, ...(found.limit?.density ?? []));
    if (1.08 * most > this.top || 1.4 * most < this.top) this.top = 1.2 * most; // it grows at once and shrinks late
    const seen = found.reward.filter((_, k) => Math.abs(found.x[k]) <= VIEW_OF_A_LINE), low = Math.min(...seen), high = Math.max(...seen);
    const X = (x) => left + ((x / VIEW_OF_A_LINE + 1) / 2) * w, Y = (y) => top + (1 - y / this.top) * h;
    const R = (r) => top + h + 34 + (1 - (r - low) / (high - low || 1)) * (below - 26);
    const xOf = (px) => ((2 * (px - left)) / w - 1) * VIEW_OF_A_LINE, heightOf = (py) => 1 - (py - top) / h;
    return { width, height, left, top, w, h, low, high, X, Y, R, xOf, heightOf };
  }

  wayOf(values, { X }, to) {
    const { x } = this.found;
    return Array.from(x).map((at, k) => [at, k]).filter(([at]) => Math.abs(at) <= VIEW_OF_A_LINE)
      .map(([at, k], i) => `${i ? "L" : "M"}${X(at).toFixed(1)},${to(values[k]).toFixed(1)}`).join("");
  }

  paint() {
    const { found } = this, at = this.scale(), { width, height, left, top, w, h, low, high, X, Y, R } = at, parts = [];
    const put = (x, y, text, kind) => parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${escaped(text)}</text>`);
    for (const tick of niceTicks(-VIEW_OF_A_LINE, VIEW_OF_A_LINE, w / 70).ticks) {
      parts.push(`<path class="rule" d="M${X(tick).toFixed(1)},${top}V${height - 22}"/>`);
      put(X(tick), height - 6, tickLabel(tick, 1), "middle");
    }
    const up = niceTicks(0, this.top, h / 60);
    for (const tick of up.ticks) put(left - 6, Y(tick) + 4, tickLabel(tick, up.step), "end");
    parts.push(`<path class="ground" d="M${left},${top + h}H${left + w}"/>`);
    const cut = (y) => Math.max(top - 6, Y(y));
    for (const [name, , kind] of CURVES_OF_A_LINE) {
      if (!found[name]) continue;
      const way = this.wayOf(found[name].density, at, cut), filled = name === "p" || name === "q" ? ` L${left + w},${top + h}H${left}Z` : "";
      if (filled) parts.push(`<path class="fill ${kind}" d="${way}${filled}"/>`);
      parts.push(`<path class="curve ${kind}" data-curve="${name}" d="${way}"/>`);
    }
    parts.push(`<path class="curve kind-reward" d="${this.wayOf(found.reward, at, R)}"/>`);
    put(left + 4, top + h + 26, "reward r(x)", "reward-word");
    for (const value of high > low ? [low, high] : [low]) put(left - 6, R(value) + 4, figure(value), "end");
    put(left + 4, top + 12, "density", "start");
    this.plot.style.setProperty("--now", THEMES[isDark(this.root) ? "dark" : "light"].exact);
    const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
    this.plot.querySelector("svg").outerHTML = `<svg role="img" ${size} aria-label="${escaped(this.words())}">${parts.join("")}</svg>`;
    const { x, p } = found;
    this.drawn.lies(at, (place) => Math.min(this.top, p.density[Math.round((place - x[0]) / (x[1] - x[0]))]));
    this.tell();
  }

  // ---- in words

  words() {
    const { q, limit, round, p } = this.found;
    return `Densities on a line. Reference: mean reward ${figure(p.reward)}. After ${round} rounds: ${figure(q.reward)}.` +
      (limit ? ` In the limit: ${figure(limit.reward)}.` : "");
  }

  tell() {
    const { found } = this, body = this.find("tbody"), beside = found.limit ?? found.q;
    const names = { q: `after round ${found.round}`, ...(this.own ? { p: "reference, as you drew it" } : {}) };
    for (const [name, distance, word] of [["tilt", "kl", "tilt"], ["proximal", "w2", "W₂ optimum"]]) {
      if (found[name]?.[distance] < 0.99 * beside[distance] - NO_MORE) names[name] = `${word}: nothing more can be had`;
    }
    body.innerHTML = CURVES_OF_A_LINE.map(([name, word, kind]) => {
      const one = found[name], cells = one ? [one.reward, one.kl, one.w2].map(figure) : ["–", "–", "–"];
      return `<tr><th scope="row"><i class="${kind}"></i>${names[name] ?? word}</th>${cells.map((text) => `<td>${text}</td>`).join("")}</tr>`;
    }).join("");
    const { limit, tilt, proximal, why } = found;
    const text = why || !limit || !tilt || !proximal ? why && `${why[0].toUpperCase()}${why.slice(1)}.`
      : `The limit has reward ${figure(limit.reward)}. For its KL of ${figure(limit.kl)} nats at most ${figure(tilt.reward)} can be had, ` +
        `by the tilt; for its W₂² of ${figure(limit.w2)} at most ${figure(proximal.reward)}, by the W₂ optimum.` +
        (Math.min(tilt.reward, proximal.reward) > limit.reward + NO_MORE ? " It is neither." : "");
    const line = this.find(".line-says");
    if (!found.stale && line.textContent !== text) line.textContent = text;
  }
}
