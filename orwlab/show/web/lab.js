// The Live lab's page: controls, stage and server brought together.
//
//   const host = around(element, server, trigger);   // what the stage asks of its host
//   host.attach(createStage(..., host));

const COMMANDS = {
  toggle: (lab) => lab.press(lab.running ? "pause" : "play"),
  step: (lab) => lab.press("step"),
  reset: (lab) => lab.press("reset"),
  present: (lab) => lab.present(!lab.presenting),
};

const PATIENT = 15000; // ms until somebody who sees nothing move is told something
const SILENT = "No picture has come from the server yet; the page goes on waiting. If it comes through a proxy: that has " +
  "to pass on everything below this address, at once and not in blocks.";

class Lab {
  constructor(element, server, trigger) {
    this.root = element.querySelector(".lab");
    this.find = (selector) => this.root.querySelector(selector);
    this.controls = findControls(this.root, (name, value) => this.chosen(name, value));
    this.defaults = Object.fromEntries(Object.values(this.controls).map((control) => [control.name, control.value]));
    this.inForce = { ...this.defaults };
    this.shown = Object.values(this.controls).filter((control) => control.ofStage);
    this.running = true;
    this.presenting = false;
    this.line = new Line((run, orders) => server.obey(run, orders), {
      answered: (answer, waiting) => this.answered(answer, waiting),
      failed: (times) => times > 1 && this.notice("The server does not answer. Your settings are kept; trying again.", "lost"),
    });
    this.host = {
      acknowledge: (run, seq) => { this.sees(run); return server.acknowledge(run, seq); },
      wake: () => trigger("wake"),
      stateChanged: (state) => this.showState(state),
      command: (name) => this.command(name),
      notice: (text) => this.notice(text, "server"),
      attach: (stage) => this.attach(stage),
    };
    this.wake = this.host.wake;
    this.listen();
  }

  attach(stage) {
    this.stage = stage;
    this.configure();
    setTimeout(() => { if (!this.known && !this.noticeKind) this.notice(SILENT, "silence"); }, silentSince() + PATIENT - Date.now());
  }

  configure() {
    const options = Object.fromEntries(this.shown.map((control) => [control.name, control.value]));
    this.stage?.configure({ ...options, present: this.presenting });
  }

  // ---- controls and server

  chosen(name, value) {
    this.controls[name].problem(null);
    this.attempted(null); // from here on it is no longer what was tried
    if (this.controls[name].ofStage) return this.configure();
    this.line.change(name, value);
  }

  /** What a button or a key asks for; NAME_up and NAME_down move a slider to its next place. */
  command(name) {
    const [, slider, way] = /^(\w+)_(up|down)$/.exec(name) ?? [];
    if (slider) this.controls[slider]?.nudge?.(way === "up" ? 1 : -1);
    else COMMANDS[name]?.(this);
  }

  press(action) {
    this.line.press(action);
    if (action === "reset_to_demo") this.demo();
    if (action !== "step") this.showState(action === "play" ? "running" : action === "pause" ? "paused" : this.state);
  }

  /** The page's own part of it; the session's settings come with the answer. */
  demo() {
    for (const control of Object.values(this.controls)) control.problem(null);
    for (const control of this.shown) control.show(this.defaults[control.name]);
    this.attempted(null);
    this.configure();
  }

  /** A frame of `run` was painted. A run that this page does not know yet is told what the page says. */
  sees(run) {
    if (!run || run === "first" || run === this.line.run) return;
    this.notice(null, "silence");
    silentSince(0);
    const again = this.known !== undefined && this.known !== run;
    this.known = this.line.run = run;
    if (again) {
      for (const [name, value] of Object.entries(this.inForce)) {
        if (JSON.stringify(value) !== JSON.stringify(this.defaults[name])) this.line.change(name, value);
      }
    }
    this.line.ask();
  }

  answered({ known, settings = {}, errors = [] }, waiting) {
    if (this.noticeKind === "lost") this.notice(null, "lost");
    if (!known) return this.wake();
    for (const [name, value] of Object.entries(settings)) {
      this.inForce[name] = value;
      // what has moved again meanwhile is shown by the next answer
      if (this.controls[name] && !waiting.has(name)) this.controls[name].show(value);
    }
    for (const { name, text } of errors) {
      this.controls[name]?.problem(text);
      this.say(text);
    }
  }

  // ---- what is on the page

  showState(state) {
    if (state === "starting") return;
    this.state = state;
    this.running = state === "running";
    const button = this.find("[data-command=toggle]");
    button.querySelector(".word").textContent = this.running ? "Pause" : "Play";
    button.classList.toggle("primary", !this.running);
  }

  /** A sentence over the stage: the queue, or that the server is gone. Only its author takes it away. */
  notice(text, kind) {
    if (!text && this.noticeKind !== kind) return;
    const box = this.find(".notice");
    box.hidden = !text;
    if (box.textContent !== (text ?? "")) box.textContent = text ?? "";
    this.noticeKind = text ? kind : null;
  }

  /** For screen readers. */
  say(text) {
    this.find(".lab-said").textContent = text;
  }

  present(on) {
    this.presenting = on;
    this.root.classList.toggle("presenting", on);
    document.documentElement.classList.toggle("lab-presents", on); // nothing scrolls behind it
    if (on) document.documentElement.requestFullscreen?.().catch(() => {}); // a frame may forbid it: then the window
    else if (document.fullscreenElement) document.exitFullscreen();
    this.configure();
  }

  attempt(button) {
    const { press, set, say } = JSON.parse(button.dataset.attempt);
    for (const [name, value] of Object.entries(set)) {
      this.controls[name].show(value);
      this.chosen(name, value);
    }
    for (const action of press) this.press(action);
    this.find(".attempted").textContent = say;
    this.attempted(button);
  }

  attempted(button) {
    for (const other of this.root.querySelectorAll("[data-attempt]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  }

  // ---- hands and keys

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { command, press } = button.dataset;
      if (command) this.command(command);
      if (press) this.press(press);
      if (button.dataset.attempt) this.attempt(button);
      if (button.dataset.open) this.find(`#${button.dataset.open}`).showModal();
      if (event.detail > 0) button.blur(); // by mouse or finger: the space bar then plays, not presses again
    });
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    document.addEventListener("fullscreenchange", () => {
      if (!document.fullscreenElement && this.presenting) this.present(false); // the browser's own Escape
    });
  }

  key(event) {
    if (!this.root.isConnected) return document.removeEventListener("keydown", this.onKey);
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.root.getClientRects().length) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && this.presenting) return this.present(false);
    if (takes(event.target, event.key)) return;
    if (event.key === "?") return this.find("#lab-keys").showModal();
    // the stage knows the keys; whose they are was decided here, so that space also plays while a slider has the focus
    const { key, repeat, shiftKey } = event;
    this.stage?.key({ key, repeat, shiftKey, target: null, preventDefault: () => event.preventDefault() });
  }
}

/** Since when no picture has come, also over reloads: Gradio loads the page again when its line breaks. 0 ends it. */
function silentSince(time) {
  try {
    const known = Number(sessionStorage.getItem("silentSince"));
    const since = time ?? (Date.now() - known < 4 * PATIENT ? known : Date.now());
    sessionStorage.setItem("silentSince", since);
    return since;
  } catch {
    return Date.now(); // a browser may keep nothing
  }
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

const around = (element, server, trigger) => new Lab(element, server, trigger).host;
