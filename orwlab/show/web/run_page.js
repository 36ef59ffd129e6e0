// What every page with a run has: controls, a notice, a sentence for screen readers, moves to try, what a teacher's link
// fixes, presenting, and whose turn the keys are. A page says how it begins a state, with
//   chosen(name, value)    somebody moved a control
//   begin(scene, state)    sets everything
//   command(name)          what a button asks for
//   key(event)             a key that nothing on the page needs for itself

class RunPage {
  constructor(element) {
    this.root = element.querySelector(".lab");
    this.find = (selector) => this.root.querySelector(selector);
    this.controls = findControls(this.root, (name, value) => this.chosen(name, value));
    this.all = Object.values(this.controls);
    this.defaults = Object.fromEntries(this.all.map((control) => [control.name, control.value]));
    this.inForce = { ...this.defaults };
    this.shown = this.all.filter((control) => control.ofStage);
    this.running = this.presenting = false;
    this.fixed = new Set(); // controls that a teacher's link has locked or hidden
    this.told = { scene: {}, log: [] }; // what was done to the run on show
    this.notices = new Map(); // kind -> sentence, in the order in which they came
    this.sentence = this.find(".attempted").textContent;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** The class of the page's element while it presents. */
  get presents() { return "presenting"; }

  // ---- what a link says

  /** The teacher's part of it. */
  teach({ lock, hide, say }) {
    const teacher = this.find(".teacher-says");
    teacher.hidden = !say;
    teacher.textContent = say;
    for (const { name, element } of this.all) {
      element.classList.toggle("withheld", hide.includes(name));
      element.inert = lock.includes(name);
      element.classList.toggle("locked", lock.includes(name));
    }
    this.fixed = new Set([...lock, ...hide]);
    this.root.classList.toggle("guided", this.fixed.size > 0); // what sets everything would set these too
    if (say) this.say(say);
  }

  // ---- moves to try

  attempt(button) {
    if (!button) return;
    const promise = JSON.parse(button.dataset.attempt);
    this.begin(promise.scene, "running");
    this.attempted(button, promise);
    this.bringBack();
  }

  /** Which move is on show, with what it promised; none if `button` is null. */
  attempted(button, promise = null) {
    this.promise = promise;
    for (const other of this.root.querySelectorAll("[data-attempt]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    const sentence = this.find(".attempted"), words = promise?.say ?? this.sentence;
    if (sentence.textContent !== words) sentence.textContent = words;
    sentence.classList.toggle("telling", promise !== null);
  }

  /** A control has moved: what was promised may no longer be so. */
  breaks(name) {
    if (this.promise && !this.promise.free.includes(name)) this.attempted(null);
  }

  /** On a phone the moves lie below the picture: who presses one sees what it does. */
  bringBack() {
    const places = [this.find(".lab-stage"), this.find(".attempted")].map((part) => [part, part.getBoundingClientRect().top]);
    if (places[0][1] > -40 && places[0][1] < innerHeight / 2) return;
    const [first] = places.reduce((a, b) => (b[1] < a[1] ? b : a));
    first.scrollIntoView({ block: "start", behavior: this.calm.matches ? "auto" : "smooth" });
  }

  // ---- what is on the page

  showState(state) {
    this.state = state;
    this.running = state === "running";
    const button = this.find("#toggle");
    button.querySelector(".word").textContent = this.running ? "Pause" : "Play";
    button.classList.toggle("primary", !this.running);
    if (this.running) button.classList.remove("asks");
  }

  /** Whether methods race, in place of alphas. */
  get racing() { return (this.controls.methods?.value.length ?? 0) > 0; }

  /** What is on the page depends on what the lanes are. */
  arrange() {
    this.root.classList.toggle("racing", this.racing);
    for (const option of this.controls.mode?.options ?? []) { // a race is one of networks
      if (option.value === "exact") option.disabled = option.closest("label").hidden = this.racing;
    }
    this.nameLanes(!this.racing && this.controls.others.value.length > 0);
  }

  /** With several lanes the slider moves the first one's alpha, and says so. */
  nameLanes(several) {
    const label = this.find("#alpha .label");
    this.plain ??= label.textContent;
    const words = several ? `${this.plain} of the first lane` : this.plain;
    if (label.textContent === words) return;
    label.textContent = words;
    this.find("#alpha .typed").setAttribute("aria-label", `${words}, typed`);
  }

  /**
   * A sentence over the picture: the queue, or that the server is gone. Only its author takes it away; a later one
   * covers it until then.
   */
  notice(text, kind) {
    if (text) this.notices.set(kind, text);
    else if (!this.notices.delete(kind)) return;
    const [shown, words] = [...this.notices].at(-1) ?? ["", ""], box = this.find(".notice");
    box.hidden = !words;
    box.setAttribute("aria-live", shown === "replaying" ? "off" : "polite"); // it would never stop talking
    if (box.firstChild?.nodeValue !== words) box.textContent = words; // a link may follow
    box.dataset.kind = shown;
  }

  /** What was wrong with some controls' values; what belongs to none is said over the picture. */
  tellErrors(errors) {
    for (const { name, text } of errors) {
      if (!this.controls[name]) this.refuse(text);
      else {
        this.controls[name].problem(text);
        this.say(text);
      }
    }
  }

  refuse(text) {
    this.notice(null, "refused"); // on top again
    this.notice(text, "refused");
    this.say(text);
  }

  /** For screen readers. Emptied first: the same sentence twice is a change only then. */
  say(text) {
    const said = this.find(".lab-said");
    said.textContent = "";
    requestAnimationFrame(() => requestAnimationFrame(() => { said.textContent = text; }));
  }

  /** The picture fills the screen, or no longer. */
  present(on) {
    this.presenting = on;
    this.root.classList.toggle(this.presents, on);
    document.documentElement.classList.toggle("lab-presents", on); // nothing scrolls behind it
    for (const button of this.root.querySelectorAll(on ? "[title]" : "[data-title]")) {
      // a resting pointer would leave the browser's own hint on the screen
      button.dataset.title ??= button.title;
      button.title = on ? "" : button.dataset.title;
    }
    // a frame may forbid the full screen: then the window. With the lock, Escape is ours: it leaves a box first
    if (on) document.documentElement.requestFullscreen?.().then(() => navigator.keyboard?.lock?.(["Escape"])).catch(() => {});
    else if (document.fullscreenElement) document.exitFullscreen();
  }

  // ---- hands and keys

  /** Listens to the whole page, until it is gone. */
  listen() {
    this.root.addEventListener("pointerdown", () => { this.byHand = true; }, true);
    this.root.addEventListener("keydown", () => { this.byHand = false; }, true);
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { command, attempt, open } = button.dataset;
      if (command) this.command(command);
      if (attempt) this.attempt(button);
      if (open) this.showDialog(open);
      if (event.detail > 0) button.blur(); // by mouse or finger: the space bar then plays, not presses again
    });
    this.root.addEventListener("change", ({ target }) => {
      if (this.byHand && target.matches("select, [type=checkbox], [type=radio]")) target.blur(); // the same
    });
    this.whileThere("keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.root.getClientRects().length) return;
      if (!document.querySelector("dialog[open]")) this.key(event);
    });
    this.whileThere("fullscreenchange", () => {
      if (document.fullscreenElement || !this.presenting) return; // else: the browser's own Escape
      const typing = document.activeElement?.matches(".lab .typed");
      if (typing) document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
      else this.present(false);
    });
  }

  showDialog(ident) { this.find(`#${ident}`).showModal(); }

  whileThere(event, does) {
    const listener = (given) => {
      if (this.root.isConnected) does(given);
      else document.removeEventListener(event, listener);
    };
    document.addEventListener(event, listener);
  }
}
