// Questions, each with what it is answered by.
//
//   const widget = askWidget(element, ask, { value, changed, stage });
//   widget.value               // the guess, as the room keeps it; null while there is none or only a part of one
//   widget.lock(true)          // shown, and not to be changed any more
//   widget.destroy()
//
// changed(value) is called when a drag ends or a key was pressed, and not on the way.

const PLACE_STEP = 0.2, PLACE_LEAP = 1, PLACE_FAR = 20; // of the cross by keys, alone and with Shift; and its limit
const KNOTS = 9; // of a curve, for keys
const KNOT_STEP = 1 / 20, KNOT_LEAP = 1 / 5; // of the axis
const NARROW_GAP = 2; // heights of a curve that are filled in by their neighbours: fingers do not begin at the axis
const BEFORE_DRAG = 5; // pixels that a card is held before it moves
const PLACE_KEYS = "By keyboard: arrow keys move the cross on the picture, with Shift farther; Enter places it.";
const CURVE_KEYS = "By keyboard: left and right choose a point, up and down move it, with Shift farther.";
const ASK_ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };

/** What all kinds share: the question, a line that says how far one is, and a lock. */
class Asked {
  constructor(element, ask, { value = null, changed = () => {}, stage = null } = {}) {
    Object.assign(this, { element, ask, changed, stage, value });
    this.locked = false;
    this.id = newId();
    this.root = make("div", `ask ask-${ask.kind}`);
    this.prompt = this.part(ask.kind === "choose" ? "legend" : "p", "prompt", ask.prompt);
    this.state = this.part("p", "state");
    this.state.setAttribute("role", "status");
    this.build();
    element.replaceChildren(this.root);
    this.show();
  }

  /** An element that others may name by its id. */
  part(tag, name, text) {
    const part = make(tag, `ask-${name}`, text);
    part.id = `${this.id}-${name}`;
    return part;
  }

  /** The guess is this now. */
  take(value) {
    this.value = value;
    this.show();
    this.changed(value);
  }

  lock(on) {
    if (on) this.letGo();
    this.locked = on;
    this.root.classList.toggle("locked-ask", on);
    this.show();
  }

  show() {
    const words = this.value === null ? "" : this.words();
    if (this.locked) this.tell(words ? `Locked: ${words}.` : "Locked.");
    else this.tell(words ? `${words[0].toUpperCase()}${words.slice(1)}.` : this.wish());
  }

  tell(text, wrong = false) {
    this.state.classList.toggle("ask-wrong", wrong);
    setText(this.state, text);
  }

  /** What is being dragged goes back: the question was closed before it was let go. */
  letGo() {}

  destroy() { this.root.remove(); }
}

// ---- one of some sentences

class ChooseAsk extends Asked {
  build() {
    const set = make("fieldset", "ask-options");
    set.append(this.prompt);
    this.boxes = this.ask.options.map((option, k) => {
      const label = make("label", "ask-option"), box = make("input");
      Object.assign(box, { type: "radio", name: this.id, value: String(k + 1) });
      box.addEventListener("change", () => this.take(k + 1));
      label.append(box, make("span", "ask-letter", letterOf(k)), make("span", "ask-words", option));
      set.append(label);
      return box;
    });
    this.set = set;
    this.root.append(set, this.state);
  }

  words() { return `you chose ${letterOf(this.value - 1)}`; }

  show() {
    this.boxes.forEach((box, k) => { box.checked = this.value === k + 1; });
    this.set.disabled = this.locked;
    super.show();
  }

  wish() { return "Choose one."; }
}

// ---- a value of alpha

class AlphaAsk extends Asked {
  build() {
    const track = make("div", "ask-track"), ticks = make("div", "ticks"), row = make("div", "ask-row");
    const last = ALPHA_PLACES.length - 1;
    this.range = make("input", "range");
    Object.assign(this.range, { type: "range", min: 0, max: last, step: 1, value: Math.round(last / 2) });
    this.range.setAttribute("aria-labelledby", this.prompt.id);
    ticks.setAttribute("aria-hidden", "true");
    for (const tick of ALPHA_TICKS) {
      const mark = make("span", "", String(tick));
      mark.style.left = `${100 * alphaShare(tick)}%`;
      ticks.append(mark);
    }
    track.append(this.range, ticks);
    keepTicksApart(ticks);
    this.number = make("span", "ask-number");
    this.number.setAttribute("aria-hidden", "true"); // the slider and the box say it
    const label = make("label", "ask-typed", "or type it");
    this.box = make("input", "typed");
    Object.assign(this.box, { type: "text", inputMode: "decimal", autocomplete: "off" });
    this.box.setAttribute("aria-label", "α, typed");
    label.append(this.box);
    row.append(this.number, label);
    this.root.append(this.prompt, row, track, this.state);
    this.listen();
  }

  listen() {
    const { range, box } = this, there = () => ALPHA_PLACES[Number(range.value)];
    range.addEventListener("input", () => {
      this.value = there();
      this.show();
    });
    range.addEventListener("change", () => this.take(there()));
    const stay = () => { if (this.value === null) this.take(there()); }; // who means the place where the handle is
    range.addEventListener("click", stay);
    range.addEventListener("keydown", ({ key }) => { if (key === "Enter" || key === " ") stay(); });
    box.addEventListener("change", () => this.typed());
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.typed();
    });
  }

  typed() {
    const value = numberIn(this.box.value);
    if (value === "") return this.show();
    if (typeof value !== "number" || value < 0 || value > 100) {
      return this.tell(`α is ${this.box.value.trim().slice(0, 20)}; allowed: a number from 0 to 100.`, true);
    }
    if (value !== this.value) this.take(value);
    else this.show();
  }

  words() { return `you say ${alphaText(this.value)}`; }

  wish() { return "Move the handle, or type a number."; }

  show() {
    const { range, box, value } = this, none = value === null;
    if (!none) range.value = alphaPosition(value);
    range.classList.toggle("untouched", none);
    range.style.setProperty("--filled", none ? "0%" : `${(100 * range.value) / range.max}%`);
    range.setAttribute("aria-valuetext", none ? "not chosen yet" : alphaText(value));
    range.disabled = box.disabled = this.locked;
    box.value = none ? "" : String(value);
    setText(this.number, none ? "α = ?" : alphaText(value));
    super.show();
  }
}

// ---- a place in the plane: on the stage

class PlaceAsk extends Asked {
  build() {
    this.at = this.value; // where the cross is that one moves
    this.held = false;
    this.root.append(this.prompt, this.state);
    if (!this.stage) return;
    const hint = this.part("p", "hint", PLACE_KEYS);
    this.root.append(hint);
    this.overlay = new StageOverlay(this.stage);
    this.canvas = this.overlay.canvas;
    this.canvas.removeAttribute("aria-hidden");
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-labelledby", this.prompt.id);
    this.canvas.setAttribute("aria-describedby", `${hint.id} ${this.state.id}`);
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (this.locked || !event.isPrimary || event.button > 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.held = true;
      this.move(this.overlay.toData(event.clientX, event.clientY));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.held && event.isPrimary) this.move(this.overlay.toData(event.clientX, event.clientY));
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!this.held || !event.isPrimary) return;
      this.held = false;
      this.take(this.at);
    });
    canvas.addEventListener("pointercancel", () => this.letGo());
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.letGo()); // a cross that was not placed is no guess
  }

  letGo() {
    this.held = false;
    this.at = this.value;
    this.show();
  }

  key(event) {
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event, arrow = ASK_ARROWS[key];
    if (this.locked || ctrlKey || metaKey || altKey) return;
    if (arrow) {
      const far = shiftKey ? PLACE_LEAP : PLACE_STEP, [x, y] = this.at ?? [0, 0];
      this.move([x + arrow[0] * far, y + arrow[1] * far]);
    } else if (key === "Enter" || key === " ") {
      if (!event.repeat) this.take(this.at ?? [0, 0]);
    } else return;
    event.preventDefault(); // the page would scroll, and the stage would hear it as a command
    event.stopPropagation();
  }

  /** The cross goes there; it is no guess yet. */
  move([x, y]) {
    const [x0, x1, y0, y1] = this.stage.camera.now;
    const into = (value, low, high) => Math.min(high, PLACE_FAR, Math.max(low, -PLACE_FAR, value));
    this.at = [into(x, x0, x1), into(y, y0, y1)].map((value) => Math.round(100 * value) / 100);
    this.show();
  }

  words() { return `you say ${placeText(this.value)}`; }

  wish() { return this.stage ? `${isCoarse() ? "Tap" : "Click"} the place on the picture.` : "Asked on the picture."; }

  get moving() { return this.at !== null && this.at?.join() !== this.value?.join(); }

  show() {
    super.show();
    if (!this.overlay) return;
    this.overlay.take(!this.locked);
    this.canvas.tabIndex = this.locked ? -1 : 0;
    if (this.moving) this.tell(`The cross is at ${placeText(this.at)}.`);
    this.overlay.draw((ctx, toScreen) => {
      if (this.value) drawOwnMark(ctx, toScreen(this.value));
      if (this.moving) drawOwnMark(ctx, toScreen(this.at), { pending: true });
    });
  }

  destroy() {
    this.overlay?.destroy();
    super.destroy();
  }
}

// ---- a curve over the rounds

class CurveAsk extends Asked {
  build() {
    this.heights = this.value ? [...this.value] : Array(this.ask.curve).fill(null);
    this.knot = 0;
    this.chart = new RoundsChart(this.ask, () => this.paint());
    this.pad = make("div", "ask-pad"); // what is drawn on: a finger outside of it scrolls the page
    this.pad.tabIndex = 0;
    this.pad.setAttribute("role", "slider");
    this.pad.setAttribute("aria-orientation", "vertical");
    this.pad.setAttribute("aria-labelledby", this.prompt.id);
    const hint = this.part("p", "hint", CURVE_KEYS);
    this.pad.setAttribute("aria-describedby", hint.id);
    this.chart.element.append(this.pad);
    this.root.append(this.prompt, this.chart.element, this.state, hint);
    this.listen();
  }

  listen() {
    const { pad } = this;
    pad.addEventListener("pointerdown", (event) => {
      if (this.locked || !event.isPrimary || event.button > 0) return;
      pad.setPointerCapture(event.pointerId);
      this.before = [...this.heights];
      this.last = null;
      this.reach(event);
    });
    pad.addEventListener("pointermove", (event) => {
      if (!this.before || !event.isPrimary) return;
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) this.reach(one);
    });
    pad.addEventListener("pointerup", (event) => {
      if (!this.before || !event.isPrimary) return;
      this.before = null;
      this.heights = this.bridged();
      this.drawn();
    });
    pad.addEventListener("pointercancel", () => this.letGo());
    pad.addEventListener("keydown", (event) => this.key(event));
    for (const name of ["focus", "blur"]) pad.addEventListener(name, () => this.chart.draw());
  }

  letGo() {
    if (!this.before) return;
    this.heights = this.before;
    this.before = null;
    this.show();
  }

  // ---- by hand

  /** The pencil goes there, in a straight line from where it was: what lies on its way is replaced. */
  reach({ clientX, clientY }) {
    const { element, plot } = this.chart, { left, top } = element.getBoundingClientRect();
    const far = this.heights.length - 1;
    const at = Math.min(far, Math.max(0, ((clientX - left - plot.x) / plot.w) * far));
    const height = this.into(this.ask.high - ((clientY - top - plot.y) / plot.h) * (this.ask.high - this.ask.low));
    const [from, first] = this.last ?? [at, height];
    for (let i = Math.ceil(Math.min(from, at)); i <= Math.max(from, at); i++) {
      this.heights[i] = this.into(first + (at === from ? 1 : (i - from) / (at - from)) * (height - first));
    }
    this.heights[Math.round(at)] = height;
    this.last = [at, height];
    this.chart.draw();
  }

  into(height) {
    return Math.min(this.ask.high, Math.max(this.ask.low, Number(height.toPrecision(6))));
  }

  /** With narrow gaps filled in: straight between two heights, level at an end. */
  bridged() {
    const filled = [...this.heights], far = filled.length;
    for (let i = 0; i < far; i++) {
      if (filled[i] !== null) continue;
      let end = i;
      while (end < far && this.heights[end] === null) end++;
      if (end - i <= NARROW_GAP && end - i < far) {
        const before = i ? filled[i - 1] : this.heights[end], after = end < far ? this.heights[end] : before;
        for (let k = i; k < end; k++) filled[k] = before + ((k - i + 1) / (end - i + 1)) * (after - before);
      }
      i = end;
    }
    return filled;
  }

  // ---- by keys

  get apart() { return (this.heights.length - 1) / (KNOTS - 1); }

  key(event) {
    const arrow = ASK_ARROWS[event.key];
    if (this.locked || !arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const [aside, up] = arrow;
    this.knot = Math.min(KNOTS - 1, Math.max(0, this.knot + aside));
    if (up) this.lift(up * (event.shiftKey ? KNOT_LEAP : KNOT_STEP));
    else this.show();
  }

  /** Moves the chosen point, and what lies between it and its neighbours. What was not drawn yet is in the middle. */
  lift(part) {
    const { low, high } = this.ask, middle = (low + high) / 2, { apart, knot } = this;
    this.heights = this.heights.map((height) => height ?? middle);
    const knots = Array.from({ length: KNOTS }, (_, k) => this.heights[k * apart]);
    knots[knot] = this.into(knots[knot] + part * (high - low));
    for (let k = Math.max(0, knot - 1); k < Math.min(KNOTS - 1, knot + 1); k++) {
      for (let i = 0; i <= apart; i++) {
        this.heights[k * apart + i] = this.into(knots[k] + (i / apart) * (knots[k + 1] - knots[k]));
      }
    }
    this.drawn();
  }

  // ---- what there is

  /** A stroke or a key has changed it. */
  drawn() {
    const done = !this.heights.includes(null);
    this.take(done ? [...this.heights] : null);
  }

  words() { return this.locked ? "this is your curve" : "your curve is drawn; drag over it to change it"; }

  wish() {
    const first = this.heights.indexOf(null), far = this.heights.length - 1;
    if (this.heights.every((height) => height === null)) return "Draw the curve from left to right.";
    const round = Math.round((first / far) * this.ask.rounds);
    return `Not done yet: draw what is missing, from round ${round} on.`;
  }

  show() {
    super.show();
    const { pad, ask, knot } = this, height = this.heights[knot * this.apart];
    const round = Math.round((knot / (KNOTS - 1)) * ask.rounds);
    const valuetext = `round ${round}: ${height === null ? "nothing yet" : readingText(ask.of, height)}`;
    const told = { valuemin: ask.low, valuemax: ask.high, valuenow: height ?? ask.low, valuetext };
    for (const [name, now] of Object.entries({ ...told, disabled: this.locked })) {
      pad.setAttribute(`aria-${name}`, now);
    }
    this.chart.draw();
  }

  paint() {
    const { chart, pad, heights } = this;
    putAt(pad, { ...chart.plot, x: chart.plot.x - 8, w: chart.plot.w + 16 });
    chart.curve(heights, "own-rim");
    chart.curve(heights, "own-line");
    if (!pad.matches(":focus-visible") || this.locked) return;
    const x = chart.px(this.knot / (KNOTS - 1)), { low, high } = this.ask, height = heights[this.knot * this.apart];
    chart.add("line", { x1: x, x2: x, y1: chart.plot.y, y2: chart.plot.y + chart.plot.h, class: "knot-line" });
    const at = { cx: x, cy: chart.py(height ?? (low + high) / 2), r: 7 };
    chart.add("circle", { ...at, class: height === null ? "knot" : "knot own" });
  }

  destroy() {
    this.chart.destroy();
    super.destroy();
  }
}

// ---- lanes in order

class OrderAsk extends Asked {
  build() {
    const by = READING_WORDS[this.ask.by];
    this.order = this.value ? [...this.value] : this.ask.alphas.map((_, k) => k + 1);
    this.list = make("ol", "ask-cards");
    this.list.setAttribute("aria-labelledby", this.prompt.id);
    this.cards = this.ask.alphas.map((alpha, k) => this.card(alphaText(alpha), k + 1));
    this.sure = make("button", "ask-sure", "This order");
    this.sure.type = "button";
    this.sure.addEventListener("click", () => {
      if (!this.locked) this.take([...this.order]);
    });
    const [least, most] = ["least", "most"].map((word) => make("p", "ask-end", `${word} ${by}`));
    this.root.append(this.prompt, least, this.list, most, this.sure, this.state);
  }

  card(name, lane) {
    const card = make("li", "ask-card"), grip = make("span", "ask-grip", "⋮⋮"), mark = make("span", "ask-lane");
    grip.setAttribute("aria-hidden", "true");
    mark.innerHTML = markSvg(lane - 1, "currentColor"); // as on the stage
    const buttons = [["up", "↑", -1], ["down", "↓", 1]].map(([word, sign, way]) => {
      const button = make("button", `ask-${word}`, sign);
      button.type = "button";
      button.setAttribute("aria-label", `Move ${name} ${word}`);
      button.addEventListener("click", () => this.nudge(lane, way));
      return button;
    });
    card.append(grip, mark, make("span", "ask-words", name), ...buttons);
    card.dataset.lane = lane;
    this.drag(card, lane);
    return card;
  }

  nudge(lane, way) {
    if (this.locked || !this.swap(lane, way)) return;
    this.take([...this.order]);
    const card = this.cards[lane - 1], [up, down] = card.querySelectorAll("button");
    const wanted = way < 0 ? up : down;
    (wanted.disabled ? (way < 0 ? down : up) : wanted).focus(); // a button that has been moved loses it
    const { order, ask } = this;
    this.tell(`${alphaText(ask.alphas[lane - 1])} is number ${order.indexOf(lane) + 1} of ${order.length}.`);
  }

  /** A lane changes places with its neighbour. Returns whether it could. */
  swap(lane, way) {
    const from = this.order.indexOf(lane), to = from + way;
    if (to < 0 || to >= this.order.length) return false;
    [this.order[from], this.order[to]] = [this.order[to], this.order[from]];
    return true;
  }

  /** By mouse or finger: the card follows, and its neighbours make room. */
  drag(card, lane) {
    let start = null, moved = false, before = null;
    const drop = (keep) => {
      if (start === null) return;
      start = this.drop = null;
      card.classList.remove("held");
      card.style.transform = "";
      if (!keep) this.order = before;
      if (this.order.join() !== before.join()) this.take([...this.order]);
      else this.show();
    };
    card.addEventListener("pointerdown", (event) => {
      if (this.locked || !event.isPrimary || event.button > 0 || event.target.closest("button")) return;
      card.setPointerCapture(event.pointerId);
      [start, moved, before] = [event.clientY, false, [...this.order]];
      this.drop = drop;
    });
    card.addEventListener("pointermove", (event) => {
      if (start === null || !event.isPrimary) return;
      if (!moved && Math.abs(event.clientY - start) < BEFORE_DRAG) return;
      moved = true;
      card.classList.add("held");
      for (const way of [-1, 1]) start += this.pass(card, lane, way, event.clientY - start);
      card.style.transform = `translateY(${event.clientY - start}px)`;
    });
    card.addEventListener("pointerup", (event) => { if (event.isPrimary) drop(true); });
    card.addEventListener("pointercancel", () => drop(false));
  }

  letGo() { this.drop?.(false); }

  /** A held card passes the neighbours whose middle it has reached. Returns how far its own place went. */
  pass(card, lane, way, off) {
    let went = 0;
    for (;;) {
      const next = way > 0 ? card.nextElementSibling : card.previousElementSibling;
      if (!next) return went;
      const far = next.offsetTop - card.offsetTop;
      if ((off - went) * way < 0.5 * Math.abs(far) || !this.swap(lane, way)) return went;
      const was = card.offsetTop;
      if (way > 0) card.before(next); // the neighbour is moved: the card that is held would lose the pointer
      else card.after(next);
      went += card.offsetTop - was;
    }
  }

  words() { return this.locked ? "this is your order" : "your order counts; you may still change it"; }

  wish() { return "Move the cards, or say that this order is right."; }

  show() {
    const cards = this.order.map((lane) => this.cards[lane - 1]);
    if (cards.some((card, k) => this.list.children[k] !== card)) this.list.replaceChildren(...cards);
    cards.forEach((card, k) => {
      const [up, down] = card.querySelectorAll("button");
      up.disabled = this.locked || k === 0;
      down.disabled = this.locked || k === cards.length - 1;
    });
    this.sure.hidden = this.locked || this.value !== null;
    super.show();
  }
}

const ASK_KINDS = { choose: ChooseAsk, alpha: AlphaAsk, place: PlaceAsk, curve: CurveAsk, order: OrderAsk };

function askWidget(element, ask, given) {
  return new ASK_KINDS[ask.kind](element, ask, given);
}
