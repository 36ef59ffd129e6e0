// A page around a stage: controls, stage and server brought together.
//
//   const host = around(element, server, trigger);   // what the stage asks of its host
//   host.attach(createStage(..., host));
//
// An instrument is what a page has beside the stage. Its script says INSTRUMENTS.push((lab, ask) => instrument);
// ask(question) is a promise of the server's answer. An instrument may have
//   painted(meta, value)   a picture was painted; what it holds is in lab.stage.arrays
//   begun()                a whole state was set
//   chosen(name, value)    somebody moved a control
//   answered()             the controls say what the server has in force

const COMMANDS = {
  toggle: (lab) => lab.press(lab.running ? "pause" : "play"),
  step: (lab) => lab.press("step"),
  reset: (lab) => lab.press("reset"),
  undo: (lab) => !lab.find("#undo").disabled && lab.press("undo"),
  start_over: (lab) => lab.begin(lab.first, "paused"),
  flow: (lab) => (lab.player?.on ? lab.player : lab).flow.toggle(),
  present: (lab) => lab.present(!lab.presenting),
};

const PATIENT = 15000; // ms until somebody who sees nothing move is told something
const SILENT = "No picture has come from the server yet; the page goes on waiting. If it comes through a proxy: that has " +
  "to pass on everything below this address, at once and not in blocks.";

class Lab extends RunPage {
  constructor(element, server, trigger) {
    super(element);
    this.first = JSON.parse(this.root.dataset.begin ?? "{}"); // settings that the page begins with
    for (const [name, value] of Object.entries(this.first)) this.controls[name].show(value);
    Object.assign(this.inForce, this.first);
    this.arrange();
    this.more = false; // numbers: the stage's own button asks for all of them
    this.recorder = new Recorder();
    this.memory = new Memory(this);
    this.keeping = new Keep(this, this.memory, this.recorder, (question) => server.keep(question));
    this.own = new Own(this, (question) => server.keep(question));
    this.line = new Line((run, orders) => server.obey(run, orders), {
      answered: (answer, waiting) => this.answered(answer, waiting),
      failed: (times) => times > 1 && this.notice("The server does not answer. Your settings are kept; trying again.", "lost"),
    });
    this.flow = new FlowTime(this.controls.t, () => this.stage?.meta?.t, (playing) => {
      this.find("#flow").setAttribute("aria-pressed", String(playing));
    });
    this.instruments = INSTRUMENTS.map((make) => make(this, (question) => server.ask(question)));
    this.host = {
      acknowledge: (run, seq) => { this.sees(run); return server.acknowledge(run, seq); },
      wake: () => trigger("wake"),
      stateChanged: (state) => { if (!this.foreign) this.showState(state); },
      command: (name) => this.command(name),
      configured: ({ more }) => { this.more = more ?? this.more; },
      notice: (text) => this.waits(text),
      story: (text) => this.story(text),
      trace: (k) => this.line.trace(k),
      receive: (value) => this.receive(value),
      painted: (meta, value) => this.painted(meta, value),
      attach: (stage) => this.attach(stage),
    };
    this.wake = this.host.wake;
    this.root.lab = this; // for tests and the browser's console
    this.listen();
  }

  /** Why there is no run for now, and where one needs no place. */
  waits(text) {
    this.notice(text, "server");
    const there = this.inPocket(location.hash), box = this.find(".notice");
    if (!text || !there || box.querySelector("a")) return;
    const link = make("a", "", "Meanwhile, in the Pocket lab: it needs no place.");
    link.href = there;
    box.append(" ", link);
  }

  /** Where the Pocket lab has the same scene; "" where there is none, or where this is it. */
  inPocket(hash) {
    const there = this.find('.studio-pages a[href$="/pocket"]');
    return there ? there.getAttribute("href") + hash : "";
  }

  attach(stage) {
    this.stage = stage;
    this.player = new Player(this.find(".lab-player"), stage, this.recorder, {
      begun: () => { if (this.running) { this.press("pause"); this.goesOn = true; } },
      left: () => this.toPresent(),
      resumed: (round) => this.goOnFrom(round),
      flows: true,
    });
    this.configure();
    this.memory.arrive();
    setTimeout(() => { if (!this.known && !this.notices.size) this.notice(SILENT, "silence"); }, silentSince() + PATIENT - Date.now());
  }

  options() {
    return { ...Object.fromEntries(this.shown.map((control) => [control.name, control.value])), more: this.more };
  }

  configure() {
    this.stage?.configure({ ...this.options(), present: this.presenting });
    this.memory.touch();
  }

  // ---- pictures

  /** A picture from the server; while somebody looks back it waits. */
  receive(value) {
    this.latest = value;
    if (!this.player.on) this.stage.receive(value);
  }

  painted(meta, value) {
    this.replays(meta);
    this.own.fits(meta);
    if (meta.run !== "first") this.inform("painted", meta, value);
    if (this.foreign || meta.replaying || meta.run === "first") return;
    this.round = meta.round;
    this.recorder.add(value, meta);
    this.player.refresh();
    this.memory.touch();
  }

  /** Back from the rounds so far to the newest one. */
  toPresent() {
    if (this.latest) this.stage.receive(this.latest);
    if (this.goesOn) this.press("play");
    this.goesOn = false;
  }

  /** The run as it was in an earlier round: what came later is forgotten, and can be changed. */
  goOnFrom(round) {
    const { scene, log } = this.told;
    const stage = Object.fromEntries(this.shown.map(({ name, value }) => [name, value]));
    this.goesOn = false;
    this.begin(scene, "paused", { log: log.filter(([at]) => at < round), round, stage });
  }

  /** Tells the instruments what has happened. */
  inform(event, ...given) {
    for (const one of this.instruments) one[event]?.(...given);
  }

  // ---- controls and server

  chosen(name, value) {
    this.controls[name].problem(null);
    this.notice(null, "refused");
    this.breaks(name);
    if (name === "t" && !this.flow.moving) this.flow.stop();
    if (name === "others" || name === "methods") this.arrange();
    this.inform("chosen", name, value);
    if (this.controls[name].ofStage) return this.configure();
    if (this.player?.on) this.player.leave();
    this.line.change(name, value);
    this.memory.touch();
  }

  /** What a button or a key asks for; NAME_up and NAME_down move a slider to its next place. */
  command(name) {
    const [, named, way] = /^(\w+)_(up|down|next)$/.exec(name) ?? [], control = this.meant(named);
    const [, move] = /^move_(\d)$/.exec(name) ?? [];
    if (this.fixed.has(control) || (move && this.fixed.size)) return;
    if (way === "next") this.next(this.controls[control]);
    else if (way) this.controls[control]?.nudge?.(way === "up" ? 1 : -1);
    else if (move) this.attempt([...this.root.querySelectorAll("[data-attempt]")][move - 1]);
    else COMMANDS[name]?.(this);
  }

  /** The control that a key is for: where methods race there is one dial, and it is not alpha. */
  meant(control) {
    if (!this.racing) return control;
    return control === "alpha" ? "strength" : control === "tau" ? null : control;
  }

  /** The next choice of a control; those who do not see it are told. */
  next(control) {
    if (!control?.next) return;
    control.next();
    this.say(`${control.find(".label").textContent}: ${control.words}`);
  }

  press(action) {
    if (action !== "pause" && this.player?.on) { // it is about the present
      this.goesOn = false;
      this.player.leave();
    }
    this.line.press(action);
    if (action === "reset" || action === "undo") this.attempted(null);
    if (action === "pause") this.flow.stop();
    if (action === "play" || action === "pause") this.showState(action === "play" ? "running" : "paused");
  }

  /** One order that sets everything, whatever was there before: controls that `scene` does not name have their defaults. */
  begin(scene, state, { log = [], round = 0, stage = {}, view = null } = {}) {
    this.flow.stop();
    this.memory.begins();
    if (this.player?.on) this.player.leave();
    const now = { ...scene, ...Object.fromEntries(log.map(([, name, value]) => [name, value])), ...stage };
    for (const control of this.all) {
      control.forget();
      control.problem(null);
      control.show(now[control.name] ?? this.defaults[control.name]);
    }
    this.notice(null, "refused");
    this.own.begun();
    this.attempted(null);
    this.arrange();
    this.told = { scene, log };
    this.round = round;
    this.memory.begun();
    this.configure();
    if (view) this.stage?.camera.look(view, true);
    else this.stage?.camera.goHome();
    this.stage?.looked();
    this.line.begin({ scene, state, log, round });
    this.showState(state);
    this.inform("begun");
  }

  /** What a link says: a whole state, and perhaps what a teacher wants of the page. */
  open({ scene, log, round, stage, view, ...teacher }) {
    this.recorder.clear(); // what was before is of another story
    this.teach(teacher);
    this.begin(scene, "paused", { log, round, stage, view });
  }

  /** The run in a line. */
  describe() {
    const { controls, inForce } = this, alphas = [inForce.alpha, ...inForce.others].join(", ");
    const lanes = this.racing ? `${controls.methods.words}, strength ${inForce.strength}` : `α = ${alphas}, τ = ${inForce.tau}`;
    const changes = this.told.log.map(([at, name, value]) => `round ${at}: ${name} ${ownWords(value)}`);
    return [`${controls.target.words}, ${controls.reward.words}, ${lanes}, seed ${inForce.seed}`, ...changes].join("; ");
  }

  /** A frame of `run` was painted. A run that this page does not know yet is told what the page says. */
  sees(run) {
    if (!run || run === "first" || run === this.line.run) return;
    this.notice(null, "silence");
    silentSince(0);
    const again = this.known !== undefined && this.known !== run;
    this.known = this.line.run = run;
    if (again) this.restore();
    this.line.ask();
  }

  /** The server has forgotten the run: it repeats what was done to it, and then what has been ordered since. */
  restore() {
    const later = this.line.orders;
    if (later.some((order) => order.scene)) return;
    const scene = Object.fromEntries(Object.entries(this.inForce).filter(([name, value]) =>
      !this.controls[name]?.ofStage && JSON.stringify(value) !== JSON.stringify(this.defaults[name])));
    const { log } = this.told;
    const story = log.length ? { ...this.told, round: Math.max(this.round ?? 0, log.at(-1)[0]) } : { scene };
    this.line.begin({ ...story, state: this.running ? "running" : "paused" });
    this.line.orders.push(...later);
  }

  /** While a log is repeated the page says how far it has come. */
  replays(meta) {
    const { replaying = null } = meta ?? {};
    if (replaying) this.notice(`Repeating your changes: round ${replaying.round} of ${replaying.of}`, "replaying");
    else if (this.repeated) {
      this.notice(null, "replaying");
      this.line.ask();
    }
    this.repeated = Boolean(replaying);
    if (!replaying && !this.foreign) this.round = meta?.round;
  }

  /** Whether the picture is of the past, or of a run that does not know yet what this page says. */
  get foreign() {
    return this.player?.on || (this.known !== undefined && this.stage?.meta?.run !== this.line.run);
  }

  /** What was done so far: the scene it began with, and the log of changes. */
  story(text) {
    try {
      const { scene = {}, log = [], undo = log.length > 0 } = JSON.parse(text);
      if (this.foreign) return;
      if (this.known && !this.line.orders.some((order) => order.scene)) this.told = { scene, log };
      this.memory.touch();
      this.find("#undo").disabled = !undo;
    } catch {
      // a host may send something else one day; what is on show does not depend on it
    }
  }

  answered({ known, settings = {}, errors = [] }, waiting) {
    this.notice(null, "lost");
    if (!known) return this.wake();
    const older = this.line.orders.some((order) => order.scene); // everything has been set anew meanwhile
    for (const [name, value] of Object.entries(older ? {} : settings)) {
      this.inForce[name] = value;
      // what has moved again meanwhile is shown by the next answer
      if (this.controls[name] && !waiting.has(name)) this.controls[name].show(value);
    }
    if (!older) this.arrange();
    this.tellErrors(errors);
    this.own.answered(older ? {} : settings, errors, waiting);
    this.inform("answered");
  }

  // ---- what is on the page

  showState(state) {
    if (state !== "starting") super.showState(state);
  }

  present(on) {
    super.present(on);
    this.configure();
  }

  // ---- hands and keys

  listen() {
    super.listen();
    this.root.addEventListener("click", (event) => {
      const scene = event.target.closest(".lab-gallery a"), modified = event.ctrlKey || event.metaKey || event.shiftKey;
      if (!scene || modified) return;
      event.preventDefault();
      this.memory.visit(scene.hash);
      this.bringBack();
    });
    this.root.addEventListener("toggle", ({ target }) => {
      // not those that are open from the beginning
      if (this.byHand !== undefined && target.open && target.matches("details")) target.scrollIntoView({ block: "nearest" });
    }, true); // it does not bubble
  }

  showDialog(ident) {
    if (ident === "lab-keep") this.keeping.open();
    else super.showDialog(ident);
  }

  key(event) {
    if (event.key === "Escape" && this.flow.playing) return this.flow.stop();
    if (event.key === "Escape" && this.player?.on) return this.player.leave();
    if (event.key === "Escape" && this.presenting) return this.present(false);
    if (takes(event.target, event.key)) return;
    if (event.key === "Escape" && this.own.opened) return this.own.close(true); // also after a click took the focus away
    if (event.key === "?") return this.find("#lab-keys").showModal();
    if (this.player?.key(event)) return event.preventDefault();
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

const around = (element, server, trigger) => new Lab(element, server, trigger).host;
