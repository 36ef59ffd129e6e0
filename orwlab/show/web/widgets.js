// The controls of a page: they read and show values, and know neither Gradio nor the stage.
//
// Each lives in an element with data-kind and data-name, made by controls.py. All have
//   value                 what it says now
//   show(value)           say something else, without telling anybody
//   problem(text)         what was wrong with the last entry, in the place of the help; null takes it away
// and call choose(name, value) when a person changes them. A typed entry that cannot be read is passed on as text:
// the server knows what is allowed and says it.

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
    this.help = element.querySelector(":scope > .help");
    this.sentence = this.help?.textContent;
    this.choose = (value) => choose(this.name, value);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  problem(text) {
    this.element.classList.toggle("wrong", text !== null);
    if (this.help) this.help.textContent = text ?? this.sentence;
  }
}

/** A box for a number: told on Enter and on leaving it; Escape takes the entry back. */
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
      if (event.key === "Escape") { this.editing = false; this.show(this.value); }
    });
    this.box.addEventListener("focus", () => this.box.select());
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

/** A slider with a box; linear, or logarithmic with or without a zero at its left end. */
class Slider extends NumberBox {
  constructor(element, choose) {
    super(element, choose);
    this.range = this.find("input.range");
    const { low, high, log, zero, digits } = element.dataset;
    Object.assign(this, { low: Number(low), high: Number(high), log: log === "true", digits: Number(digits) });
    this.first = zero === "true" ? 1 : 0; // the position of `low`
    this.last = Number(this.range.max);
    this.range.addEventListener("input", () => this.moved(Number(this.range.value)));
    this.show(this.value);
  }

  valueAt(position) {
    if (position < this.first) return 0;
    const s = (position - this.first) / (this.last - this.first);
    return this.log ? Number((this.low * (this.high / this.low) ** s).toPrecision(this.digits))
      : Number((this.low + s * (this.high - this.low)).toFixed(this.digits));
  }

  positionOf(value) {
    if (this.first && value < this.low) return 0;
    const s = this.log ? Math.log(value / this.low) / Math.log(this.high / this.low)
      : (value - this.low) / (this.high - this.low);
    return Math.round(this.first + s * (this.last - this.first));
  }

  moved(position) {
    this.editing = false;
    const value = this.valueAt(position);
    if (value === this.value) return;
    this.show(value);
    this.choose(value);
  }

  /** One notch up or down, for keys. */
  nudge(by) {
    this.moved(Math.min(this.last, Math.max(0, this.positionOf(this.value) + by)));
  }

  show(value) {
    super.show(value);
    if (!this.range || typeof value !== "number") return; // the range comes after the box
    this.range.value = this.positionOf(value);
    this.range.setAttribute("aria-valuetext", String(value));
    this.range.style.setProperty("--filled", `${(100 * this.range.value) / this.last}%`);
  }
}

class Choice extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.list = this.find("select");
    this.list.addEventListener("change", () => this.choose(this.value));
  }

  get value() { return this.element.dataset.numeric === "true" ? Number(this.list.value) : this.list.value; }

  show(value) { this.list.value = String(value); }
}

class Radios extends Control {
  constructor(element, choose) {
    super(element, choose);
    this.options = [...element.querySelectorAll("input")];
    for (const option of this.options) option.addEventListener("change", () => this.choose(this.value));
  }

  get value() { return this.options.find((option) => option.checked)?.value; }

  show(value) { for (const option of this.options) option.checked = option.value === value; }
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

const KINDS = { slider: Slider, number: NumberBox, choice: Choice, radios: Radios, switch: Switch, several: Several };

/** All controls below an element, by name. */
function findControls(root, choose) {
  const found = {};
  for (const element of root.querySelectorAll("[data-kind]")) {
    if (element.parentElement.closest("[data-kind]")) continue; // part of another control
    const control = new KINDS[element.dataset.kind](element, choose);
    found[control.name] = control;
  }
  return found;
}
