// The Bound lab's instrument: the ladder of bounds now, over training and over alpha, and where one rung is lost.
//
// A frame's meta.ladder is described in ladders.py; logarithms come as natural ones and are shown to base 10 here. What
// is known of exact limits over alpha is asked for again and again, while somebody looks at it.

const ASK_AGAIN = 1500; // ms
const TRY_AGAIN = 5000; // ms until what failed is tried again
const STILL = 700; // ms without a change before other limits are asked for: somebody may be dragging
const TIGHT = ["empirical", "coupled", "secant", "flow_map"];
const SUPREMA = ["one_sided", "minkowski", "time_varying", "global_lipschitz"];
const HEAT = 64; // cells a side of the map
const BLUR = 0.045; // of the map's side: how far a particle's share is spread
const RAMPS = {
  light: [[255, 255, 255], [150, 205, 240], [0, 114, 178], [0, 38, 70]],
  dark: [[11, 15, 22], [0, 74, 124], [86, 180, 233], [255, 255, 255]],
};
const NOUGHT = -30; // log10 of what is drawn as 0

const tenth = (log) => (log === null || log === undefined ? -Infinity : log / Math.LN10);
const shareWord = (share) => (Math.abs(share) >= 0.095 || Math.abs(share) < 5e-4 ? `${Math.round(100 * share)} %` : `${(100 * share).toFixed(1)} %`);

/** A bound, given its logarithm to base 10. */
function boundWord(log) {
  if (log < NOUGHT) return "0";
  if (log >= 4 || log < -3) {
    const digit = Math.round(10 ** (log - Math.floor(log))), power = Math.floor(log) + (digit === 10 ? 1 : 0);
    return `${digit === 1 || digit === 10 ? "" : `${digit}·`}10${superscript(power)}`;
  }
  const value = 10 ** log;
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(value < 0.1 ? 2 : 3)));
}

/** Ticks of a logarithmic axis of `pixels`: [log10, words]. */
function decades(low, high, pixels) {
  const apart = pixels / (high - low), step = [1, 2, 5, 10, 20, 50, 100, 200].find((n) => n * apart >= 34) ?? 500;
  const found = [];
  for (let n = Math.ceil(low / step) * step; n <= high + 1e-9; n += step) {
    found.push([n, plainPower(1, n)]);
    if (apart < 150) continue;
    for (const m of [2, 5]) {
      const at = n + Math.log10(m);
      if (at < high) found.push([at, n >= -2 && n < 3 ? String(Number((m * 10 ** n).toPrecision(1))) : `${m}·10${superscript(n)}`]);
    }
  }
  return found;
}

/** Whole decades around some logarithms; tens of them where they reach far. */
function spanOf(logs) {
  const there = logs.filter((log) => log > NOUGHT);
  if (!there.length) return [-2, 2];
  const low = Math.floor(2 * Math.min(...there) - 0.2) / 2, top = Math.max(...there) + 0.3;
  const high = top - low > 12 ? 5 * Math.ceil(top / 5) : Math.ceil(2 * top) / 2;
  return [low, Math.max(high, low + 1)];
}

class BoundLab {
  constructor(lab, ask) {
    Object.assign(this, { lab, ask });
    this.root = lab.find(".bounds");
    this.find = (selector) => this.root.querySelector(selector);
    this.words = JSON.parse(this.root.dataset.rungs);
    this.names = Object.keys(this.words);
    this.rows = Object.fromEntries([...this.root.querySelectorAll("[data-rung]")].map((row) => [row.dataset.rung, row]));
    this.penalty = this.find(".rung.penalty");
    this.picked = { view: "now", span: "all", lane: 0 };
    this.rung = this.find("[name=rung]:checked").value;
    this.limits = { key: "", pieces: [], done: false, error: "", of: 0 };
    this.root.addEventListener("change", ({ target }) => this.picks(target));
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.draw();
  }

  picks(input) {
    if (input.name === "rung") this.rung = input.value;
    else if (input.name?.startsWith("bounds-")) {
      const what = input.name.slice("bounds-".length);
      this.picked[what] = what === "lane" ? Number(input.value) : input.value;
    } else return;
    this.draw();
  }

  // ---- what comes in

  painted(meta) {
    this.meta = meta;
    const ladder = meta.ladder ?? { said: "", lanes: [] };
    const signature = JSON.stringify([
      ladder.said, ladder.lanes.map(({ round, alpha, said, w2 }) => [round, alpha, said, w2]), ladder.history?.rounds.at(-1),
      meta.lanes.map(({ label, limit }) => [label, limit?.text]), meta.view, isDark(this.root),
    ]);
    if (signature === this.signature) return this.tellWhen();
    this.signature = signature;
    this.ladder = ladder;
    this.arrays = { x: this.lab.stage.arrays["ladder x"], shares: this.lab.stage.arrays["ladder shares"] };
    this.offerLanes(meta.lanes);
    this.draw();
  }

  begun() {
    this.picked.lane = 0;
    const [first] = this.root.querySelectorAll("[name=bounds-lane]");
    if (first) first.checked = true;
    this.askLimits();
  }

  chosen() {
    this.askLimits();
  }

  offerLanes(lanes) {
    const box = this.find("[data-pick=lane]"), words = lanes.map(({ label }) => label).join("|");
    if (box.dataset.words === words) return;
    box.dataset.words = words;
    box.hidden = lanes.length < 2;
    if (this.picked.lane >= lanes.length) this.picked.lane = 0;
    box.querySelector(".options").replaceChildren(...lanes.map(({ label }, k) => {
      const option = document.createElement("label"), input = document.createElement("input"), word = document.createElement("span");
      Object.assign(input, { type: "radio", name: "bounds-lane", value: String(k), checked: k === this.picked.lane });
      word.textContent = label;
      option.append(input, word);
      return option;
    }));
  }

  get lane() {
    return this.ladder?.lanes[this.picked.lane];
  }

  /** The logarithm of W2^2 that is known without samples: [log10, words], or none and why. */
  get exact() {
    const { now = null, limit = null } = this.lane?.w2 ?? {};
    if (now > 0) return [Math.log10(now), "exact W₂² now, of densities on a grid"];
    if (limit > 0) return [Math.log10(limit), "exact W₂² of the limit, where a perfect network would settle"];
    return [-Infinity, this.meta?.lanes[this.picked.lane]?.limit?.text ?? ""];
  }

  // ---- exact limits over alpha

  askLimits() {
    if (this.picked.view !== "alpha" || this.asking) return;
    const { target, reward, weighting, tau } = Object.fromEntries(
      ["target", "reward", "weighting", "tau"].map((name) => [name, this.lab.controls[name].value]));
    const key = JSON.stringify([target, reward, weighting, tau]);
    if (key !== this.limits.key) {
      this.still = this.limits.key ? performance.now() + STILL : 0;
      this.limits = { key, pieces: [], done: false, error: "", of: 0 };
    }
    if (this.limits.done || !this.root.isConnected) return;
    if (performance.now() < this.still) return this.askLater(STILL);
    const limits = this.limits;
    this.asking = true;
    this.ask({ what: "ladder", target, reward, weighting, tau, from: limits.pieces.length }).then(
      ({ pieces = [], done = false, error = "", of = 0, again = false }) => {
        limits.pieces.push(...pieces);
        Object.assign(limits, { done: (done || Boolean(error)) && !again, error, of, again });
      },
      () => {}, // no answer: it is asked again
    ).finally(() => {
      this.asking = false;
      this.drawBoard();
      this.askLater(limits.again ? TRY_AGAIN : ASK_AGAIN);
    });
  }

  askLater(wait) {
    clearTimeout(this.later); // whoever draws asks as well: one clock is enough
    this.later = setTimeout(() => this.askLimits(), wait);
  }

  // ---- drawing

  draw() {
    if (!this.root.clientWidth) return;
    this.find(".bounds-board").dataset.view = this.picked.view;
    this.drawBoard();
    this.tell();
    this.drawTable();
    this.askLimits();
  }

  drawBoard() {
    this.tellWhen();
    if (this.picked.view === "now") this.drawNow();
    else if (this.picked.view === "training") this.drawTraining();
    else this.drawLimits();
    this.drawLegend();
  }

  tellWhen() {
    const { lane, ladder, meta } = this, { view } = this.picked, { pieces, of, done, error } = this.limits;
    let text = ladder?.said || lane?.said || "";
    if (view === "alpha") {
      text = "Exact limits, no network: each dot is a perfect network at its α. ";
      if (pieces.length > 1) text += "Estimated rungs jump: which steep places a sample finds is chance. ";
      if (error) text = error;
      else if (!done) text += `${pieces.length} of ${of || "six"} worked out; some ten seconds each.`;
      text += pieces.filter(({ said }) => said).map(({ alpha, said }) => ` α = ${alpha}: ${said}.`).join("");
    } else if (!text && lane) {
      text = `After round ${lane.round}, ${meta.lanes[this.picked.lane]?.label || `α = ${lane.alpha}`}, on ${ladder.n} particles.`;
      if (meta.round > lane.round) text += ` Now round ${meta.round}.`;
    } else if (!text) text = "The bounds are measured every 25 rounds.";
    const line = this.find(".bounds-when");
    if (line.textContent !== text) line.textContent = text;
  }

  drawLegend() {
    const [log, words] = this.exact, legend = this.find(".bounds-legend"), there = log > -Infinity && this.picked.view !== "alpha";
    const text = this.picked.view === "alpha" ? "exact W₂² of the limits, of densities on a grid" : there ? `${words}: ${boundWord(log)}` : words && `No exact W₂²: ${words.replace(/^no limit: /, "")}`;
    legend.classList.toggle("none", !there && this.picked.view !== "alpha");
    legend.querySelector(".exact-word").textContent = text;
  }

  drawNow() {
    const { ladder, lane } = this, others = (ladder?.lanes ?? []).filter((other) => other.log && other !== lane);
    const tight = this.picked.span === "tight", shown = tight ? TIGHT : this.names, [exact] = this.exact;
    const logs = [lane, ...others].filter((one) => one?.log)
      .flatMap((one) => [...shown.map((name) => tenth(one.log[name])), Math.log10(one.penalty)]);
    const [low, high] = spanOf([...logs, exact]), at = (log) => Math.min(1, Math.max(0, (log - low) / (high - low)));
    for (const name of this.names) {
      const row = this.rows[name], log = lane?.log ? tenth(lane.log[name]) : null;
      row.classList.toggle("certified", lane?.certified?.[name] ?? false);
      row.classList.toggle("known", log !== null);
      row.classList.toggle("beyond", log !== null && log > high);
      row.style.setProperty("--at", `${100 * at(log ?? low)}%`);
      row.querySelector(".word").textContent = log === null ? "–" : lane.certified[name] ? "certified" : "estimated";
      row.querySelector(".value").textContent = log === null ? "–" : boundWord(log);
      const track = row.querySelector(".track");
      for (const mark of track.querySelectorAll(".other")) mark.remove();
      for (const other of others) {
        const mark = document.createElement("i");
        mark.className = "other";
        mark.title = `α = ${other.alpha}: ${boundWord(tenth(other.log[name]))}`;
        mark.style.setProperty("--at", `${100 * at(tenth(other.log[name]))}%`);
        track.append(mark);
      }
    }
    const penalty = lane?.log && lane.penalty > 0 ? Math.log10(lane.penalty) : null;
    this.penalty.classList.toggle("known", penalty !== null);
    this.penalty.style.setProperty("--at", `${100 * at(penalty ?? low)}%`);
    this.penalty.querySelector(".value").textContent = penalty === null ? "–" : boundWord(penalty);
    const place = (log) => `left:${(100 * at(log)).toFixed(2)}%`, axis = this.find(".rungs-axis");
    const ticks = decades(low, high, axis.clientWidth || 200);
    this.find(".rungs-lines").innerHTML = ticks.map(([log]) => `<i style="${place(log)}"></i>`).join("") +
      (exact > -Infinity ? `<b style="${place(exact)}"></b>` : "");
    axis.innerHTML = ticks.map(([log, word]) => `<span style="${place(log)}">${word}</span>`).join("");
  }

  /** A chart's lines: of every rung [log10 or -Infinity, ...], and of the penalty. */
  linesOf(certified, logsOf) {
    const lines = this.names.map((name) => ({
      name, label: this.words[name].label, kind: certified(name) ? "certified" : "estimated", ys: logsOf(name),
    }));
    return [...lines, { name: "penalty", label: "penalty", kind: "penalty", ys: logsOf("penalty") }];
  }

  drawTraining() {
    const { history } = this.ladder ?? {}, k = this.picked.lane, xs = history?.rounds ?? [], [exact] = this.exact;
    const lines = this.linesOf((name) => this.lane?.certified?.[name], (name) => (history?.log[name][k] ?? []).map(tenth));
    this.drawChart({ xs, lines, exact: xs.map(() => exact), across: "round", alone: "The curves begin with the second ladder." });
  }

  drawLimits() {
    const pieces = this.limits.pieces.filter(({ log }) => log).toSorted((a, b) => a.alpha - b.alpha);
    const logsOf = (name) => pieces.map((one) => (name === "penalty" ? Math.log10(one.penalty) : tenth(one.log[name])));
    const lines = this.linesOf((name) => pieces.some(({ certified }) => certified[name]), logsOf);
    const learned = (this.ladder?.lanes ?? []).filter((lane) => lane.log && lane.alpha > 0)
      .map((lane) => ({ x: Math.log10(lane.alpha), y: tenth(lane.log[this.rung]) }));
    const exact = pieces.map(({ w2 }) => (w2 > 0 ? Math.log10(w2) : -Infinity));
    this.drawChart({ xs: pieces.map(({ alpha }) => Math.log10(alpha)), lines, exact, learned, across: "α", powers: true,
      alone: pieces.length ? "The curves begin with the second α." : "The first α is being worked out." });
  }

  drawChart({ xs, lines, exact, learned = [], across, powers = false, alone }) {
    const box = this.find(".bounds-chart"), width = box.clientWidth;
    if (!width) return;
    const tight = this.picked.span === "tight", kept = lines.filter(({ name }) => !tight || !SUPREMA.includes(name));
    const height = Math.max(300, Math.min(420, 0.62 * width)), left = 46, right = xs.length > 1 ? 156 : 20, top = 22, below = 38;
    const w = width - left - right, h = height - top - below;
    const [low, high] = spanOf([...kept.flatMap(({ ys }) => ys), ...exact]);
    const x0 = Math.min(...xs), x1 = Math.max(...xs);
    const px = (x) => left + (x1 > x0 ? (x - x0) / (x1 - x0) : 0.5) * w;
    const py = (y) => top + (1 - (Math.min(high, Math.max(low, y)) - low) / (high - low)) * h;
    const parts = [], put = (x, y, word, kind = "") => parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${word}</text>`);
    for (const [y, word] of decades(low, high, 1.1 * h)) {
      parts.push(`<line class="grid" x1="${left}" x2="${left + w}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}"/>`);
      put(left - 6, py(y) + 4, word, "left");
    }
    put(4, 13, "bound on W₂², logarithmic", "title");
    put(left + w / 2, height - 4, powers ? "α, logarithmic" : across, "middle");
    if (xs.length < 2) {
      put(width / 2, top + h / 2, alone, "middle");
    } else {
      const ticks = powers ? xs.map((x) => [x, String(Number((10 ** x).toPrecision(2)))]) : niceTicks(x0, x1, Math.max(2, w / 90)).ticks.map((x) => [x, String(x)]);
      for (const [x, word] of ticks) put(px(x), top + h + 16, word, "middle");
    }
    const path = (ys) => ys.map((y, i) => (y > NOUGHT ? `${i && ys[i - 1] > NOUGHT ? "L" : "M"}${px(xs[i]).toFixed(1)},${py(y).toFixed(1)}` : "")).join("");
    const ordered = [...kept.filter(({ name }) => name !== this.rung), ...kept.filter(({ name }) => name === this.rung)];
    for (const { name, kind, ys } of ordered) {
      const state = `${kind}${name === this.rung ? " chosen" : ""}`;
      parts.push(`<path class="${state}" d="${path(ys)}"/>`);
      ys.forEach((y, i) => {
        if (y > NOUGHT) parts.push(`<circle class="${state}" cx="${px(xs[i]).toFixed(1)}" cy="${py(y).toFixed(1)}" r="${name === this.rung ? 4.5 : 3}"/>`);
      });
    }
    if (xs.length) parts.push(`<path class="exact" d="${path(exact)}"/>`);
    for (const { x, y } of learned) {
      if (x < x0 - 0.01 || x > x1 + 0.01 || xs.length < 2 || y < NOUGHT || y > high) continue;
      parts.push(`<rect class="learned" x="${(px(x) - 6).toFixed(1)}" y="${(py(y) - 6).toFixed(1)}" width="12" height="12"/>`);
      put(px(x), py(y) - 12, "learned now", "middle");
    }
    this.nameLines(parts, kept.filter(({ ys }) => ys.at(-1) > NOUGHT), { py, at: left + w, top, high: top + h, end: xs.length > 1 });
    const name = `${across === "α" ? "Exact limits over α" : "The rungs over training"}: ${kept.map(({ label, ys }) => `${label} ${ys.length ? `${boundWord(ys[0])} to ${boundWord(ys.at(-1))}` : "–"}`).join(", ")}`;
    box.innerHTML = `<svg role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${escaped(name)}">${parts.join("")}</svg>`;
  }

  /** The lines' names at their right ends, as far apart as words must be. */
  nameLines(parts, lines, { py, at, top, high, end }) {
    if (!end) return;
    const apart = 14, places = lines.map((line) => ({ ...line, y: py(line.ys.at(-1)), to: py(line.ys.at(-1)) })).toSorted((a, b) => a.y - b.y);
    places.forEach((place, k) => { place.to = Math.max(place.to, k ? places[k - 1].to + apart : top); });
    let limit = high + 8;
    for (const place of places.toReversed()) {
      place.to = Math.min(place.to, limit);
      limit = place.to - apart;
    }
    for (const { name, label, kind, y, to } of places) {
      parts.push(`<path class="leader" d="M${at + 6},${y.toFixed(1)}L${at + 14},${to.toFixed(1)}"/>`);
      parts.push(`<text class="${kind}${name === this.rung ? " chosen" : ""}" x="${at + 17}" y="${(to + 4).toFixed(1)}">${label}</text>`);
    }
  }

  // ---- one rung

  tell() {
    const { lane, rung } = this, words = this.words[rung], log = lane?.log ? tenth(lane.log[rung]) : null;
    this.find("#rung-title").textContent = words.label;
    this.find(".rung-told").classList.toggle("certified", lane?.certified?.[rung] ?? false);
    this.find(".rung-formula").textContent = words.formula;
    let beside = "";
    if (log !== null && words.beside) {
      const factor = log - tenth(lane.log[words.beside]);
      if (Number.isFinite(factor)) beside = ` Here that costs a factor of ${boundWord(factor)} on top of ${this.words[words.beside].label}.`;
    }
    const sign = lane?.certified ? (lane.certified[rung] ? "Certified. " : "Estimated. ") : "";
    this.find(".rung-words").innerHTML = `<b>${sign}</b><b>Assumes:</b> ${escaped(words.assumes)} <b>${words.beside ? "Loses:" : "Is:"}</b> ${escaped(words.loses)}${escaped(beside)}`;
    this.find(".rung-where").hidden = log === null;
    this.find(".rung-half").hidden = log === null;
    if (log === null) return;
    const times = lane.times[rung], shares = this.sharesOf(this.picked.lane, rung);
    this.drawTimes(times, this.ratesOf(lane));
    const densest = this.drawSpace(this.pointsOf(this.picked.lane), shares);
    const half = this.halfOf(shares), n = shares.length;
    let text = `Half of it comes from ${half} of ${n} particles; in time, most comes from t = ${mostOf(times)}.`;
    if (rung === "empirical") text += " Samples alone have no shares: these are the coupled cost's.";
    if (SUPREMA.includes(rung)) {
      const [t, x, y] = lane.steepest, most = Math.max(...lane.lipschitz);
      const pulled = `at t = ${t.toFixed(2)} v_ref pulls points near (${x.toFixed(1)}, ${y.toFixed(1)}), marked ×, apart at the rate ` +
        `μ = ${Math.max(...lane.log_norm).toFixed(0)}`;
      const when = (lane.lipschitz.indexOf(most) / (lane.lipschitz.length - 1)).toFixed(2);
      text += " But its size comes from the steepest places: " + (rung === "one_sided" ? pulled : `L is up to ${most.toFixed(0)}, at t = ${when}; ${pulled}`) +
        ". Everybody counts as if they passed the steepest place.";
    }
    if (rung === "flow_map" && lane.problem) text += " It is not certified here: a particle crosses from one mode to another faster than the numbers resolve.";
    this.find(".rung-half").textContent = text;
    this.find(".rung-space canvas").setAttribute("aria-label",
      `${words.label}: half of it comes from ${half} of ${n} particles, most of them near (${densest.map((c) => c.toFixed(1)).join(", ")})`);
  }

  /** What a rung with a supremum takes for everybody's stretching: [words, a rate for each time], or null. */
  ratesOf(lane) {
    if (!SUPREMA.includes(this.rung)) return null;
    if (this.rung === "one_sided") return ["μ(t)", lane.log_norm];
    const most = Math.max(...lane.lipschitz);
    return this.rung === "global_lipschitz" ? ["L", lane.lipschitz.map(() => most)] : ["L(t)", lane.lipschitz];
  }

  sharesOf(lane, rung) {
    const { data, shape: [, rungs, n] } = this.arrays.shares, first = (lane * rungs + this.names.indexOf(rung)) * n;
    return data.subarray(first, first + n);
  }

  pointsOf(lane) {
    const { data, shape: [, n] } = this.arrays.x;
    return data.subarray(2 * lane * n, 2 * (lane + 1) * n);
  }

  /** How many particles have half of the bound. */
  halfOf(shares) {
    let sum = 0, count = 0;
    for (const share of shares.toSorted((a, b) => b - a)) {
      if (sum >= 0.5) break;
      sum += share;
      count++;
    }
    return count;
  }

  drawTimes(times, rates) {
    const box = this.find(".rung-time div"), width = box.clientWidth || 240, left = 8, strip = rates ? 58 : 0, below = 34;
    const height = 150 + strip, top = 18 + strip;
    const high = Math.max(...times, 0.01), low = Math.min(0, ...times), w = (width - 2 * left) / times.length;
    const py = (y) => top + ((high - y) / (high - low)) * (height - top - below);
    const bars = times.map((share, k) => {
      const x = left + k * w, y = Math.min(py(share), py(0)), h = Math.abs(py(share) - py(0));
      const word = w > 30 ? shareWord(share) : String(Math.round(100 * share));
      return `<rect x="${(x + 1.5).toFixed(1)}" y="${y.toFixed(1)}" width="${(w - 3).toFixed(1)}" height="${Math.max(h, 0.5).toFixed(1)}"/>` +
        `<text class="middle" x="${(x + w / 2).toFixed(1)}" y="${(y - 4).toFixed(1)}">${word}</text>`;
    });
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((t) => `<text class="middle" x="${(left + t * (width - 2 * left)).toFixed(1)}" y="${height - 18}">${t}</text>`);
    const words = `<text class="middle" x="${width / 2}" y="${height - 3}">flow time t${w > 30 ? ": noise at 0, data at 1" : "; shares in %"}</text>`;
    const line = rates ? this.rateLine(rates, { left, top: 20, w: width - 2 * left, h: strip - 20 }) : "";
    const name = `Shares by flow time: ${times.map((share, k) => `${k / 8} to ${(k + 1) / 8}: ${shareWord(share)}`).join(", ")}`;
    box.innerHTML = `<svg role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${name}"><line class="grid" x1="${left}" x2="${width - left}" y1="${py(0)}" y2="${py(0)}"/>${bars.join("")}${ticks.join("")}${words}${line}</svg>`;
  }

  /** The rate at which a rung has everybody stretched: a strip above the bars, with a scale of its own. */
  rateLine([word, rates], { left, top, w, h }) {
    const most = Math.max(...rates), low = Math.min(0, ...rates), steps = rates.length - 1;
    const places = rates.map((rate, k) => `${(left + (k / steps) * w).toFixed(1)},${(top + ((most - rate) / (most - low)) * h).toFixed(1)}`);
    const ground = top + (most / (most - low)) * h;
    return `<path class="under" d="M${left},${ground}L${places.join("L")}L${left + w},${ground}Z"/><path class="rate" d="M${places.join("L")}"/>` +
      `<text class="rate" x="${left}" y="12">stretching rate: ${word} up to ${most.toFixed(0)}</text>`;
  }

  /** The map of shares over the plane, each spread a little; returns where it is densest. */
  drawSpace(points, shares) {
    const canvas = this.find(".rung-space canvas"), dark = isDark(this.root), ratio = devicePixelRatio || 1;
    const side = canvas.clientWidth || 200, [x0, x1, y0, y1] = this.meta.view, cell = (x1 - x0) / HEAT;
    const field = new Float64Array(HEAT * HEAT), sigma = BLUR * (x1 - x0), across = new Float64Array(HEAT), up = new Float64Array(HEAT);
    for (let i = 0; i < shares.length; i++) {
      if (shares[i] < 1e-7) continue;
      for (let k = 0; k < HEAT; k++) {
        across[k] = Math.exp(-(((x0 + (k + 0.5) * cell - points[2 * i]) / sigma) ** 2) / 2);
        up[k] = Math.exp(-(((y0 + (k + 0.5) * cell - points[2 * i + 1]) / sigma) ** 2) / 2);
      }
      for (let j = 0; j < HEAT; j++) {
        const row = shares[i] * up[j];
        if (row > 1e-9) for (let k = 0; k < HEAT; k++) field[j * HEAT + k] += row * across[k];
      }
    }
    const most = field.reduce((a, b) => Math.max(a, b), 0), where = field.indexOf(most);
    canvas.width = canvas.height = Math.round(side * ratio);
    const ctx = canvas.getContext("2d"), plot = { x: 0, y: 0, w: side, h: side };
    ctx.scale(ratio, ratio);
    ctx.imageSmoothingQuality = "high";
    ctx.drawImage(heatImage(field, most, RAMPS[dark ? "dark" : "light"]), 0, 0, side, side);
    const scene = this.lab.stage.scene, ink = dark ? "rgba(238,242,247,0.75)" : "rgba(27,36,48,0.6)";
    if (scene) drawContours(ctx, plot, this.meta.view, scene.contours, ink, 1.3);
    if (SUPREMA.includes(this.rung)) this.drawCross(ctx, side, dark);
    this.find(".rung-scale .most").textContent = `${shareWord(most / (2 * Math.PI * sigma * sigma))} per unit of area`;
    return [x0 + ((where % HEAT) + 0.5) * cell, y0 + (Math.floor(where / HEAT) + 0.5) * cell];
  }

  drawCross(ctx, side, dark) {
    const [, x, y] = this.lane.steepest, [x0, x1, y0, y1] = this.meta.view;
    const px = ((x - x0) / (x1 - x0)) * side, py = ((y1 - y) / (y1 - y0)) * side;
    for (const [color, width] of [[dark ? "#0b0f16" : "#ffffff", 6], [dark ? "#ff8b4d" : "#bf4e00", 3]]) {
      Object.assign(ctx, { strokeStyle: color, lineWidth: width, lineCap: "round" });
      ctx.beginPath();
      for (const way of [1, -1]) {
        ctx.moveTo(px - 7, py - 7 * way);
        ctx.lineTo(px + 7, py + 7 * way);
      }
      ctx.stroke();
    }
  }

  drawTable() {
    const { lane } = this;
    this.find(".bounds-table tbody").innerHTML = this.names.map((name) => {
      const known = lane?.log, log = known ? boundWord(tenth(lane.log[name])) : "–", kind = known ? (lane.certified[name] ? "certified" : "estimated") : "–";
      return `<tr><th scope="row">${this.words[name].label}</th><td>${log}</td><td>${kind}</td><td>${known ? `t = ${mostOf(lane.times[name])}` : "–"}</td></tr>`;
    }).join("");
  }
}

/** The cell of flow time with most of a bound. */
function mostOf(times) {
  const k = times.indexOf(Math.max(...times)), t = (n) => String(Number((n / times.length).toFixed(3)));
  return `${t(k)} to ${t(k + 1)} (${shareWord(times[k])})`;
}

function heatImage(field, most, ramp) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = HEAT;
  const ctx = canvas.getContext("2d"), image = ctx.createImageData(HEAT, HEAT);
  for (let j = 0; j < HEAT; j++) {
    for (let i = 0; i < HEAT; i++) {
      const s = (most > 0 ? field[j * HEAT + i] / most : 0) * (ramp.length - 1), k = Math.min(ramp.length - 2, Math.floor(s));
      const at = 4 * ((HEAT - 1 - j) * HEAT + i); // images count rows from the top
      for (let c = 0; c < 3; c++) image.data[at + c] = ramp[k][c] + (s - k) * (ramp[k + 1][c] - ramp[k][c]);
      image.data[at + 3] = 255;
    }
  }
  ctx.putImageData(image, 0, 0);
  return canvas;
}

INSTRUMENTS.push((lab, ask) => new BoundLab(lab, ask));
