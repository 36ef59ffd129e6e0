// The Trade-off map: exact limits over alpha and tau, the curve they make, which alpha reaches a goal, networks beside.
//
// What takes the server long is asked for again and again, each time from what is here already. See trade_off.py.

const MAP_POLL = 350; // ms between questions
const MAP_AGAIN = 5000; // ms until what failed is tried again
const MAP_STILL = 700; // ms without a change before another map is asked for: somebody may be painting
const MAP_RAMP = ["#00224e", "#2a3f6d", "#575d6d", "#7d7c78", "#a59c74", "#d2c060", "#fee838"]; // Cividis: the same for all eyes
const MAP_POWERS = { reward: 1, diversity: 1, kl: 0.5, w2: 0.5 }; // of the colours' scale: small distances are told apart too
const MAP_LEVELS = 6; // ticks of the colours, and lines of equal value
const MAP_UNITS = { reward: "", diversity: "", kl: " nats", w2: "" };
const MAP_KEPT = 12; // maps
const MAP_FAILS = "The server does not answer; it is asked again.";

const mapKey = (alpha, tau) => `${alpha} ${tau}`;
const mapSame = (a, b) => Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b));

/** A number as one reads it: with `digits` decimals, fewer where it is large. */
function mapNumber(value, digits = 2) {
  const decimals = Math.max(0, digits - (Math.abs(value) >= 100 ? 2 : Math.abs(value) >= 10 ? 1 : 0));
  return minus(value.toFixed(decimals));
}

/** Round numbers between two, about `count` of them. */
function mapTicks(low, high, count) {
  if (!(high > low)) return [low];
  return niceTicks(low, high, count / 0.75).ticks.map((tick) => Number(tick.toPrecision(12))); // rather too many than too few
}

/** What ticks say: all with as many decimals as they need to differ. */
function mapNames(ticks) {
  const decimals = [0, 1, 2, 3].find((n) => ticks.every((tick) => Math.abs(Number(tick.toFixed(n)) - tick) < 1e-9)) ?? 4;
  return ticks.map((tick) => tick.toFixed(decimals).replace("-", "−"));
}

/** The colour at a share from 0 to 1, as [r, g, b]. */
function mapColour(share) {
  const at = Math.min(Math.max(share, 0), 1) * (MAP_RAMP.length - 1), k = Math.min(Math.floor(at), MAP_RAMP.length - 2);
  const [a, b] = [MAP_RAMP[k], MAP_RAMP[k + 1]].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return a.map((part, i) => Math.round(part + (at - k) * (b[i] - part)));
}

const mapSvg = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

/** A long question to the server, asked until it is answered; told(answer) after each piece. */
class MapErrand {
  constructor(ask, question, told) {
    Object.assign(this, { ask, question, told, pieces: [], done: false, error: "", ended: false });
    this.next();
  }

  stop() { this.ended = true; }

  async next() {
    while (!this.ended && !this.done) {
      if (document.hidden) {
        await new Promise((go) => { setTimeout(go, MAP_POLL); });
        continue;
      }
      let answer = null;
      try {
        answer = await this.ask({ ...this.question, from: this.pieces.length });
      } catch {
        // asked again below
      }
      if (this.ended) return;
      this.lost = !answer;
      if (answer) {
        this.pieces.push(...(answer.pieces ?? []));
        this.of = answer.of;
        this.error = answer.error ?? "";
        this.again = Boolean(answer.again);
        this.done = Boolean(answer.done || answer.error) && !this.again;
      }
      this.told(this);
      if (!this.done) await new Promise((go) => { setTimeout(go, this.again ? MAP_AGAIN : this.lost ? 4 * MAP_POLL : MAP_POLL); });
    }
  }
}

class TradeOffMap {
  constructor(lab, ask) {
    Object.assign(this, { lab, ask });
    this.root = lab.find(".map");
    this.find = (selector) => this.root.querySelector(selector);
    this.words = JSON.parse(this.root.dataset.words); // name -> {short, long}
    this.grid = this.find("[role=grid]");
    this.slots = [...this.grid.querySelectorAll("[role=gridcell]")];
    this.alphas = [...new Set(this.slots.map((slot) => Number(slot.dataset.alpha)))];
    this.taus = [...new Set(this.slots.map((slot) => Number(slot.dataset.tau)))]; // the largest first, as they stand
    this.of = new Map(this.slots.map((slot) => [mapKey(slot.dataset.alpha, slot.dataset.tau), slot]));
    this.maps = new Map(); // key -> {cells, points}
    this.shows = "reward";
    this.against = "diversity";
    this.marked = this.of.get("1 1") ?? this.slots[0];
    this.marked.tabIndex = 0;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.root);
    new MutationObserver(() => this.draw()).observe(document.body, { attributeFilter: ["class"] });
    this.timer = setInterval(() => this.look(), 150);
    this.turn();
  }

  // ---- what is on the stage

  get place() {
    const { target, reward, weighting } = this.lab.inForce;
    return { target, reward, weighting };
  }

  /** Where the stage is, also while a slider is dragged. */
  get now() {
    const { alpha, tau } = this.lab.controls, { inForce } = this.lab;
    const number = (control, name) => (typeof control.value === "number" ? control.value : inForce[name]);
    return { alpha: number(alpha, "alpha"), tau: number(tau, "tau") };
  }

  /** Whether everything is still as it was; another target, reward or weighting has another map. */
  look() {
    if (!this.root.isConnected) {
      clearInterval(this.timer);
      this.stopAll();
      return;
    }
    const key = JSON.stringify(this.place), { alpha, tau } = this.now, at = `${alpha} ${tau} ${this.lab.inForce.coupling}`;
    if (key !== this.key) this.turn();
    else if (!this.errand && performance.now() - this.turned > MAP_STILL) this.begin();
    if (at !== this.at) {
      this.at = at;
      this.showNow();
    }
  }

  begun() { this.look(); }

  chosen() { this.look(); }

  painted(meta) {
    if (meta.replaying || (this.lab.running && performance.now() - (this.traced ?? 0) < 120)) return;
    this.traced = performance.now();
    this.drawRun();
  }

  stopAll() {
    for (const errand of [this.errand, this.goal, this.training]) errand?.stop();
  }

  // ---- one map

  turn() {
    this.stopAll();
    this.goal = this.training = null;
    this.showTraining();
    this.find(".map-found").textContent = "";
    this.find("[data-goal=show]").hidden = true;
    this.key = JSON.stringify(this.place);
    const first = this.maps.size === 0;
    for (const [key, { cells, points }] of this.maps) {
      if (cells.size === 0 && points.length === 0 && key !== this.key) this.maps.delete(key); // of a stroke on its way
    }
    const kept = this.maps.get(this.key) ?? { cells: new Map(), points: [] };
    this.maps.delete(this.key);
    this.maps.set(this.key, kept);
    if (this.maps.size > MAP_KEPT) this.maps.delete(this.maps.keys().next().value);
    this.map = kept;
    this.errand = kept.done ? { stop() {} } : null;
    this.turned = first ? -MAP_STILL : performance.now();
    this.draw();
  }

  begin() {
    const { map } = this;
    this.errand = new MapErrand(this.ask, { what: "map", ...this.place }, (errand) => {
      for (const cell of errand.pieces) map.cells.set(mapKey(cell.alpha, cell.tau), cell);
      map.done = errand.done && !errand.error;
      map.said = errand.error;
      map.total = errand.of;
      map.lost = errand.lost;
      if (map === this.map) this.draw();
    });
  }

  cell(slot) { return this.map.cells.get(mapKey(slot.dataset.alpha, slot.dataset.tau)); }

  // ---- hands and keys

  listen() {
    this.grid.addEventListener("click", ({ target }) => {
      const slot = target.closest("[role=gridcell]");
      if (slot) this.go(slot);
    });
    this.grid.addEventListener("pointermove", ({ target, clientX, clientY }) => {
      const pointer = `${clientX} ${clientY}`;
      if (pointer !== this.pointer) this.tell(target.closest("[role=gridcell]") ?? this.marked); // a resting one tells nothing
      this.pointer = pointer;
    });
    this.grid.addEventListener("pointerleave", () => this.tell(this.marked));
    this.grid.addEventListener("focusin", ({ target }) => this.tell(target));
    this.grid.addEventListener("keydown", (event) => this.move(event));
    this.root.addEventListener("change", ({ target }) => {
      if (target.name === "map-shows") this.shows = target.value;
      else if (target.name === "map-against") this.against = target.value;
      else return;
      this.draw();
    });
    this.root.addEventListener("click", ({ target }) => {
      const { learn, goal, train, points } = target.closest("button")?.dataset ?? {};
      if (learn) this.go(this.marked, "running");
      if (goal) this.show(this.found);
      if (train) this.train(train);
      if (points === "save") this.save();
      if (points === "clear") this.clear();
    });
    this.find(".map-goal").addEventListener("submit", (event) => {
      event.preventDefault();
      this.seek();
    });
    this.find("[data-goal=value]").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it leaves the box and nothing else
      event.target.blur();
    });
    const box = this.find("textarea"), file = this.find("[type=file]");
    box.addEventListener("input", () => {
      clearTimeout(this.typing);
      if (box.value.trim()) this.typing = setTimeout(() => this.bring(() => thinned(box.value)), 500);
    });
    file.addEventListener("change", () => {
      if (file.files[0]) this.bring(() => tableIn(file.files[0]), file.files[0].name);
      file.value = "";
    });
    this.root.addEventListener("drop", (event) => {
      const [given] = event.dataTransfer?.files ?? [];
      if (!given || !isTable(given)) return; // a state file is the page's own
      event.preventDefault();
      event.stopPropagation();
      box.closest("details").open = true;
      this.bring(() => tableIn(given), given.name);
    });
    this.find(".map-curve").addEventListener("click", ({ target }) => {
      const slot = this.of.get(target.dataset?.cell);
      if (slot) this.go(slot);
    });
    this.find(".map-curve").addEventListener("pointerover", ({ target }) => this.tell(this.of.get(target.dataset?.cell) ?? this.marked));
  }

  move(event) {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const { alpha, tau } = this.marked.dataset;
    let [x, y] = [this.alphas.indexOf(Number(alpha)), this.taus.indexOf(Number(tau))];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (ways[event.key]) [x, y] = [x + ways[event.key][0], y + ways[event.key][1]];
    else if (event.key === "Home") x = 0;
    else if (event.key === "End") x = this.alphas.length - 1;
    else if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault(); // neither the page's own keys nor scrolling
    if (event.key === "Enter" || event.key === " ") return this.go(this.marked);
    const slot = this.of.get(mapKey(this.alphas[x], this.taus[y]));
    if (!slot) return;
    this.mark(slot);
    slot.focus();
  }

  mark(slot) {
    this.marked.tabIndex = -1;
    this.marked = slot;
    slot.tabIndex = 0;
    for (const one of this.slots) one.setAttribute("aria-selected", String(one === slot));
    this.tell(slot);
    this.draw();
  }

  /** The stage goes to a cell. */
  go(slot, state = "paused") {
    this.mark(slot);
    this.show({ alpha: Number(slot.dataset.alpha), tau: Number(slot.dataset.tau) }, state);
  }

  show({ alpha, tau }, state = "paused") {
    if (this.lab.fixed.size) return this.lab.refuse("This is set for you by the link that you have opened.");
    this.lab.begin({ ...this.place, alpha, tau, mode: "both" }, state);
    if (state === "running") this.lab.bringBack();
  }

  // ---- the map's picture

  draw() {
    if (!this.map || this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      this.paintCells();
      this.paintOver();
      this.paintCurve();
      this.tell(this.told ?? this.marked);
      this.showNow();
    });
  }

  /** {low, high} of a quantity over the cells that have one, and where a value lies between them, 0 to 1. */
  range(name) {
    const values = [...this.map.cells.values()].map((cell) => cell[name]).filter((value) => value !== null);
    const low = MAP_POWERS[name] === 1 ? Math.min(...values) : 0, high = Math.max(...values);
    const share = (value) => (high > low ? ((value - low) / (high - low)) ** MAP_POWERS[name] : 0.5);
    return { low, high, share, any: values.length > 0 };
  }

  /** Values at which the colours are named and lines of equal value drawn. */
  levels({ low, high }) {
    if (MAP_POWERS[this.shows] === 1) return mapTicks(low, high, MAP_LEVELS);
    const even = Array.from({ length: MAP_LEVELS }, (_, k) => high * ((k + 1) / MAP_LEVELS) ** 2);
    const round = even.map((value) => Number(value.toPrecision(1)));
    return [...new Set([0, ...round])].filter((value) => value <= high);
  }

  paintCells() {
    const range = this.range(this.shows), narrow = this.slots[0].clientWidth < 30;
    for (const slot of this.slots) {
      const cell = this.cell(slot), value = cell?.[this.shows] ?? null;
      const name = `α ${slot.dataset.alpha}, τ ${slot.dataset.tau}`;
      slot.dataset.state = cell?.state ?? "waiting";
      slot.setAttribute("aria-label", cell ? `${name}: ${this.four(cell)}` : `${name}: being worked out`);
      slot.setAttribute("aria-selected", String(slot === this.marked));
      slot.textContent = cell ? (value === null ? "–" : narrow ? "" : mapNumber(value, Math.abs(value) >= 10 ? 1 : 2)) : "";
      const [r, g, b] = value === null ? [128, 128, 128] : mapColour(range.share(value));
      const light = 0.3 * r + 0.59 * g + 0.11 * b > 128;
      slot.style.background = value === null ? "" : `rgb(${r}, ${g}, ${b})`;
      slot.style.color = value === null ? "" : light ? "#10151e" : "#ffffff";
    }
    this.root.classList.toggle("waiting", this.map.cells.size === 0);
    this.find(".map-unit").textContent = this.words[this.shows].long;
    const bar = this.find(".map-bar");
    const stops = Array.from({ length: 25 }, (_, k) => `rgb(${mapColour(k / 24).join(", ")}) ${(100 * k) / 24}%`);
    bar.style.setProperty("--ramp", `linear-gradient(90deg, ${stops.join(", ")})`);
    const levels = range.any ? this.levels(range) : [], even = mapNames(levels);
    bar.replaceChildren(...levels.map((level, k) => {
      const tick = document.createElement("span");
      tick.style.left = `${100 * range.share(level)}%`;
      tick.textContent = MAP_POWERS[this.shows] === 1 ? even[k] : String(level);
      return tick;
    }));
    const { cells, done, said, lost, total = this.slots.length } = this.map;
    const rough = [...cells.values()].filter((cell) => cell.state !== "exact").length;
    const hatched = rough ? ` Hatched: ${rough} that ${rough === 1 ? "is" : "are"} not to be trusted.` : "";
    const paired = this.lab.inForce.coupling === "independent" ? "" : " Pairs by optimal transport have other limits: the map is of independent ones.";
    const words = said || (done ? `All ${total} limits are here.${hatched}${paired}` : lost ? MAP_FAILS : `Exact limits are being worked out: ${cells.size} of ${total}.`);
    const state = this.find(".map-state");
    if (state.textContent !== words) state.textContent = words;
    state.setAttribute("aria-live", done || said ? "polite" : "off"); // it would never stop talking
  }

  /** The middle of a place on the map, {x, y}, and half the size of a cell; between cells by logarithms. */
  spot(alpha, tau) {
    const along = (values, value) => { // the number of a place, a fraction where it lies between two
      const up = values.at(-1) > values[0] ? 1 : -1, logs = values.map((one) => up * Math.log(one)), at = up * Math.log(value);
      const k = logs.findIndex((log) => log >= at - 1e-9);
      if (k === 0 || k < 0) return { at: k ? values.length - 1 : 0, beyond: k < 0 || logs[0] > at + 1e-6 };
      return { at: k - (logs[k] - at) / (logs[k] - logs[k - 1]), beyond: false };
    };
    const x = along(this.alphas, alpha), y = along(this.taus, tau), first = this.slots[0], last = this.slots.at(-1);
    const [w, h] = [first.offsetWidth / 2, first.offsetHeight / 2];
    return {
      x: first.offsetLeft + w + ((last.offsetLeft - first.offsetLeft) * x.at) / (this.alphas.length - 1),
      y: first.offsetTop + h + ((last.offsetTop - first.offsetTop) * y.at) / (this.taus.length - 1),
      beyond: x.beyond || y.beyond, w, h,
    };
  }

  /** Lines of equal value, broken where numbers stand; a dot where there are networks; the ring. */
  paintOver() {
    const over = this.find(".map-over"), board = over.parentElement, { offsetWidth: width, offsetHeight: height } = board;
    over.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const range = this.range(this.shows), lines = (range.any ? this.levels(range) : []).flatMap((level) => this.line(level));
    const d = lines.map(([a, b]) => `M${a.map((p) => p.toFixed(1)).join(",")}L${b.map((p) => p.toFixed(1)).join(",")}`).join("");
    const mask = mapSvg("mask", { id: "map-around-numbers", maskUnits: "userSpaceOnUse", x: 0, y: 0, width, height });
    mask.append(mapSvg("rect", { x: 0, y: 0, width, height, fill: "#fff" }), ...this.slots.filter((slot) => slot.textContent).map((slot) => {
      const { x, y, w, h } = this.spot(Number(slot.dataset.alpha), Number(slot.dataset.tau));
      return mapSvg("ellipse", { cx: x, cy: y, rx: Math.min(0.8 * w, 24), ry: Math.min(0.6 * h, 13), fill: "#000" });
    }));
    const level = mapSvg("g", { mask: "url(#map-around-numbers)" });
    level.append(mapSvg("path", { d, class: "map-casing" }), mapSvg("path", { d, class: "map-level" }));
    this.ring = ["map-ring-casing", "map-ring"].map((name) => mapSvg("ellipse", { class: name }));
    over.replaceChildren(mask, level, ...this.trained().map(({ alpha, tau }) => {
      const { x, y, w, h } = this.spot(alpha, tau);
      return mapSvg("circle", { cx: x + 0.72 * w, cy: y - 0.66 * h, r: 3.5, class: "map-dot" });
    }), ...this.ring);
    this.showNow();
  }

  /** Where the map passes a level: pieces [[x, y], [x, y]] between the centres of neighbours. */
  line(level) {
    const found = [];
    const at = (i, j) => {
      const cell = this.map.cells.get(mapKey(this.alphas[i], this.taus[j]));
      return { value: cell?.[this.shows] ?? null, ...this.spot(this.alphas[i], this.taus[j]) };
    };
    for (let i = 0; i + 1 < this.alphas.length; i++) {
      for (let j = 0; j + 1 < this.taus.length; j++) {
        const corners = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
        if (corners.some(({ value }) => value === null)) continue;
        const crossed = corners.flatMap((a, k) => {
          const b = corners[(k + 1) % 4];
          if (a.value > level === b.value > level) return [];
          const share = (level - a.value) / (b.value - a.value);
          return [[a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)]];
        });
        for (let k = 0; k + 1 < crossed.length; k += 2) found.push([crossed[k], crossed[k + 1]]);
      }
    }
    return found;
  }

  /** The ring, and the words that name the present tau. */
  showNow() {
    const { alpha, tau } = this.now;
    this.find(".map-now").textContent = String(tau);
    this.find("[data-train=row] .word").textContent = `Train along τ = ${tau}`;
    if (!this.ring) return;
    const { x, y, beyond, w, h } = this.spot(Math.max(alpha, 1e-9), Math.max(tau, 1e-9));
    const set = { cx: x, cy: y, rx: Math.min((w < 20 ? 1.25 : 0.9) * w, 26), ry: Math.min(0.84 * h, 18) };
    for (const one of this.ring) {
      for (const [key, value] of Object.entries(set)) one.setAttribute(key, value);
      one.classList.toggle("beyond", beyond);
    }
  }

  // ---- in words

  four(cell) {
    if (cell.state === "none") return cell.why;
    const numbers = Object.keys(this.words).map((name) => `${this.words[name].short} ${mapNumber(cell[name], 3)}${MAP_UNITS[name]}`);
    return `${numbers.join(", ")}${cell.state === "rough" ? `; ${cell.why}` : ""}`;
  }

  tell(slot) {
    if (!slot?.dataset) return;
    this.told = slot;
    const cell = this.cell(slot), { alpha, tau } = slot.dataset;
    const mine = this.map.points.filter((point) => mapSame(point.alpha, Number(alpha)) && mapSame(point.tau, Number(tau)));
    const mean = (name) => {
      const values = mine.map((point) => point[name]).filter((value) => value !== null);
      return values.length ? `${this.words[name].short} ${mapNumber(values.reduce((a, b) => a + b) / values.length, 3)}` : null;
    };
    const learned = mine.length ? ` Networks (mean of ${mine.length}): ${["reward", "diversity", "w2"].map(mean).filter(Boolean).join(", ")}.` : "";
    const words = `α = ${alpha}, τ = ${tau}: ${cell ? this.four(cell) : "being worked out"}.${learned}`;
    const line = this.find(".map-line");
    if (line.textContent !== words) line.textContent = words;
  }

  // ---- the curve

  paintCurve() {
    const holder = this.find(".map-curve"), svg = holder.querySelector("svg"), width = holder.clientWidth, height = holder.clientHeight;
    if (!width || !height) return;
    const cells = [...this.map.cells.values()].filter((cell) => cell.state !== "none"), { points } = this.map, name = this.against;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const reach = (key) => [...cells, ...points].map((one) => one[key]).filter((value) => value !== null && value !== undefined);
    const xs = reach(name), ys = reach("reward");
    if (!cells.length) {
      this.scale = null;
      return svg.replaceChildren();
    }
    const padded = (values) => {
      const low = Math.min(...values), high = Math.max(...values), more = 0.05 * (high - low || 1);
      return [low - more, high + more];
    };
    const [x0, x1] = padded(name === "diversity" ? xs : [0, ...xs]), [y0, y1] = padded(ys);
    const left = 46, right = width - 12, top = 12, bottom = height - 44;
    const X = (value) => left + ((value - x0) / (x1 - x0)) * (right - left), Y = (value) => bottom - ((value - y0) / (y1 - y0)) * (bottom - top);
    this.scale = { X, Y, left, right, top, bottom };
    const parts = [mapSvg("rect", { x: left, y: top, width: right - left, height: bottom - top, class: "map-frame" })];
    const across = mapTicks(x0, x1, Math.max(3, Math.round(width / 90))), up = mapTicks(y0, y1, 5);
    const names = { across: mapNames(across), up: mapNames(up) };
    for (const [k, tick] of across.entries()) {
      parts.push(mapSvg("path", { d: `M${X(tick)},${top}V${bottom}`, class: "map-rule" }));
      parts.push(mapSvg("text", { x: X(tick), y: bottom + 16, "text-anchor": "middle" }, names.across[k]));
    }
    for (const [k, tick] of up.entries()) {
      parts.push(mapSvg("path", { d: `M${left},${Y(tick)}H${right}`, class: "map-rule" }));
      parts.push(mapSvg("text", { x: left - 6, y: Y(tick) + 4, "text-anchor": "end" }, names.up[k]));
    }
    parts.push(mapSvg("text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle", class: "map-axis" }, this.words[name].long));
    parts.push(mapSvg("text", { x: 0, y: 0, transform: `translate(12 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle", class: "map-axis" }, this.words.reward.long));
    const here = this.nearestTau();
    for (const tau of [...this.taus.filter((one) => one !== here), here]) {
      const row = this.alphas.map((alpha) => this.map.cells.get(mapKey(alpha, tau))).filter((cell) => cell && cell.state !== "none");
      const d = row.map((cell, k) => `${k ? "L" : "M"}${X(cell[name]).toFixed(1)},${Y(cell.reward).toFixed(1)}`).join("");
      parts.push(mapSvg("path", { d, class: tau === here ? "map-row-line here" : "map-row-line" }));
      for (const cell of row) {
        const marked = this.marked.dataset.alpha === String(cell.alpha) && this.marked.dataset.tau === String(cell.tau);
        const at = { cx: X(cell[name]), cy: Y(cell.reward), "data-cell": mapKey(cell.alpha, cell.tau) };
        const kind = `map-point${tau === here ? " here" : ""}${marked ? " marked" : ""}${cell.state === "rough" ? " rough" : ""}`;
        parts.push(mapSvg("circle", { ...at, r: marked ? 6 : 3.5, class: kind }), mapSvg("circle", { ...at, r: 11, class: "map-touch" }));
      }
    }
    for (const point of points) {
      if ((point[name] ?? null) === null) continue;
      const cell = this.map.cells.get(mapKey(point.alpha, point.tau));
      if (cell && cell.state !== "none") {
        parts.push(mapSvg("path", { d: `M${X(point[name])},${Y(point.reward)}L${X(cell[name])},${Y(cell.reward)}`, class: "map-gap" }));
      }
      parts.push(mapSvg("circle", { cx: X(point[name]), cy: Y(point.reward), r: 4, class: "map-net" }));
    }
    this.run = mapSvg("g", { class: "map-run" });
    svg.replaceChildren(...parts, this.run);
    const without = points.filter((point) => (point[name] ?? null) === null).length, shown = points.length - without;
    const missing = without && name !== "kl" ? ` Not shown: ${without} of which the ${this.words[name].short} is not known.` : "";
    const nets = !points.length ? "" : name === "kl" ? " The KL of a network is not measured here: choose another." : `${shown ? " Blue dots: networks." : ""}${missing}`;
    const words = `Dashed: exact limits, α from ${this.alphas.at(-1)} to ${this.alphas[0]}, a line for each τ; orange for τ = ${here}.${nets}` +
      (name === "kl" ? "" : " Blue line: the network on the stage.");
    const said = this.find(".map-key");
    if (said.textContent !== words) said.textContent = words;
    this.drawRun();
  }

  /** The row that is nearest to the stage's tau. */
  nearestTau() {
    const at = Math.log(Math.max(this.now.tau, 1e-9));
    return this.taus.reduce((a, b) => (Math.abs(Math.log(b) - at) < Math.abs(Math.log(a) - at) ? b : a));
  }

  /** The way of the network on the stage, from the reference to where it is. */
  drawRun() {
    if (!this.run || !this.scale) return;
    const { arrays, meta } = this.lab.stage ?? {}, { X, Y, left, right, top, bottom } = this.scale;
    const series = arrays?.[this.against], reward = arrays?.reward;
    if (!series || !reward || this.against === "kl" || meta?.mode === "exact") return this.run.replaceChildren();
    const count = Math.min(reward.shape.at(-1), series.shape.at(-1)), places = [];
    for (let k = 0; k < count; k++) { // of the first lane
      const cost = this.against === "w2" ? 10 ** series.data[k] : series.data[k];
      const x = Math.min(Math.max(X(cost), left), right), y = Math.min(Math.max(Y(reward.data[k]), top), bottom);
      if (Number.isFinite(x) && Number.isFinite(y)) places.push([x.toFixed(1), y.toFixed(1)]);
    }
    if (!places.length) return this.run.replaceChildren();
    const [x, y] = places.at(-1), d = places.map((place, k) => `${k ? "L" : "M"}${place.join(",")}`).join("");
    this.run.replaceChildren(mapSvg("path", { d, class: "map-way" }), mapSvg("circle", { cx: x, cy: y, r: 5.5, class: "map-head-dot" }));
  }

  // ---- which alpha reaches a goal

  seek() {
    this.goal?.stop();
    const said = this.find(".map-found"), button = this.find("[data-goal=show]"), { tau } = this.now;
    const quantity = this.find("[data-goal=quantity]").value, goal = numberIn(this.find("[data-goal=value]").value);
    button.hidden = true;
    if (typeof goal !== "number") {
      said.textContent = `The goal is “${String(goal).slice(0, 40)}”; allowed: a number, such as 0.6.`;
      return;
    }
    said.textContent = "Looking for it …";
    this.goal = new MapErrand(this.ask, { what: "goal", ...this.place, tau, quantity, goal }, (errand) => {
      const [cell] = errand.pieces;
      if (errand.error) said.textContent = errand.error;
      if (errand.error || !cell) return;
      this.found = cell;
      const others = Object.keys(this.words).filter((name) => name !== quantity);
      const rest = others.map((name) => `${this.words[name].short} ${mapNumber(cell[name])}${MAP_UNITS[name]}`).join(", ");
      said.textContent = `α = ${cell.alpha} reaches a ${this.words[quantity].short} of ${mapNumber(cell[quantity])} at τ = ${tau} (${rest})` +
        `${cell.state === "rough" ? `; ${cell.why}` : ""}.`;
      button.hidden = false;
    });
  }

  // ---- networks

  train(what) {
    this.training?.stop();
    this.training = null;
    if (what === "stop") return this.showTraining();
    const { alpha, tau } = this.marked.dataset, row = what === "row", { map } = this;
    const question = { what: "networks", ...this.place, tau: row ? this.now.tau : Number(tau), alphas: row ? this.alphas : [Number(alpha)] };
    const known = new Set();
    this.training = new MapErrand(this.ask, question, (errand) => {
      errand.pieces.forEach((piece, k) => {
        if (!piece.point || known.has(k)) return;
        known.add(k);
        this.add(map, [piece.point]);
      });
      if (this.training === errand) this.showTraining(errand);
      if (map === this.map) this.draw();
    });
    this.showTraining(this.training);
  }

  /** A point that was there already is replaced. */
  add(map, points) {
    for (const point of points) {
      const same = (one) => mapSame(one.alpha, point.alpha) && mapSame(one.tau, point.tau) && one.seed === point.seed;
      map.points = [...map.points.filter((one) => point.seed === null || !same(one)), point];
    }
  }

  showTraining(errand) {
    const said = this.find(".map-progress"), stop = this.find("[data-train=stop]");
    const busy = Boolean(errand && !errand.done && !errand.ended), last = errand?.pieces.at(-1);
    stop.hidden = !busy;
    said.setAttribute("aria-live", busy ? "off" : "polite");
    const share = last ? Math.floor((100 * last.rounds) / last.of) : 0;
    said.style.setProperty("--filled", `${busy ? share : 0}%`);
    said.classList.toggle("busy", busy);
    const lost = errand?.pieces.filter((piece) => piece.lost).map((piece) => piece.lost) ?? [];
    if (!errand) said.textContent = "";
    else if (errand.error) said.textContent = errand.error;
    else if (busy) said.textContent = last?.rounds ? `Training: ${share} %` : "Training begins …";
    else said.textContent = ["The networks are on the curve.", ...lost].join(" ");
  }

  /** Points from a table; of several readings the last one counts. */
  async bring(table, name = "") {
    const turn = (this.reading = (this.reading ?? 0) + 1), said = this.find(".map-report"), { map } = this;
    said.textContent = "Reading …";
    try {
      const { text, said: left } = await table();
      const answer = await this.ask({ what: "points", text });
      if (turn !== this.reading) return;
      if (answer?.error) throw new Error(answer.error);
      if (!name) { // the box is read again and again while somebody types: its newest reading takes the last one's place
        const before = new Set(map.typed);
        map.points = map.points.filter((point) => !before.has(point));
        map.typed = answer.points;
      }
      this.add(map, answer.points);
      said.textContent = [left, ...answer.report].filter(Boolean).join(" ");
      if (map === this.map) this.draw();
    } catch (error) {
      if (turn === this.reading) said.textContent = `${name ? `“${name.slice(0, 60)}” cannot be read: ` : ""}${error.message || MAP_FAILS}`;
    }
  }

  save() {
    const said = this.find(".map-report"), { points } = this.map, names = ["alpha", "tau", "seed", "reward", "diversity", "w2"];
    if (!points.length) {
      said.textContent = "There are no points yet: train networks, or bring a table.";
      return;
    }
    const rows = points.map((point) => names.map((name) => point[name] ?? "").join(","));
    download(csv([names.join(","), ...rows].join("\r\n") + "\r\n"), "orwlab-points.csv");
    said.textContent = SAYS.done;
  }

  clear() {
    this.map.points = [];
    this.find(".map-report").textContent = "The points were removed.";
    this.draw();
  }

  /** A point of every place where there are networks. */
  trained() {
    return [...new Map(this.map.points.map((point) => [mapKey(point.alpha, point.tau), point])).values()];
  }
}

INSTRUMENTS.push((lab, ask) => new TradeOffMap(lab, ask));
