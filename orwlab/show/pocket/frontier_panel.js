// The panel "What the reward could buy": the frontier of E r, where the lanes are under it, and where they end.
//
// It asks its worker while it is open, see bests.js, and draws what it has.

import { escaped, minus, niceTicks, tickLabel } from "../stage/numerals.js";
import { isDark, THEMES } from "../stage/theme.js";
import { mostAt } from "./frontier_lines.js";

const TELL_EVERY = 2000; // ms between texts for those who listen to the picture
const TRY_AGAIN_AFTER = 1000; // ms
const NEAR = 26; // pixels from a mark that is meant
const MOST_SEEN = 400; // rounds of a lane that are remembered here
const MOST_POINTS = 400; // of a curve
const NO_KL = "a network's samples have no KL that could be read off; they do have a W₂².";
const WORDS_OF_DISTANCE = {
  kl: { axis: "distance from the reference: KL, in nats", said: (x) => `KL ${numberOf(x)} nats`, short: "KL, in nats" },
  w2: { axis: "distance from the reference: W₂², in squared units of the plane", said: (x) => `W₂² ${numberOf(x)}`, short: "W₂²" },
};

const numberOf = (x) => minus(Math.abs(x) >= 100 ? x.toFixed(0) : Math.abs(x) >= 10 ? x.toFixed(1) : x.toFixed(2));
const rewardOf = (x) => minus(x.toFixed(Math.abs(x) >= 100 ? 0 : 2));

/** A round number above `x`, of few. */
function roundAbove(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 1.5, 2, 3, 5, 7, 10].map((m) => m * power).find((end) => end >= x * 0.9999);
}

/** Whether a lane has gone on since it was measured. */
const isOld = ({ now, round }) => Boolean(now && now.round < round);

/** What could be had at a place, and how much of it the place has. */
function bestFor({ reward, distance }, frontier) {
  const most = mostAt(frontier, distance), [start] = frontier.reward, gain = Math.round(Math.min(100, (100 * (reward - start)) / (most - start)));
  return `the best possible there is ${rewardOf(most)}${most - start > 0.005 ? ` (it has ${minus(String(gain))} % of that gain)` : ""}`;
}

/** `root`: its details element; `ask(run, question)` -> promise of an answer of bests.js. */
export class FrontierPanel {
  constructor(root, ask) {
    Object.assign(this, { root, ask, distance: "kl", frontiers: {}, lanes: [], run: null, right: 0, read: null, asking: false });
    this.find = (selector) => root.querySelector(selector);
    this.chart = this.find(".frontier-chart");
    this.slider = this.find("[type=range]");
    root.addEventListener("toggle", () => this.look());
    root.addEventListener("change", ({ target }) => { if (target.name === "frontier-distance") this.turn(target.value); });
    this.slider.addEventListener("input", () => this.reads({ at: (this.right * this.slider.value) / this.slider.max }));
    for (const kind of ["pointermove", "pointerdown"]) this.chart.addEventListener(kind, (event) => this.points(event));
    this.chart.addEventListener("pointerleave", () => this.reads(null));
    new ResizeObserver(() => this.draw()).observe(this.chart);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributeFilter: ["class"] });
  }

  /** A picture of the run came. */
  painted(meta) {
    if (meta.run !== this.run) Object.assign(this, { run: meta.run, lanes: [], right: 0 });
    this.running = meta.state === "running";
    this.look();
  }

  turn(distance) {
    Object.assign(this, { distance, lanes: [], right: 0, read: null });
    this.draw();
    this.look();
  }

  /** Asks, if somebody looks; one question at a time. */
  async look() {
    if (!this.root.open || !this.run || this.run === "first") return;
    this.wanted = true;
    if (this.asking) return;
    this.asking = true;
    while (this.wanted && this.root.open) {
      this.wanted = false;
      const { run, distance } = this, have = this.frontiers[distance]?.version ?? "";
      try {
        this.takes(await this.ask(run, { distance, have }), run, distance);
      } catch {
        await new Promise((go) => { setTimeout(go, TRY_AGAIN_AFTER); });
      }
    }
    this.asking = false;
  }

  takes(answer, run, distance) {
    if (!answer.known || run !== this.run || distance !== this.distance) {
      this.wanted ||= answer.known;
      return;
    }
    if (answer.frontier) this.frontiers[distance] = { ...answer.frontier, version: answer.version };
    this.done = answer.done;
    this.lanes = this.followed(answer.lanes, `${run} ${answer.version.replace(/ \d+$/, "")}`);
    this.wanted ||= answer.more;
    this.draw();
  }

  /** Lanes with all of their ways that was seen here: the worker remembers some of the rounds. */
  followed(lanes, of) {
    const { ways } = this, back = lanes.some(({ now }, k) => now && now.round < (ways?.lanes[k]?.at ?? 0));
    if (ways?.of !== of || ways.lanes.length !== lanes.length || back) this.ways = { of, lanes: lanes.map(() => ({ at: 0, seen: new Map() })) };
    return lanes.map((lane, k) => {
      const { now, trail } = lane, way = this.ways.lanes[k];
      if (!now) return lane;
      way.at = now.round;
      if (way.seen.size < MOST_SEEN) way.seen.set(now.round, now);
      const all = new Map(way.seen);
      trail.round.forEach((round, i) => all.set(round, { distance: trail.distance[i], reward: trail.reward[i] }));
      const places = [...all.keys()].sort((a, b) => a - b).map((round) => all.get(round));
      return { ...lane, trail: { distance: places.map(({ distance }) => distance), reward: places.map(({ reward }) => reward) } };
    });
  }

  get frontier() { return this.frontiers[this.distance]; }

  // ---- what is where

  /** {X, Y, right, low, high, width, height, ...} of the picture. */
  scale() {
    const width = this.chart.clientWidth, height = Math.round(Math.max(250, Math.min(460, 0.62 * width)));
    const left = 48, top = 14, w = width - left - 16, h = height - top - 46, { frontier, lanes } = this;
    const places = lanes.flatMap(({ now, limit }) => [now, limit].filter(Boolean));
    const far = Math.max(...places.map(({ distance }) => distance), ...lanes.flatMap(({ trail }) => trail.distance), 0);
    const half = (frontier.reward[0] + frontier.highest) / 2, middle = frontier.distance.find((_, k) => frontier.reward[k] >= half) ?? 1;
    const wanted = roundAbove(Math.max(1.3 * far, 0.25 * middle, 1e-3));
    if (wanted > this.right || wanted < 0.45 * this.right) this.right = wanted; // it grows at once and shrinks late
    const rewards = [...places, ...lanes.flatMap(({ trail }) => trail.reward.map((reward) => ({ reward })))].map(({ reward }) => reward);
    const low = Math.min(frontier.reward[0], ...rewards), high = Math.max(mostAt(frontier, this.right), ...rewards), air = 0.08 * (high - low) || 0.5;
    const [y0, y1] = [low - air, high + 1.6 * air];
    const X = (x) => left + (Math.min(x, this.right) / this.right) * w, Y = (y) => top + ((y1 - y) / (y1 - y0)) * h;
    return { width, height, left, top, w, h, right: this.right, low: y0, high: y1, X, Y };
  }

  /** The curve of the frontier up to the right edge. */
  way({ X, Y, right }) {
    const { frontier, frontier: { distance, reward } } = this, shown = [];
    for (let k = 0; k < distance.length && shown.length < MOST_POINTS; k++) {
      if (distance[k] < right) shown.push([X(distance[k]), Y(reward[k])]);
    }
    shown.push([X(right), Y(mostAt(frontier, right))]);
    return shown.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");
  }

  colour(k) {
    const theme = THEMES[isDark(this.root) ? "dark" : "light"];
    return this.lanes.length === 1 ? theme.exact : theme.lanes[k];
  }

  // ---- the picture

  draw() {
    if (!this.root.open || !this.chart.clientWidth || !this.frontier || this.waits) return;
    this.waits = true;
    requestAnimationFrame(() => {
      this.waits = false;
      if (!this.frontier || !this.chart.clientWidth) return;
      const scale = this.scale();
      this.at = scale;
      this.chart.querySelector("svg").outerHTML = this.picture(scale);
      this.tell();
      this.showRead();
    });
  }

  picture(scale) {
    const { width, height, left, top, w, h, right, low, high, X, Y } = scale, { frontier, lanes, distance } = this, parts = [];
    const put = (x, y, text, kind = "") => parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}">${escaped(text)}</text>`);
    const across = niceTicks(0, right, w / 80), up = niceTicks(low, high, h / 52), way = this.way(scale);
    for (const tick of up.ticks) {
      parts.push(`<path class="rule" d="M${left},${Y(tick).toFixed(1)}H${left + w}"/>`);
      put(left - 7, Y(tick) + 4.5, tickLabel(tick, up.step), "end");
    }
    for (const tick of across.ticks) {
      parts.push(`<path class="rule" d="M${X(tick).toFixed(1)},${top}V${top + h}"/>`);
      put(X(tick), top + h + 17, tickLabel(tick, across.step), "middle");
    }
    put(left + w / 2, height - 7, WORDS_OF_DISTANCE[distance][width < 420 ? "short" : "axis"], "middle axis");
    parts.push(`<path class="beyond" d="${way}V${top}H${left}Z"/><path class="frontier-line" d="${way}"/>`);
    put(left + 8, top + 16, "no density can be here");
    const y = Y(frontier.reward[0]);
    parts.push(`<rect class="origin" x="${left - 4.5}" y="${(y - 4.5).toFixed(1)}" width="9" height="9"/>`);
    put(left + 9, y + (lanes.some(({ now }) => now && Y(now.reward) > y + 4) ? -8 : 17), "reference");
    lanes.forEach((lane, k) => parts.push(this.laneParts(lane, this.colour(k), scale)));
    return `<svg role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${escaped(this.told ?? "")}">` +
      `${parts.join("")}<g class="reading"></g></svg>`;
  }

  /** A lane's way, where it is, and where it ends. */
  laneParts({ now, round, trail, limit }, colour, { X, Y }) {
    const places = trail.distance.map((x, k) => `${k ? "L" : "M"}${X(x).toFixed(1)},${Y(trail.reward[k]).toFixed(1)}`).join("");
    const here = now && [X(now.distance), Y(now.reward)].map((value) => value.toFixed(1)), end = places ? `${places}L${here.join(",")}` : "";
    const read = trail.distance.map((x, k) => `M${X(x).toFixed(1)},${Y(trail.reward[k]).toFixed(1)}h0`).join("");
    const parts = [`<path class="trail" d="${end}" stroke="${colour}"/><path class="read" d="${read}" stroke="${colour}"/>`];
    if (limit) {
      const [x, y] = [X(limit.distance), Y(limit.reward)].map((value) => value.toFixed(1));
      parts.push(`<path class="gap" stroke="${colour}" d="M${x},${y}V${Y(mostAt(this.frontier, limit.distance)).toFixed(1)}"/>`);
      parts.push(`<circle class="limit" cx="${x}" cy="${y}" r="9" stroke="${colour}"/>`);
    }
    const kind = isOld({ now, round }) ? "now old" : "now";
    if (here) parts.push(`<circle class="${kind}" cx="${here[0]}" cy="${here[1]}" r="5.5" fill="${colour}" style="--lane: ${colour}"/>`);
    return parts.join("");
  }

  // ---- reading off

  points({ clientX, clientY }) {
    if (!this.at) return;
    const box = this.chart.getBoundingClientRect(), [x, y] = [clientX - box.left, clientY - box.top], { X, Y, left, w, right } = this.at;
    const marks = this.lanes.flatMap((lane, k) => ["now", "limit"].map((what) => ({ k, what, place: lane[what] }))).filter(({ place }) => place);
    const away = ({ place }) => Math.hypot(X(place.distance) - x, Y(place.reward) - y);
    const [mark] = marks.sort((a, b) => away(a) - away(b));
    if (mark && away(mark) < NEAR) this.reads({ k: mark.k, what: mark.what });
    else this.reads({ at: Math.min(right, Math.max(0, ((x - left) / w) * right)) });
  }

  reads(read) {
    this.read = read;
    if (read?.at !== undefined) this.slider.value = Math.round((this.slider.max * read.at) / this.right);
    this.showRead();
  }

  showRead() {
    const { read, frontier, at: scale } = this, group = this.chart.querySelector(".reading"), line = this.find(".frontier-read");
    if (!frontier || !scale || !group) return;
    const lane = read?.what && this.lanes[read.k], place = lane ? lane[read.what] : null, x = place?.distance ?? read?.at;
    const { said } = WORDS_OF_DISTANCE[this.distance];
    this.slider.setAttribute("aria-valuetext", said((this.right * this.slider.value) / this.slider.max));
    if (x === undefined) {
      group.innerHTML = "";
      line.textContent = "";
      return;
    }
    const most = mostAt(frontier, x), { X, Y, top, h } = scale;
    group.innerHTML = `<path d="M${X(x).toFixed(1)},${top}V${top + h}"/><circle cx="${X(x).toFixed(1)}" cy="${Y(most).toFixed(1)}" r="4"/>`;
    const who = place ? `${lane.label}, ${read.what === "now" ? `round ${place.round}` : "its limit"}: reward ${rewardOf(place.reward)} at ` : "At ";
    const text = `${who}${said(x)}${place ? "" : " from the reference"}: at most ${rewardOf(most)}.`;
    if (line.textContent !== text) line.textContent = text;
  }

  // ---- in words

  tell() {
    const list = this.find(".frontier-lanes"), { lanes } = this, said = lanes.map((lane) => this.sentences(lane));
    while (list.children.length > lanes.length) list.lastChild.remove();
    while (list.children.length < lanes.length) list.append(document.createElement("li"));
    said.forEach((text, k) => {
      const item = list.children[k];
      item.style.setProperty("--lane", this.colour(k));
      if (item.textContent !== text) item.textContent = text;
    });
    this.find(".key-old").hidden = this.distance !== "w2";
    this.find(".frontier-state").textContent = this.done ? "" : "The frontier is being worked out …";
    if (performance.now() - (this.toldAt ?? -Infinity) < TELL_EVERY && this.running) return;
    this.toldAt = performance.now();
    const { axis } = WORDS_OF_DISTANCE[this.distance], { frontier } = this;
    this.told = `Mean reward over ${axis}. The frontier rises from ${rewardOf(frontier.reward[0])} at the reference to ` +
      `${rewardOf(mostAt(frontier, this.right))} at ${numberOf(this.right)}. ${said.join(" ")}`;
    this.chart.querySelector("svg").setAttribute("aria-label", this.told);
  }

  /** What the picture says of a lane. */
  sentences({ label, now, round, limit, coupling, learned }) {
    const { frontier } = this, { said } = WORDS_OF_DISTANCE[this.distance];
    const place = (one) => `reward ${rewardOf(one.reward)} for ${said(one.distance)}; ${bestFor(one, frontier)}`;
    const end = `${learned ? "A perfect one" : "It"} ends ${limit?.resolved ? "at" : "near"}`;
    const when = isOld({ now, round }) ? `as measured in round ${now.round} (now ${round})` : `round ${now?.round}`;
    const here = now ? `${label}, ${when}: ${place(now)}.` : `${label}: ${NO_KL}`;
    const there = limit && now && !learned && place(limit) === place(now) ? " There it ends." : limit ? ` ${end} ${place(limit)}.` : "";
    if (!coupling) return `${here}${there}`;
    const pairs = `best pairing W₂² ${numberOf(coupling.paired)} ≤ ${numberOf(coupling.coupled)} as the noise pairs them, the coupled cost.`;
    return `${here}${there} Of 256 samples and the reference's, from the same noise: ${pairs} The dot's ${numberOf(now.distance)} is of other points.`;
  }
}
