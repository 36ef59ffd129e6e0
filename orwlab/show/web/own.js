// One's own data and rewards: painted, typed as a formula, chosen digits, or points from a table. See lab/own.py for the
// texts.

const LABELS = { paint: "Your painting", points: "Your points", formula: "Your formula" };
const PANELS = ["paint", "points", "formula", "digits"];
const OFFER = "+"; // an entry of a list that opens a panel begins with it
const WHILE_DRAWN = 150; // ms between two orders while a stroke is drawn
const TYPED = 500; // ms without typing until a formula or a table is tried
const LONG = 40; // characters of what it is called
const WIDE = 8; // half the side of the square in which the centres of points lie
const LEARNING = "A network is learning your data";

/** "paint", "points", "formula", "digits" or "judge", or null for a name. */
function ownKind(value) {
  const [, kind] = /^(paint|points|formula|digits|judge):/.exec(value) ?? [];
  return kind ?? null;
}

/** What people call a value that somebody has brought along; the same as in lab/own.py. */
function ownWords(value) {
  const kind = ownKind(value);
  if (kind !== "formula") return LABELS[kind] ?? digitsWords(value) ?? String(value);
  const words = `${LABELS.formula}: ${value.slice("formula:".length)}`;
  return words.length > LONG ? `${words.slice(0, LONG - 1)}…` : words;
}

/** A list of names below which there is one's own. offered(name, kind) is called when somebody wants to make something. */
class OwnChoice extends Choice {
  constructor(element, choose) {
    super(element, choose);
    this.names = [...this.list.options].filter((option) => !option.closest("optgroup"));
    this.group = this.find("optgroup");
    this.mine = {}; // kind -> the entry of what is there
    this.held = this.list.value;
    const pass = this.choose;
    this.choose = () => {
      const { value } = this.list;
      if (value.startsWith(OFFER)) {
        this.list.value = this.held;
        return this.offered(this.name, value.slice(OFFER.length));
      }
      this.held = value;
      return pass(value);
    };
  }

  get value() { return this.held; }

  get words() { return this.list.selectedOptions[0]?.textContent ?? ""; }

  show(value) {
    const kind = ownKind(value);
    if (kind && !this.names.some((option) => option.value === value)) this.keep(kind, value);
    this.held = String(value);
    this.list.value = this.held;
  }

  /** What one has made stays in the list. */
  keep(kind, value) {
    if (!this.mine[kind]) {
      this.mine[kind] = document.createElement("option");
      this.group.prepend(this.mine[kind]);
    }
    this.mine[kind].value = value;
    this.mine[kind].textContent = ownWords(value);
  }

  /** The next name, for keys. */
  next() {
    const offered = this.names.filter(({ disabled }) => !disabled), at = offered.findIndex(({ value }) => value === this.held);
    this.list.value = offered[(at + 1) % offered.length].value;
    this.choose();
  }
}
KINDS.own = OwnChoice;

class Own {
  /** ask(question) -> promise of the server's answer, see keeping.py. */
  constructor(lab, ask) {
    Object.assign(this, { lab, ask });
    this.controls = lab.all.filter((control) => control instanceof OwnChoice);
    for (const control of this.controls) control.offered = (name, kind) => this.open(name, kind);
    this.panels = Object.fromEntries(PANELS.map((kind) => [kind, lab.find(`#own-${kind}`)]));
    this.opened = null; // {name, kind}
    this.painter = new Painter(lab, this.panels.paint, (name, ended) => this.painted(name, ended));
    for (const panel of Object.values(this.panels)) {
      panel.addEventListener("click", ({ target }) => { if (target.closest("[data-close]")) this.close(true); });
      panel.addEventListener("keydown", (event) => this.escape(event));
    }
    this.painter.canvas.addEventListener("keydown", (event) => this.escape(event));
    this.joinTabs(this.painter.canvas, this.panels.paint);
    lab.whileThere("keydown", (event) => this.undoKeys(event));
    this.narrow = matchMedia("(max-width: 900px), (max-height: 480px)");
    this.fingers = matchMedia("(pointer: coarse)");
    this.narrow.addEventListener("change", () => this.opened && this.put());
    this.listenToPoints();
    this.listenToFormula();
    this.listenToDigits();
    this.fitting = lab.find(".own-fitting");
    this.fitting.querySelector("button").addEventListener("click", () => this.cancel());
    this.before = lab.defaults.target; // the last one that has a name
  }

  // ---- panels

  open(name, kind) {
    if (this.lab.fixed.has(name)) return this.lab.refuse("This is set for you by the link that you have opened.");
    if (this.lab.presenting) this.lab.present(false);
    this.close();
    this.opened = { name, kind };
    this.panels[kind].hidden = false;
    this.put();
    const control = this.lab.controls[name];
    if (kind === "paint") this.painter.open(name, control.mine.paint?.value);
    if (kind === "paint" && !this.painter.blank) this.painted(name, true); // what was there is in force again
    if (kind === "formula") this.openFormula(control);
    if (kind === "digits") this.showDigits(control.value);
    this.inForce = this.lab.inForce[name];
    const first = kind === "paint" ? this.painter.canvas : this.panels[kind].querySelector("textarea, input");
    if (!this.lab.byHand || (kind !== "paint" && !this.fingers.matches)) { // a finger would bring up the keyboard
      first.focus({ preventScroll: true });
    }
    const seen = kind === "paint" && this.narrow.matches ? this.lab.find(".lab-stage") : this.panels[kind];
    seen.scrollIntoView({ block: seen === this.panels[kind] ? "nearest" : "start" });
  }

  /** Below its control; the tools of painting above the picture, where that is far from the controls. */
  put() {
    const { name, kind } = this.opened, panel = this.panels[kind];
    if (kind === "paint" && this.narrow.matches) this.lab.find(".lab-stage").prepend(panel);
    else this.lab.controls[name].element.after(panel);
  }

  /** `back`: somebody did it, who stands on the list again if it was by keyboard: else space plays. */
  close(back = false) {
    if (!this.opened) return;
    const { name, kind } = this.opened;
    const byKeys = !this.lab.byHand && (kind !== "paint" || this.painter.byKeys || this.panels[kind].contains(document.activeElement));
    this.opened = null;
    this.panels[kind].hidden = true;
    clearTimeout(this.typing);
    if (kind === "paint") this.painter.close();
    if (back && byKeys) this.lab.controls[name].list.focus();
  }

  /** From the picture one comes to the tools, and back, whatever stands between them. */
  joinTabs(canvas, panel) {
    const join = (from, back, to) => from.addEventListener("keydown", (event) => {
      if (event.key !== "Tab" || event.shiftKey !== back || (back && !event.target.matches("[data-brush=tool]"))) return;
      event.preventDefault();
      to().focus();
    });
    join(canvas, false, () => panel.querySelector("[data-brush=tool]:checked"));
    join(panel, true, () => canvas);
  }

  escape(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.close(true);
  }

  undoKeys(event) {
    const key = event.key.toLowerCase();
    if (this.opened?.kind !== "paint" || !(event.ctrlKey || event.metaKey) || event.altKey || event.defaultPrevented) return;
    if (event.target.closest?.("input:not([type=radio], [type=checkbox], [type=range]), textarea") || document.querySelector("dialog[open]")) return;
    if (key === "y" || (key === "z" && event.shiftKey)) this.painter.redo();
    else if (key === "z") this.painter.undo();
    else return;
    event.preventDefault();
  }

  // ---- values

  choose(name, value) {
    const control = this.lab.controls[name];
    if (control.value === value) return;
    control.show(value);
    this.lab.chosen(name, value);
  }

  painted(name, ended) {
    const send = () => {
      this.sending = null;
      if (name === "target" && this.painter.blank) return; // nothing to learn: what was there stays
      this.choose(name, this.painter.text);
    };
    if (ended) {
      clearTimeout(this.sending);
      send();
    } else if (name !== "target") this.sending ??= setTimeout(send, WHILE_DRAWN);
  }

  /** The server has answered: {settings, errors}; `waiting` are names of controls that have moved again since. */
  answered(settings, errors, waiting) {
    if (settings.target !== undefined && !ownKind(settings.target)) this.before = settings.target;
    const { name, kind } = this.opened ?? {};
    if (!name || kind === "points" || waiting.has(name)) return;
    const control = this.lab.controls[name], now = settings[name] ?? this.inForce;
    const wrong = errors.find((error) => error.name === name)?.text ?? "";
    if (wrong || kind === "formula") control.problem(null); // the panel tells
    if (kind === "formula" && (wrong || now === this.typed)) this.sayWrong(wrong);
    else if (kind === "paint" && wrong) this.painter.tell(wrong); // what was painted stays
    else if (kind === "paint" && now !== this.inForce && !this.sending && !this.painter.stroke) this.follow(now);
    else if (kind === "digits" && now !== this.inForce && now !== this.wished) this.showDigits(now);
    this.inForce = now;
  }

  /** Everything was set anew. */
  begun() {
    const { name, kind } = this.opened ?? {};
    if (!name) return;
    this.inForce = this.lab.controls[name].value;
    if (this.lab.fixed.has(name)) this.close();
    else if (kind === "paint") this.follow(this.inForce);
    else if (kind === "digits") this.showDigits(this.inForce);
  }

  /** Something else is in force than what was painted last, by the lab's undo or another scene. */
  follow(value) {
    if (ownKind(value) === "paint") this.painter.show(value);
    else this.close();
  }

  // ---- points

  listenToPoints() {
    const { lab } = this, panel = this.panels.points, box = panel.querySelector("textarea");
    box.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.report([]);
      if (box.value.trim()) this.typing = setTimeout(() => this.readPoints(() => thinned(box.value)), TYPED);
    });
    panel.querySelector("[type=file]").addEventListener("change", ({ target }) => {
      if (target.files[0]) this.readFile(target.files[0]);
      target.value = ""; // the same file can be chosen again
    });
    panel.querySelector("[data-use]").addEventListener("click", () => {
      if (this.found) this.choose("target", this.found);
      this.close(true);
      lab.bringBack();
    });
  }

  /** Somebody has dropped a file on the page. */
  bring(file) {
    this.lab.find("dialog[open]")?.close();
    this.open("target", "points");
    if (this.opened?.kind === "points") this.readFile(file);
  }

  readFile(file) {
    return this.readPoints(() => tableIn(file), `“${file.name.slice(0, 60)}” cannot be read: `);
  }

  /** `table` gives {text, said} or an Error; of several readings the last one counts. */
  async readPoints(table, blame = "") {
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.report(["Reading …"]);
    try {
      const { text, said } = await Promise.resolve().then(table).catch(({ message }) => { throw new Error(`${blame}${message}`); });
      const answer = await this.ask({ what: "points", text });
      if (turn !== this.turn) return;
      if (answer?.error) throw new Error(answer.error);
      this.report([said, ...answer.report].filter(Boolean), answer.value);
    } catch (error) {
      if (turn === this.turn) this.report([], null, error.message || "The server does not answer. Please try again.");
    }
  }

  report(sentences, value = null, problem = "") {
    const panel = this.panels.points;
    this.found = value;
    panel.querySelector(".own-report").replaceChildren(...sentences.map((sentence) => {
      const line = document.createElement("li");
      line.textContent = sentence;
      return line;
    }));
    panel.querySelector("[role=alert]").textContent = problem ? problem[0].toUpperCase() + problem.slice(1) : "";
    const use = panel.querySelector("[data-use]"), sketch = panel.querySelector("canvas");
    use.disabled = !value;
    use.classList.toggle("primary", Boolean(value));
    sketch.hidden = !value;
    if (!value) return;
    drawPoints(sketch, value);
    if (!panel.hidden) use.scrollIntoView({ block: "nearest" });
  }

  // ---- a formula

  listenToFormula() {
    this.box = this.panels.formula.querySelector("input");
    this.box.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.tryFormula(), TYPED);
    });
    this.box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      this.tryFormula();
    });
    this.panels.formula.addEventListener("click", ({ target }) => {
      const example = target.closest("[data-example]")?.dataset.example;
      if (!example) return;
      this.box.value = example;
      this.tryFormula();
    });
  }

  openFormula(control) {
    const kept = control.mine.formula?.value.slice("formula:".length);
    if (kept && !this.box.value) this.box.value = kept;
    this.sayWrong("");
  }

  /** What stands in the box as a control's value. */
  get typed() { return `formula:${this.box.value.trim()}`; }

  tryFormula() {
    clearTimeout(this.typing);
    const value = this.typed;
    if (!this.box.value.trim() || this.opened?.kind !== "formula") return this.sayWrong("");
    const { name } = this.opened;
    if (this.lab.controls[name].value === value) return this.sayWrong("");
    if (this.lab.player?.on) this.lab.player.leave();
    this.lab.attempted(null);
    this.lab.line.change(name, value); // the list follows when the server has taken it
  }

  sayWrong(text) {
    const said = this.panels.formula.querySelector(".own-wrong"), place = this.panels.formula.querySelector("pre");
    const [, at] = /at character (\d+)/.exec(text) ?? [];
    const words = text.replace(/^formula: /, "");
    said.textContent = words && words[0].toUpperCase() + words.slice(1);
    place.textContent = at ? `${" ".repeat(Number(at) - 1)}^` : "";
    this.box.setAttribute("aria-invalid", String(Boolean(text)));
  }

  // ---- digits

  listenToDigits() {
    this.chips = [...this.panels.digits.querySelectorAll("input")];
    for (const chip of this.chips) chip.addEventListener("change", () => this.chooseDigits());
  }

  /** Those of `value`; none, if it wants something else than digits. */
  showDigits(value) {
    const [, wanted = ""] = digitsWanted(value) ?? [];
    for (const chip of this.chips) chip.checked = wanted.includes(chip.value);
    this.sayDigits("");
  }

  chooseDigits() {
    const wanted = this.chips.filter((chip) => chip.checked).map((chip) => chip.value).join("");
    if (!wanted) return this.sayDigits("Choose at least one digit.");
    if (wanted.length === this.chips.length) return this.sayDigits("Leave one out: all of them pay the same everywhere.");
    this.sayDigits("");
    const { name } = this.opened, judged = name === "truth"; // who judges is not who is paid
    this.wished = `${judged ? "judge" : "digits"}:${wanted}`; // its answer must not undo what is clicked until then
    this.choose(name, this.wished);
  }

  sayDigits(text) { this.panels.digits.querySelector(".own-problem").textContent = text; }

  // ---- a network that learns

  /** What a picture says of it: {step, of} or nothing. */
  fits(meta) {
    if (this.lab.player?.on) return; // a picture of old
    const { fitting = null } = meta ?? {}, box = this.fitting;
    if (!fitting) {
      if (!box.hidden) this.lab.say("The network has learned your data.");
      box.hidden = true;
      return;
    }
    const share = Math.floor((100 * fitting.step) / Math.max(1, fitting.of));
    if (box.hidden) this.lab.say(`${LEARNING}. Meanwhile you see the exact answer.`);
    box.hidden = false;
    box.querySelector(".own-share").textContent = `${LEARNING}: ${share} %.`;
    box.style.setProperty("--filled", `${share}%`);
    const [plot] = this.lab.stage.layout?.plots ?? [];
    if (plot) box.style.maxWidth = `${plot.x + plot.w - 8}px`; // not over the numbers beside it
  }

  /** Not this one, but the one before. */
  cancel() {
    this.choose("target", this.before);
  }
}

/** The centres of points' text in a little picture. */
function drawPoints(canvas, value) {
  const pen = canvas.getContext("2d"), side = canvas.width, numbers = [];
  const bytes = Uint8Array.from(atob(value.slice("points:".length).replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  for (let k = 0; k + 1 < bytes.length; k += 2) numbers.push(256 * bytes[k] + bytes[k + 1]);
  pen.clearRect(0, 0, side, side);
  pen.fillStyle = getComputedStyle(canvas).color;
  const place = (whole) => ((whole / 65535) * 2 * WIDE - WIDE) / EXTENT; // -1 to 1 within the square
  for (let k = 1; k + 2 < numbers.length; k += 3) {
    pen.globalAlpha = Math.max(0.25, numbers[k + 2] / 65535);
    pen.beginPath();
    pen.arc(((place(numbers[k]) + 1) * side) / 2, ((1 - place(numbers[k + 1])) * side) / 2, 2.4, 0, 2 * Math.PI);
    pen.fill();
  }
}
