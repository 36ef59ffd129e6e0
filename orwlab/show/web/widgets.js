// The controls of a page: they read and show values, and know neither Gradio nor the stage.
//
// Each lives in an element with data-kind and data-name, made by controls.py. All have
//   value                 what it says now
//   show(value)           say something else, without telling anybody
//   problem(text)         what was wrong with the last entry, in the place of the help; null takes it away
//   forget()              an entry that is being typed does not count any more
// and call choose(name, value) when a person changes them. A typed entry that cannot be read is passed on as text:
// the server knows what is allowed and says it.

const INSTRUMENTS = []; // what this page has beside the stage: see lab.js

/** What was typed, as a number where it is one. Comma and proper minus signs are read too. */
function numberIn(text) {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  const value = plain === "" ? NaN : Number(plain);
  return Number.isFinite(value) ? value : text.trim();
}

class Control {
  constructor(element, choose) {
    this.element = element;
    this.name = element.dataset.name;
    this.ofStage = element.dataset.of === "stage"; // the server need not know
    this.help = element.querySelector(":scope > .help");
    this.sentence = this.help?.textContent;
    this.choose = (value) => choose(this.name, value);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  forget() {}

  problem(text) {
    this.element.classList.toggle("wrong", text !== null);
    if (this.help) this.help.textContent = text ?? this.sentence;
  }
}

/** A box for a number: told on Enter and on leaving it; Escape takes the entry back. Both keys leave the box. */
class NumberBox extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.box = this.find("input.typed");
    this.editing = false;
    this.value = numberIn(this.box.value);
    this.box.addEventListener("input", () => { this.editing = true; });
    this.box.addEventListener("change", () => this.entered());
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.entered();
      else if (event.key === "Escape") this.takeBack();
      else return;
      event.preventDefault(); // it was meant for the box alone
      this.box.blur(); // the next key is the page's: space plays
    });
    this.box.addEventListener("focus", () => this.box.select());
  }

  forget() { this.editing = false; }

  takeBack() {
    this.forget();
    this.show(this.value);
  }

  entered() {
    if (!this.editing) return;
    this.editing = false;
    const value = numberIn(this.box.value);
    if (value === this.value) return this.show(value);
    if (typeof value === "number") this.value = value;
    this.choose(value);
  }

  show(value) {
    this.value = value;
    if (!this.editing) this.box.value = String(value).replace("-", "−");
  }
}

const AIR = 8; // pixels between two ticks, at least: less reads as one number
const tickWatch = new ResizeObserver((entries) => { for (const { target } of entries) thinOut(target); });

/** Below a slider stay as many ticks as do not touch, every second or third of them, whatever its width and its letters. */
function keepTicksApart(ticks) {
  tickWatch.observe(ticks); // once more, if they are others: then it looks again
}

function thinOut(ticks) {
  if (!ticks.clientWidth) return; // folded away
  const marks = [...ticks.children], boxes = marks.map((mark) => mark.getBoundingClientRect());
  const touch = (every) => boxes.some((box, k) => k && k % every === 0 && box.left - boxes[k - every].right < AIR);
  let every = 1;
  while (touch(every)) every++;
  marks.forEach((mark, k) => mark.classList.toggle("left-out", k % every > 0));
}

/** A slider with a box. The handle's position is the number of a place; a typed value may lie between two. */
class Slider extends NumberBox {
  constructor(element, choose) {
    super(element, choose);
    this.range = this.find("input.range");
    this.places = JSON.parse(element.dataset.places);
    keepTicksApart(this.find(".ticks"));
    this.range.addEventListener("input", () => this.moved(this.places[Number(this.range.value)]));
    this.show(this.value);
  }

  positionOf(value) {
    const off = this.places.map((place) => Math.abs(place - value));
    return off.indexOf(Math.min(...off));
  }

  moved(value) {
    this.editing = false;
    if (value === undefined || value === this.value) return;
    this.show(value);
    this.choose(value);
  }

  /** To the next place up or down, for keys. */
  nudge(way) {
    if (this.range.disabled) return; // it is steered
    const further = this.places.filter((place) => (place - this.value) * way > 1e-9);
    this.moved(way > 0 ? further[0] : further.at(-1));
  }

  show(value) {
    super.show(value);
    if (!this.range || typeof value !== "number") return; // the range comes after the box
    this.range.value = this.positionOf(value);
    this.range.setAttribute("aria-valuetext", String(value));
    this.range.style.setProperty("--filled", `${(100 * this.range.value) / this.range.max}%`);
  }
}

class Choice extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.list = this.find("select");
    this.list.addEventListener("change", () => this.choose(this.value));
  }

  get value() { return this.element.dataset.numeric === "true" ? Number(this.list.value) : this.list.value; }

  get words() { return this.list.selectedOptions[0]?.textContent ?? ""; }

  show(value) { this.list.value = String(value); }

  /** The next one, for keys. */
  next() {
    this.list.selectedIndex = (this.list.selectedIndex + 1) % this.list.options.length;
    this.choose(this.value);
  }
}

class Radios extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.options = [...element.querySelectorAll("input")];
    for (const option of this.options) option.addEventListener("change", () => this.choose(this.value));
  }

  get chosen() { return this.options.find((option) => option.checked); }

  get value() { return this.chosen?.value; }

  get words() { return this.chosen?.labels[0].textContent.trim() ?? ""; }

  show(value) { for (const option of this.options) option.checked = option.value === value; }

  /** The next one that is offered, for keys. */
  next() {
    const offered = this.options.filter((option) => !option.disabled);
    this.show(offered[(offered.indexOf(this.chosen) + 1) % offered.length].value);
    this.choose(this.value);
  }
}

class Switch extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.box = this.find("input");
    this.box.addEventListener("change", () => this.choose(this.value));
  }

  get value() { return this.box.checked; }

  show(value) { this.box.checked = value; }
}

/** A box for a sentence: told on Enter, by its button, and on leaving it; Escape takes the entry back. */
class SentenceBox extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.box = this.find("textarea");
    this.value = this.box.value;
    this.editing = false;
    this.box.addEventListener("input", () => { this.editing = true; this.fit(); });
    this.box.addEventListener("change", () => this.entered());
    this.box.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.entered();
      else if (event.key === "Escape") this.takeBack();
      else return;
      event.preventDefault(); // it was meant for the box alone
      event.stopPropagation();
      this.box.blur(); // the next key is the page's: space plays
    });
    element.addEventListener("submit", (event) => { event.preventDefault(); this.entered(); });
    element.addEventListener("click", (event) => {
      const { sentence } = event.target.closest("[data-sentence]")?.dataset ?? {};
      if (sentence) this.take(sentence);
    });
    new ResizeObserver(() => this.fit()).observe(element);
  }

  /** As high as its text, which a phone breaks into lines. */
  fit() {
    if (!this.box.clientWidth) return;
    this.box.style.height = "0";
    this.box.style.height = `${this.box.scrollHeight + this.box.offsetHeight - this.box.clientHeight}px`;
  }

  /** What a button says. */
  take(sentence) {
    this.editing = false;
    this.write(sentence);
    this.choose(sentence);
  }

  forget() { this.editing = false; }

  takeBack() {
    this.forget();
    this.write(this.value);
    if (this.element.classList.contains("wrong")) this.choose(this.value); // what was refused is forgotten
  }

  entered() {
    if (!this.editing) return;
    this.editing = false;
    this.choose(this.box.value.trim());
  }

  show(value) {
    this.value = value;
    if (!this.editing) this.write(value);
  }

  write(text) {
    if (this.box.value === text) return;
    this.box.value = text;
    this.fit();
  }
}

/** Sliders that one can switch on and off; the value lists those that are on. */
class Several extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.rows = [...element.querySelectorAll(".row")].map((row) => {
      const slider = new Slider(row.querySelector("[data-kind=slider]"), () => this.choose(this.value));
      const on = row.querySelector("input[type=checkbox]");
      on.addEventListener("change", () => { this.enable(); this.choose(this.value); });
      return { slider, on };
    });
    this.enable();
  }

  enable() {
    for (const { slider, on } of this.rows) slider.range.disabled = slider.box.disabled = !on.checked;
  }

  get value() { return this.rows.filter(({ on }) => on.checked).map(({ slider }) => slider.value); }

  forget() { for (const { slider } of this.rows) slider.forget(); }

  show(values) {
    let rows = this.rows.filter(({ on }) => on.checked); // with the gaps that are there, if the number fits
    if (rows.length !== values.length) {
      rows = this.rows.slice(0, values.length);
      this.rows.forEach(({ on }, k) => { on.checked = k < values.length; });
      this.enable();
    }
    rows.forEach(({ slider }, k) => slider.show(values[k]));
  }
}

/** Words of which some are chosen; the value lists their numbers. */
class Subset extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.boxes = [...element.querySelectorAll("input")];
    for (const box of this.boxes) box.addEventListener("change", () => this.choose(this.value));
  }

  get value() { return this.boxes.filter((box) => box.checked).map((box) => Number(box.value)); }

  show(values) { for (const box of this.boxes) box.checked = values.includes(Number(box.value)); }
}

/** Names of which some are chosen; the value lists them in the order in which they were. One too many takes the last one's place. */
class Lineup extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.boxes = [...element.querySelectorAll("input")];
    this.value = this.boxes.filter((box) => box.checked).map((box) => box.value);
    for (const box of this.boxes) {
      box.addEventListener("change", () => {
        const others = this.value.filter((name) => name !== box.value);
        if (!box.checked && !others.length && element.closest(".with-lineup")) { // a page about races has one
          box.checked = true;
          return this.problem("One method at least has to race.");
        }
        this.show(box.checked ? [...others.slice(0, Number(element.dataset.most) - 1), box.value] : others);
        this.choose(this.value);
      });
    }
  }

  get words() { return this.boxes.filter((box) => box.checked).map((box) => box.labels[0].textContent.trim()).join(", "); }

  show(names) {
    this.value = [...names];
    for (const box of this.boxes) box.checked = names.includes(box.value);
  }
}

const KINDS = { slider: Slider, number: NumberBox, choice: Choice, radios: Radios, switch: Switch, several: Several, subset: Subset, lineup: Lineup, sentence: SentenceBox };

/** All controls below an element, by name. */
function findControls(root, choose) {
  const found = {};
  for (const element of root.querySelectorAll("[data-kind]")) {
    if (element.parentElement.closest("[data-kind]")) continue; // part of another control
    const control = new KINDS[element.dataset.variety ?? element.dataset.kind](element, choose);
    found[control.name] = control;
  }
  return found;
}

/** Whether an element needs a key for itself. */
function takes(target, key) {
  if (!(target instanceof Element)) return false;
  if (target.closest("textarea, select, [contenteditable=true]")) return true;
  const input = target.closest("input");
  if (input?.type === "range") return key.startsWith("Arrow") || ["Home", "End"].includes(key);
  if (input?.type === "radio") return key === " " || key.startsWith("Arrow");
  if (input?.type === "checkbox") return key === " ";
  if (input) return true;
  return (key === " " || key === "Enter") && target.closest("button, summary, a, [role=button], [tabindex]:not(canvas)") !== null;
}
