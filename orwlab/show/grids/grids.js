// Grids of images beside the reference's, from the same noise; numbers, a verdict in words, curves; and on a click the way
// of an image from its noise.
//
//   const grids = createGrids(root, { path: (lane, k) => Promise });
//   grids.receive(frame);   // of ImageSession.frame, in order
//
// path answers as ImageSession.path does; an answer with "error" is said.

import { minus } from "./numerals.js";
import { THEMES, isDark } from "./theme.js";
import { drawCurves } from "./curves.js";

const GAP = 8; // a gap between images is 1/GAP of an image
const LARGEST_BOARD = 0.46; // of the window's height; presented:
const LARGEST_SHOWN = 0.6;
const KEPT_POINTS = 800;
const BESIDE = 760; // px of width from which the curves of one lane stand beside its images
const CURVES = 260; // px that they need there
const SPACE = 18; // px between boards
const ALIVE = 1000; // ms between two looks at how long something takes

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const tellOnce = (element, text) => { if (element.textContent !== text) element.textContent = text; };

const valueIn = (value, kind) => {
  if (value === undefined) return "–";
  return minus(value.toFixed(kind === "count" ? 0 : 2));
};

/** A label within a sentence; CLIP stays CLIP. */
const inSentence = (label) => (/^.[a-z]/.test(label) ? label[0].toLowerCase() + label.slice(1) : label);

/** By how much a score falls, in words; a dash where nothing can be left out. */
const fallIn = (value) => {
  if (value === null) return "–";
  const size = Math.abs(value).toFixed(2);
  return size === "0.00" ? "the same" : `${value > 0 ? "falls" : "rises"} by ${size}`;
};

/** One board: a caption, images, numbers, a verdict. */
class Board {
  constructor(grids, lane) {
    Object.assign(this, { grids, lane, key: "", painted: 0, decoding: false });
    this.root = make("figure", "orw-board");
    this.root.dataset.lane = lane ?? "reference";
    const head = make("figcaption");
    this.title = make("b", "orw-name");
    this.when = make("span", "orw-when");
    head.append(make("i", "orw-swatch"), this.title, this.when);
    this.sheet = make("div", "orw-sheet");
    this.canvas = make("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.cells = make("div", "orw-cells");
    this.cells.setAttribute("role", "grid");
    this.sheet.append(this.canvas, this.cells);
    this.numbers = make("dl", "orw-numbers");
    this.verdict = make("p", "orw-verdict");
    if (lane !== null) this.verdict.setAttribute("role", "status");
    this.root.append(head, this.sheet, this.numbers, this.verdict);
    this.cells.addEventListener("click", ({ target }) => {
      const cell = target.closest("[role=gridcell]");
      if (cell) this.open(cell);
    });
    this.cells.addEventListener("keydown", (event) => this.move(event));
  }

  /** Sets the number and the size of its images. */
  lay({ columns, shown, size: [width, height] }) {
    const key = `${columns} ${shown} ${width} ${height}`;
    if (key === this.key) return;
    Object.assign(this, { key, columns, shown, width, height, gap: Math.max(1, Math.round(width / GAP)) });
    const rows = Math.ceil(shown / columns);
    this.canvas.width = columns * width + (columns + 1) * this.gap;
    this.canvas.height = rows * height + (rows + 1) * this.gap;
    this.places = [];
    this.cells.replaceChildren(...Array.from({ length: rows }, (_, r) => {
      const row = make("div");
      row.setAttribute("role", "row");
      for (let c = 0; c < columns && r * columns + c < shown; c++) {
        const cell = make("div");
        cell.setAttribute("role", "gridcell");
        cell.setAttribute("aria-label", `Image ${r * columns + c + 1}`);
        cell.tabIndex = this.places.length ? -1 : 0;
        this.places.push(cell);
        row.append(cell);
      }
      return row;
    }));
    this.cells.style.setProperty("--columns", columns);
    this.cells.style.setProperty("--around", `${(50 * this.gap) / this.canvas.width}%`);
  }

  /** Whole pixels of the screen for every pixel of an image, so that all are alike. */
  fit(room) {
    if (!this.key) return;
    const dots = devicePixelRatio || 1;
    const scale = Math.max(1, Math.floor((room * dots) / this.canvas.width)) / dots;
    this.sheet.style.width = `${this.canvas.width * scale}px`;
    this.sheet.style.height = `${this.canvas.height * scale}px`;
  }

  /** Paints a sheet of images as soon as it is decoded; an older one that comes late is left out. */
  async paint(source) {
    if (source === this.source) return;
    this.source = source;
    this.decoding = true;
    const image = new Image();
    image.src = source;
    let decoded = true;
    try {
      await image.decode();
    } catch {
      decoded = false; // a newer one comes
    }
    if (source !== this.source) return;
    this.decoding = false;
    if (!decoded) return;
    const { width, height, gap, columns, shown } = this, pen = this.canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (let k = 0; k < shown; k++) {
      const c = k % columns, r = Math.floor(k / columns);
      pen.drawImage(image, c * width, r * height, width, height, gap + c * (width + gap), gap + r * (height + gap), width, height);
    }
    this.painted++;
  }

  show({ title, when, colour, numbers, words, said, stopped }) {
    this.root.style.setProperty("--lane", colour);
    tellOnce(this.title, title);
    tellOnce(this.when, when);
    this.cells.setAttribute("aria-label", `Images, ${title}`);
    if (this.numbers.childElementCount !== words.length) {
      this.numbers.replaceChildren(...words.map(({ label, help }) => {
        const item = make("div");
        item.title = help;
        item.append(make("dt", "", label), make("dd"));
        return item;
      }));
    }
    words.forEach(({ label, key, kind, help }, k) => {
      const item = this.numbers.children[k];
      item.title = help;
      tellOnce(item.firstChild, label);
      tellOnce(item.lastChild, valueIn(numbers?.[key], kind));
    });
    tellOnce(this.verdict, said ?? "");
    this.root.classList.toggle("stopped", Boolean(stopped));
  }

  /** Where Tab stops among its images. */
  stop(cell) {
    for (const other of this.places) other.tabIndex = other === cell ? 0 : -1;
  }

  open(cell) {
    this.stop(cell);
    this.grids.open(this.lane, this.places.indexOf(cell));
  }

  move(event) {
    const at = this.places.indexOf(event.target), steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns };
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.open(event.target);
      return;
    }
    const goal = event.key === "Home" ? 0 : event.key === "End" ? this.shown - 1 : at + steps[event.key];
    if (Number.isNaN(goal)) return;
    event.preventDefault();
    const next = this.places[goal];
    if (!next) return;
    this.stop(next);
    next.focus();
  }

  mark(k) {
    this.places?.forEach((cell, i) => cell.classList.toggle("marked", i === k));
  }
}

class Grids {
  constructor(root, host) {
    Object.assign(this, { root, host, boards: [], points: [], frame: null, begun: 0, seq: 0, chosen: null, painted: 0 });
    this.doing = make("p", "orw-doing");
    this.doing.setAttribute("aria-live", "off");
    this.line = make("div", "orw-boards");
    this.reference = new Board(this, null);
    this.line.append(this.reference.root);
    this.path = this.makePath();
    this.curves = make("figure", "orw-curves");
    this.svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.svg.setAttribute("role", "img");
    this.key = make("figcaption");
    this.curves.append(this.svg, this.key);
    const body = make("div", "orw-body");
    body.append(this.line, this.curves);
    root.append(this.doing, body, this.path.root);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(root);
    this.theme = new MutationObserver(() => this.draw());
    this.theme.observe(document.body, { attributeFilter: ["class", "data-jp-theme-light"] });
    this.onResize = () => this.draw();
    addEventListener("resize", this.onResize);
    this.clock = setInterval(() => this.tellDoing(), ALIVE);
    Object.assign(this, { task: "Loading the networks", since: performance.now() }); // until something comes in
    this.tellDoing();
    root.grids = this; // for tests and the browser's console
  }

  /** Whether every board shows the images of the newest frame: they are decoded a moment after it came. */
  get drawn() { return [this.reference, ...this.boards].every((board) => !board.decoding); }

  /** Whether it fills the screen: images may then be larger. */
  present(on) {
    this.presents = on;
    this.draw();
  }

  destroy() {
    this.observer.disconnect();
    this.theme.disconnect();
    removeEventListener("resize", this.onResize);
    clearInterval(this.clock);
  }

  makePath() {
    const part = make("section", "orw-path"), title = make("h2"), close = make("button", "", "Close"), rows = make("div", "orw-ways");
    part.hidden = true;
    part.tabIndex = -1;
    part.setAttribute("aria-label", "From noise to an image");
    close.type = "button";
    close.addEventListener("click", () => this.closePath());
    part.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.closePath();
    });
    const head = make("div", "orw-path-head");
    head.append(title, close);
    part.append(head, rows);
    return { root: part, title, rows };
  }

  // ---- what comes in

  receive(frame) {
    if (frame.begun > this.begun) {
      Object.assign(this, { begun: frame.begun, points: [] });
      this.closePath();
    }
    this.seq = frame.seq;
    if (frame.lanes) {
      this.frame = frame;
      if (frame.exhibit.about !== this.about) { // of something else than before
        Object.assign(this, { about: frame.exhibit.about, points: [] });
        this.closePath();
      }
      const known = this.points.at(-1)?.[0] ?? 0;
      this.points.push(...frame.points.filter(([seq]) => seq > known));
      while (this.points.length > KEPT_POINTS) this.points = this.points.filter((_, k, all) => k % 2 === 0 || k === all.length - 1);
    }
    const text = frame.idle ? "" : frame.doing;
    if (text !== this.task) this.since = performance.now();
    this.task = text;
    this.tellDoing();
    this.draw();
  }

  /** What comes next is of another session, which counts from the beginning. */
  forget() {
    Object.assign(this, { begun: 0, points: [] });
  }

  tellDoing() {
    const seconds = this.task ? Math.floor((performance.now() - this.since) / 1000) : 0;
    const [short] = (this.task ?? "").split(":"); // what is quick need not be told in full
    tellOnce(this.doing, this.task ? `${seconds ? `${this.task} … ${seconds} s` : short}` : "");
    this.doing.classList.toggle("busy", Boolean(this.task));
  }

  // ---- drawing

  draw() {
    const { frame } = this;
    this.root.dataset.theme = isDark(this.root) ? "dark" : "light";
    if (!frame || !this.root.clientWidth) return;
    const { exhibit, reference, lanes } = frame, theme = THEMES[this.root.dataset.theme], words = exhibit.numbers;
    while (this.boards.length > lanes.length) this.boards.pop().root.remove();
    while (this.boards.length < lanes.length) {
      const board = new Board(this, this.boards.length);
      this.boards.push(board);
      this.line.append(board.root);
    }
    const width = this.root.clientWidth, beside = lanes.length === 1 && width >= BESIDE;
    this.line.dataset.boards = lanes.length + 1;
    this.root.classList.toggle("beside", beside);
    this.reference.show({
      title: "Reference", when: reference.when ?? "pretrained", colour: theme.ghost, numbers: reference.numbers, words,
      said: reference.said ?? "What the model draws before it is fine-tuned.",
    });
    lanes.forEach((lane, k) => this.boards[k].show({
      title: `α = ${lane.alpha}`, when: `round ${lane.round}`, colour: theme.lanes[k], numbers: lane.numbers, words,
      said: lane.said, stopped: lane.stopped,
    }));
    const boards = [this.reference, ...this.boards];
    for (const board of boards) board.lay(exhibit);
    const column = beside ? (width - CURVES - 2 * SPACE) / 2 : parseFloat(getComputedStyle(this.line).gridTemplateColumns);
    const room = Math.max(140, Math.min(column || 300, (this.presents ? LARGEST_SHOWN : LARGEST_BOARD) * innerHeight));
    for (const board of boards) board.fit(room);
    this.root.style.setProperty("--board", this.reference.sheet.style.width);
    this.reference.paint(reference.sheet);
    lanes.forEach((lane, k) => this.boards[k].paint(lane.sheet));
    this.drawCurves(exhibit, theme);
    this.painted++;
  }

  drawCurves({ numbers: [paid, judge], together }, theme) {
    const rounds = this.points.map(([, round]) => round), count = this.points.at(-1)?.[2].length ?? 0;
    const lines = (which, dashed) => Array.from({ length: count }, (_, lane) => (
      { lane, dashed, xs: rounds, ys: this.points.map((point) => point[which][lane]) }));
    const { numbers, when } = this.frame.reference, unit = { share: [0, 1], count: undefined };
    const label = when ? `reference, ${when}` : "reference";
    const floor = ({ key }) => (numbers[key] === undefined ? [] : [{ value: numbers[key], label }]);
    const panels = together
      ? [{ title: `${paid.label} and ${inSentence(judge.label)}`, lines: [...lines(2, false), ...lines(3, true)], floor: floor(paid), within: unit[paid.kind] }]
      : [{ title: paid.label, lines: lines(2, false), floor: floor(paid), within: unit[paid.kind] },
        { title: judge.label, lines: lines(3, true), floor: floor(judge), within: unit[judge.kind] }];
    this.svg.dataset.panels = panels.length;
    drawCurves(this.svg, panels, theme.lanes);
    this.svg.setAttribute("aria-label", this.curvesInWords(paid, judge));
    tellOnce(this.key, `Solid: ${inSentence(paid.label)}, which is optimised. Dashed: ${inSentence(judge.label)}, which nothing is optimised for. ` +
      "Each colour is a grid’s.");
  }

  curvesInWords(paid, judge) {
    const [, round, rewards = [], judges = []] = this.points.at(-1) ?? [];
    const lanes = this.frame.lanes.map(({ alpha }, k) => `α = ${alpha}: ${paid.label} ${valueIn(rewards[k], paid.kind)}, ${judge.label} ${valueIn(judges[k], judge.kind)}`);
    return `Curves over rounds, up to round ${round ?? 0}. ${lanes.join("; ")}.`;
  }

  // ---- from noise to an image

  async open(lane, k) {
    const of = lane ?? this.chosen?.of ?? 0;
    const turn = (this.turn = (this.turn ?? 0) + 1), { path } = this;
    path.root.hidden = false;
    tellOnce(path.title, `Image ${k + 1}: on its way from noise …`);
    this.chosen = { of, k };
    for (const board of [this.reference, ...this.boards]) board.mark(k);
    let answer = null;
    try {
      answer = await this.host.path(Math.min(of, this.boards.length - 1), k);
    } catch {
      answer = { error: "The server does not answer. Press the image again." };
    }
    if (turn !== this.turn || path.root.hidden) return;
    if (answer.error) {
      tellOnce(path.title, answer.error);
      path.rows.replaceChildren();
      return;
    }
    tellOnce(path.title, `Image ${k + 1}: from noise, t = 0, to the image, t = 1`);
    const { when } = this.frame.reference, first = when ? `Reference, ${when}` : "Reference";
    const names = [["reference", first], ["lane", `α = ${answer.alpha}, round ${answer.round}`]];
    path.rows.replaceChildren(...names.map(([name, title]) => this.way(title, answer[name], answer.times)));
    path.root.scrollIntoView({ block: "nearest" });
    path.root.focus({ preventScroll: true });
  }

  way(title, { sheet, said, table = [] }, times) {
    const row = make("figure", "orw-way"), strip = make("div", "orw-strip");
    const [width, height] = this.frame.exhibit.size;
    times.forEach((t, k) => {
      const one = make("div", "orw-moment"), picture = make("div", "orw-picture-of");
      Object.assign(picture.style, {
        backgroundImage: `url(${sheet})`, backgroundSize: `${100 * times.length}% 100%`, aspectRatio: `${width} / ${height}`,
        backgroundPosition: `${(100 * k) / (times.length - 1)}% 0`,
      });
      one.append(picture, make("span", "", `t = ${t}`));
      strip.append(one);
    });
    const caption = make("figcaption");
    caption.append(make("b", "", title), make("span", "", said));
    row.append(caption, strip);
    if (table.length) row.append(this.wordByWord(table));
    return row;
  }

  /** Which words of the sentence are true of an image. */
  wordByWord(rows) {
    const table = make("table", "orw-words"), head = make("tr"), body = make("tbody");
    head.append(...["Word", "True?", "Measured in the pixels", "CLIP score without it"].map((text) => {
      const cell = make("th", "", text);
      cell.scope = "col";
      return cell;
    }));
    body.append(...rows.map(({ word, holds, measured, falls }) => {
      const row = make("tr", holds === false ? "not" : ""), name = make("th", "", word);
      name.scope = "row";
      row.append(name, make("td", "orw-holds", holds === null ? "not asked" : holds ? "✓ true" : "✗ false"), make("td", "", measured), make("td", "", fallIn(falls)));
      return row;
    }));
    const top = make("thead");
    top.append(head);
    table.append(top, body);
    return table;
  }

  closePath() {
    if (this.path.root.hidden) return;
    const inside = this.path.root.contains(document.activeElement);
    this.path.root.hidden = true;
    this.turn = (this.turn ?? 0) + 1;
    const board = [this.reference, ...this.boards].find(({ lane }) => lane === (this.chosen?.of ?? null));
    if (inside) board?.places?.[this.chosen.k]?.focus({ preventScroll: true });
    for (const one of [this.reference, ...this.boards]) one.mark(-1);
    this.chosen = null;
  }
}

export function createGrids(root, host) {
  return new Grids(root, host);
}
