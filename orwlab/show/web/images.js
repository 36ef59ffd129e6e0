// The Images page: controls, grids and server brought together.
//
// The page asks the server again and again, and each question makes its run go on for a moment: see image_runs.py. Orders
// go with the next question, {press}, {name, value} or a whole story {scene, log, round, state}. The page knows the story
// of its run; where the run is gone it is begun again by it.

const IMAGES_REST = 4000; // ms between questions while nothing moves: the run is kept
const IMAGES_FULL = 3000; // ms until somebody who waits for a place asks again
const IMAGES_PATIENCE = 90000; // ms without an answer: a round of four lanes of photographs takes a while
const IMAGES_SETTLE = 700; // ms: somebody may be choosing several digits
const IMAGES_FAILS = "The server does not answer. Your settings are kept; trying again.";

const IMAGES_COMMANDS = {
  toggle: (page) => page.press(page.running ? "pause" : "play"),
  step: (page) => page.press("step"),
  reset: (page) => page.press("reset"),
  present: (page) => page.present(!page.presenting),
};

class ImagesPage extends RunPage {
  constructor(element, server) {
    super(element);
    this.ask = (question) => server.ask(question);
    this.run = "";
    this.have = this.round = this.failures = 0;
    this.orders = [];
    this.refused = new Set(); // controls whose last value was not taken
    this.state = "paused";
    this.atRest = false;
    this.grids = createGrids(this.find(".orw-grids"), {
      path: (lane, k) => this.ask({ what: "path", run: this.run, lane, k }),
    });
    this.memory = new Memory(this);
    this.root.images = this; // for tests and the browser's console
    this.listen();
    this.showTask();
    this.memory.arrive();
    this.turn();
  }

  get presents() { return "showing"; }

  // ---- questions

  get story() {
    return { ...this.told, round: this.round, state: this.state };
  }

  order(order) {
    this.orders.push(order);
    this.atRest = false;
    this.wake?.();
  }

  /** Asks for as long as the page is there. */
  async turn() {
    while (this.root.isConnected) {
      if (document.hidden && !this.orders.length) {
        await this.pause(300);
        continue;
      }
      const orders = this.orders;
      this.orders = [];
      let answer = null;
      try {
        const question = { what: "look", run: this.run, have: this.have, orders, begin: this.story };
        answer = await Promise.race([this.ask(question), late(IMAGES_PATIENCE)]);
      } catch {
        // asked again below
      }
      if (!answer || answer.wait || answer.full || answer.error) this.keep(orders);
      if (!answer || answer.again) {
        this.failures += 1;
        if (this.failures > 1) this.notice(IMAGES_FAILS, "lost");
        await this.pause(AGAIN);
      } else if (answer.error) { // what it would begin with cannot be
        this.refuse(answer.error);
        this.orders = [];
        this.told = { scene: {}, log: [] };
        this.round = 0;
        await this.pause(AGAIN);
      } else if (answer.full) {
        this.notice(answer.full, "full");
        await this.pause(IMAGES_FULL);
      } else if (answer.wait) {
        await this.pause(AGAIN / 4);
      } else {
        this.answered(answer);
        if (!this.orders.length && answer.idle) await this.pause(IMAGES_REST);
        else await new Promise((go) => { setTimeout(go, 20); });
      }
    }
    this.grids.destroy();
  }

  /** What was not obeyed is ordered again; what may have been and may not be done twice is not. */
  keep(orders) {
    if (this.orders.some((order) => order.scene)) return;
    this.orders = [...orders.filter((order) => this.run === "" || !ONCE.includes(order.press)), ...this.orders];
  }

  /** So long, or until something is ordered. */
  pause(time) {
    return new Promise((go) => {
      const timer = setTimeout(go, time);
      this.wake = () => { clearTimeout(timer); go(); };
    });
  }

  answered(frame) {
    this.failures = 0;
    if (!this.notices.has("refused")) this.notice(frame.notice || null, "server");
    for (const kind of ["lost", "full"]) this.notice(null, kind);
    if (frame.run !== this.run) this.grids.forget();
    this.run = frame.run;
    this.known = frame.run;
    this.have = frame.seq;
    const waiting = new Set([...this.orders.map((order) => order.name), this.typing && "wanted"]);
    if (!this.orders.some((order) => order.scene)) {
      for (const { name } of frame.errors) if (this.controls[name]) this.refused.add(name);
      this.tellErrors(frame.errors);
      this.round = frame.story.round;
      this.told = { scene: frame.story.scene, log: frame.story.log };
      this.showState(frame.state);
      this.showSettings(frame.settings, waiting);
    }
    this.grids.receive(frame);
    this.atRest = frame.idle && Boolean(frame.lanes || this.grids.frame);
    if (frame.exhibit && frame.exhibit.name !== this.goalOf) this.showGoal(frame.exhibit);
    this.memory.touch();
  }

  showSettings(settings, waiting = new Set()) {
    for (const [name, value] of Object.entries(settings)) {
      this.inForce[name] = value;
      if (!waiting.has(name) && !this.refused.has(name)) this.controls[name].show(value);
    }
    this.showTask();
  }

  /** Only what the chosen task has. */
  showTask() {
    const digits = this.controls.task.value === "digits";
    this.controls.wanted.element.hidden = !digits;
    this.controls.files.element.hidden = digits;
    this.nameLanes(this.inForce.others.length > 0);
  }

  // ---- what people do

  chosen(name, value) {
    this.controls[name].problem(null);
    this.refused.delete(name);
    this.notice(null, "refused");
    this.breaks(name);
    if (name === "task") this.showTask();
    if (name === "wanted") {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.settle(), IMAGES_SETTLE);
    } else {
      this.settle();
      this.send(name, value);
    }
  }

  /** Somebody who does something else has chosen all digits that they want. */
  settle() {
    if (!this.typing) return;
    clearTimeout(this.typing);
    this.typing = 0;
    this.send("wanted", this.controls.wanted.value);
  }

  /** A newer value takes the place of an older one that has not gone yet, unless something else came between them. */
  send(name, value) {
    const since = this.orders.findLastIndex((order) => order.press || order.scene) + 1;
    this.orders = this.orders.filter((order, k) => k < since || order.name !== name);
    this.order({ name, value });
  }

  press(action) {
    this.settle();
    this.order({ press: action });
    if (action === "reset") this.attempted(null);
    if (action === "play" || action === "pause") this.showState(action === "play" ? "running" : "paused");
  }

  /** A whole state; controls that `scene` does not name have their defaults. */
  begin(scene, state, { log = [], round = 0 } = {}) {
    this.memory.begins();
    const now = { ...this.defaults, ...scene, ...Object.fromEntries(log.map(([, name, value]) => [name, value])) };
    for (const control of this.all) {
      control.forget();
      control.problem(null);
      control.show(now[control.name]);
      this.inForce[control.name] = now[control.name];
    }
    clearTimeout(this.typing);
    this.typing = 0;
    this.refused.clear();
    this.notice(null, "refused");
    this.attempted(null);
    this.told = { scene, log };
    this.round = round;
    this.memory.begun();
    this.showTask();
    this.showState(state);
    this.orders = [{ scene, log, round, state }];
    this.atRest = false;
    this.wake?.();
  }

  /** What a link says. */
  open({ scene, log, round, ...teacher }) {
    this.teach(teacher);
    this.begin(scene, "paused", { log, round });
  }

  // ---- which alpha

  showGoal({ name, goal, numbers: [paid] }) {
    this.goalOf = name;
    this.find("[data-goal=value]").value = String(goal);
    this.find(".images-goal-name").textContent = paid.kind === "share" ? "a mean reward of" : "a mean size in bytes of";
    this.find(".images-found").textContent = "";
    this.find("[data-goal=take]").hidden = true;
  }

  async suggest() {
    const said = this.find(".images-found"), take = this.find("[data-goal=take]"), goal = numberIn(this.find("[data-goal=value]").value);
    take.hidden = true;
    if (typeof goal !== "number") {
      said.textContent = `The goal is “${goal.slice(0, 40)}”; allowed: a number, such as 0.8.`;
      return;
    }
    said.textContent = "Looking at the reference’s rewards …";
    let answer = null;
    try {
      answer = await this.ask({ what: "suggest", run: this.run, goal });
    } catch {
      answer = { error: IMAGES_FAILS };
    }
    said.textContent = answer.error ?? answer.said;
    if (answer.error) return;
    this.suggested = answer.alpha;
    take.hidden = false;
    take.querySelector(".word").textContent = `Put α at ${answer.alpha}`;
  }

  // ---- what is on the page

  present(on) {
    super.present(on);
    this.grids.present(on);
  }

  // ---- hands and keys

  listen() {
    super.listen();
    this.find("[data-goal=take]").addEventListener("click", () => {
      this.controls.alpha.show(this.suggested);
      this.chosen("alpha", this.suggested);
    });
    this.find(".images-goal").addEventListener("submit", (event) => {
      event.preventDefault();
      this.suggest();
    });
    this.find("[data-goal=value]").addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // it leaves the box and nothing else
      event.target.blur();
    });
  }

  command(name) { IMAGES_COMMANDS[name]?.(this); }

  key(event) {
    if (event.key === "Escape" && this.presenting) return this.present(false);
    if (takes(event.target, event.key)) return;
    const moves = [...this.root.querySelectorAll("[data-attempt]")];
    const does = {
      " ": () => IMAGES_COMMANDS.toggle(this), s: () => IMAGES_COMMANDS.step(this), r: () => IMAGES_COMMANDS.reset(this),
      p: () => IMAGES_COMMANDS.present(this), "?": () => this.find("#lab-keys").showModal(),
      ArrowRight: () => this.nudge(1), ArrowLeft: () => this.nudge(-1),
      ...Object.fromEntries(moves.map((button, k) => [String(k + 1), () => !this.fixed.size && this.attempt(button)])),
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does || (event.repeat && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    does();
  }

  nudge(way) {
    if (!this.fixed.has("alpha")) this.controls.alpha.nudge(way);
  }
}
