// What the pages have in common that fine-tune on images: controls, grids and server brought together.
//
// The page asks the server again and again, and each question makes its run go on for a moment: see image_runs.py. Orders
// go with the next question, {press}, {name, value} or a whole story {scene, log, round, state}. The page knows the story
// of its run; where the run is gone it is begun again by it.
//
// A page says
//   always       what of a scene it has no control for
//   gathers      controls of which somebody may be about to choose more: what they say is sent a moment later
//   arrange()    shows what belongs to the state in force
//   showGoal     what is different with another exhibit

const ALBUM_REST = 4000; // ms between questions while nothing moves: the run is kept
const ALBUM_FULL = 3000; // ms until somebody who waits for a place asks again
const ALBUM_PATIENCE = 90000; // ms without an answer: a round of four lanes of photographs takes a while
const ALBUM_SETTLE = 700; // ms: somebody may be choosing several things
const ALBUM_FAILS = "The server does not answer. Your settings are kept; trying again.";

const ALBUM_COMMANDS = {
  toggle: (page) => page.press(page.running ? "pause" : "play"),
  step: (page) => page.press("step"),
  reset: (page) => page.press("reset"),
  present: (page) => page.present(!page.presenting),
};

class AlbumPage extends RunPage {
  constructor(element, server) {
    super(element);
    this.ask = (question) => server.ask(question);
    this.run = "";
    this.have = this.round = this.failures = 0;
    this.orders = [];
    this.refused = new Set(); // controls whose last value was not taken
    this.state = "paused";
    this.resting = false;
    this.grids = createGrids(this.find(".orw-grids"), {
      path: (lane, k) => this.ask({ what: "path", run: this.run, lane, k }),
    });
    this.memory = new Memory(this);
    this.root.images = this; // for tests and the browser's console
    this.gathered = new Map(); // name -> value, of controls that are waited for
    this.listen();
    this.arrange();
    this.memory.arrive();
    this.turn();
  }

  get presents() { return "showing"; }

  /** Whether nothing moves, and all that came is in the picture. */
  get atRest() { return this.resting && this.grids.drawn; }

  get always() { return {}; }

  get gathers() { return []; }

  arrange() { this.nameLanes(this.inForce.others.length > 0); }

  showGoal() {}

  // ---- questions

  get story() {
    return { ...this.whole(this.told), round: this.round, state: this.state };
  }

  /** With what this page has no control for. */
  whole(story) {
    return { ...story, scene: { ...this.always, ...story.scene } };
  }

  order(order) {
    this.orders.push(order);
    this.resting = false;
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
        answer = await Promise.race([this.ask(question), late(ALBUM_PATIENCE)]);
      } catch {
        // asked again below
      }
      if (!answer || answer.wait || answer.full || answer.error) this.keep(orders);
      if (!answer || answer.again) {
        this.failures += 1;
        if (this.failures > 1) this.notice(ALBUM_FAILS, "lost");
        await this.pause(AGAIN);
      } else if (answer.error) { // what it would begin with cannot be
        this.refuse(answer.error);
        this.orders = [];
        this.told = { scene: {}, log: [] };
        this.round = 0;
        await this.pause(AGAIN);
      } else if (answer.full) {
        this.notice(answer.full, "full");
        await this.pause(ALBUM_FULL);
      } else if (answer.wait) {
        await this.pause(AGAIN / 4);
      } else {
        this.answered(answer);
        if (!this.orders.length && answer.idle) await this.pause(ALBUM_REST);
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
    const waiting = new Set([...this.orders.map((order) => order.name), ...this.gathered.keys()]);
    if (!this.orders.some((order) => order.scene)) {
      for (const { name } of frame.errors) if (this.controls[name]) this.refused.add(name);
      this.tellErrors(frame.errors);
      this.round = frame.story.round;
      const controlled = Object.entries(frame.story.scene).filter(([name]) => this.controls[name]);
      this.told = { scene: Object.fromEntries(controlled), log: frame.story.log };
      this.showState(frame.state);
      this.showSettings(frame.settings, waiting);
    }
    this.grids.receive(frame);
    this.resting = frame.idle && !this.orders.length && Boolean(frame.lanes || this.grids.frame);
    if (frame.exhibit && frame.exhibit.name !== this.goalOf) this.showGoal(frame.exhibit);
    this.memory.touch();
  }

  showSettings(settings, waiting = new Set()) {
    for (const [name, value] of Object.entries(settings)) {
      if (!this.controls[name]) continue;
      this.inForce[name] = value;
      if (!waiting.has(name) && !this.refused.has(name)) this.controls[name].show(value);
    }
    this.arrange();
  }

  // ---- what people do

  chosen(name, value) {
    this.controls[name].problem(null);
    this.refused.delete(name);
    this.notice(null, "refused");
    this.breaks(name);
    if (this.gathers.includes(name)) {
      this.gathered.set(name, value);
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.settle(), ALBUM_SETTLE);
    } else {
      this.settle();
      this.send(name, value);
    }
  }

  /** Somebody who does something else has chosen all that they want. */
  settle() {
    clearTimeout(this.typing);
    const gathered = [...this.gathered];
    this.gathered.clear();
    for (const [name, value] of gathered) this.send(name, value);
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
    this.gathered.clear();
    this.refused.clear();
    this.notice(null, "refused");
    this.attempted(null);
    this.told = { scene, log };
    this.round = round;
    this.memory.begun();
    this.arrange();
    this.showState(state);
    this.orders = [{ ...this.whole(this.told), round, state }];
    this.resting = false;
    this.wake?.();
  }

  /** What a link says. */
  open({ scene, log, round, ...teacher }) {
    this.teach(teacher);
    this.begin(scene, "paused", { log, round });
  }

  // ---- what is on the page

  present(on) {
    super.present(on);
    this.grids.present(on);
  }

  // ---- hands and keys

  command(name) { ALBUM_COMMANDS[name]?.(this); }

  key(event) {
    if (event.key === "Escape" && this.presenting) return this.present(false);
    if (takes(event.target, event.key)) return;
    const moves = [...this.root.querySelectorAll("[data-attempt]")];
    const does = {
      " ": () => ALBUM_COMMANDS.toggle(this), s: () => ALBUM_COMMANDS.step(this), r: () => ALBUM_COMMANDS.reset(this),
      p: () => ALBUM_COMMANDS.present(this), "?": () => this.find("#lab-keys").showModal(),
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
