// A person's experiment: show/lab/session.py in the browser. Nothing here waits or draws.

import { failedFor } from "./banners.js";
import { Experiment } from "./experiment.js";
import { Limits } from "./limits.js";
import { changedSettings, checkedChoice, checkedWhole, isExact, notAllowed, sameSettings, seenAs } from "./settings.js";
import { shownFor, startsAgain, tabled, trainable } from "./settings.js";
import { RESUME, Story } from "./story.js";

/** What one can press. */
const ACTIONS = ["play", "pause", "toggle", "step", "reset", "undo"];
const PROMPT = 2; // moved controls that may come before a round that is half done
const FOLLOWED = 300; // rounds at most after which a moved control is not followed any further while paused
const EARLY = 0.01; // seconds that a round may come before its time
const QUIET = 0.5; // seconds since a control moved, before dear measurements are made again
const SLICE_OF_A_ROUND = 0.008; // seconds after which a round of several lanes lets the page speak
const SLICE = 0.1; // seconds of a repetition at a time, where nobody says how long
const SEEN = 0.35; // seconds between pictures of a repetition
const STORIES = 20; // earlier ones that one can go back to
const USUAL_AXIS = 64; // cells an axis, as the app has them
const TRIED = 5; // rounds of networks after which it is known how quick they are
const SLOWEST = 0.15; // seconds of a round of networks, all lanes together; the exact answer is shown where they take longer

/** Settings to begin with, particles a lane, the run's name, whether networks may be trained, and a clock in seconds. */
export class Session {
  constructor({ settings = {}, particles = 2000, name = "", axis = 64, networks = true, clock = () => performance.now() / 1000 } = {}) {
    checkedWhole("particles", particles, 8, 10000);
    Object.assign(this, { particles, name, axis, networks, clock, state: "paused", seq: 0, limits: new Limits(axis) });
    Object.assign(this, { steps: 0, wanted: null, script: null, earlier: [], resuming: false, dirty: true, prompt: 0, traced: null, stamps: {} });
    this.settings = changedSettings({ mode: "exact", ...settings });
    this._begin(new Story(this.settings));
  }

  get round() { return this.it.round; }

  /** What is shown of settings: see settings.js. */
  _shown(settings) {
    return shownFor(settings, this.without === "");
  }

  // Controls ---------------------------------------------------------------------------------------------------------------

  /** Does what a page asks for (see web/line.js); whether it was done. An Error says in plain words why it cannot be. */
  order(order) {
    const known = typeof order === "object" && order !== null && !Array.isArray(order);
    const kinds = known ? ["press", "scene", "trace", "name"].filter((kind) => kind in order) : [];
    if (kinds.length !== 1 || (kinds[0] === "name" && !("value" in order && "stamp" in order))) {
      throw notAllowed("order", order, "a name, a value and a stamp; or press and the name of a button; or a scene; or a trace");
    }
    if (kinds[0] === "press") this.press(checkedChoice("action", order.press, ACTIONS));
    else if (kinds[0] === "scene") {
      const story = Story.read(order);
      tabled.given.target(story.start.target); // one that is painted may have no ink
      this.begin(story, checkedChoice("state", order.state ?? "paused", ["paused", "running"]));
    } else if (kinds[0] === "trace") {
      this.traced = order.trace === null ? null : checkedWhole("trace", order.trace, 0, this.particles - 1);
      this.dirty = true;
    } else return this._moved(order);
    return true;
  }

  _moved({ name, value, stamp }) {
    if (typeof stamp !== "number" || !(stamp >= 0 && stamp <= 2 ** 53)) throw notAllowed("stamp", stamp, "a finite number >= 0");
    const settings = changedSettings({ [name]: value }, this.settings);
    if (stamp < (this.stamps[name] ?? 0)) return false;
    this.obey(settings);
    this.stamps[name] = stamp;
    return true;
  }

  /** From now on these settings. What cannot change under a run starts again from the reference. */
  obey(settings) {
    const before = this.settings;
    if (sameSettings(before, settings)) return;
    this.settings = settings;
    this.dirty = true;
    this.movedAt = this.clock();
    if (startsAgain(settings, before) || !sameLanes(settings, before)) {
      this._replace(new Story(settings));
      if (this.state === "stopped") this.state = "running";
    }
    this.limits.want(this._shown(settings));
  }

  press(action) {
    if (action === "undo") this._undo();
    else if (action === "reset") this.begin(new Story(this.settings));
    else if (action === "step") {
      this.steps = this.state === "paused" ? this.steps + 1 : 1;
      this._setState("paused");
    } else this._setState(action === "play" || (action === "toggle" && this.state !== "running") ? "running" : "paused");
  }

  /** Repeats a story from the reference on, as fast as it goes; then it is in `state`. */
  begin(story, state = "paused") {
    this._replace(story);
    this.settings = story.settings;
    this.steps = 0;
    this._setState(state);
    this.resuming = false;
    this.limits.want(this._shown(this.settings));
  }

  _replace(story) {
    if (!this.wanted && (this.script || this.it.round || this.it.story.log.length)) {
      this.earlier = [...this.earlier.slice(1 - STORIES), this.script ?? this._ownStory()];
    }
    this.wanted = story;
  }

  _undo() {
    if (this.it.lanes.midway) this.it.lanes.advance();
    if (!this.wanted && !this.script) this.it.obey(this._shown(this.settings));
    const story = this.wanted ? null : (this.script ?? this._ownStory()).undone();
    const found = story ?? this.earlier.pop();
    if (!found) return;
    const views = this.settings;
    this.wanted = found.seenAs(views);
    this.settings = seenAs(found.settings, views);
    this._setState(this.state === "stopped" ? "paused" : this.state);
    this.resuming = false;
    this.limits.want(this._shown(this.settings));
  }

  _setState(state) {
    this.resuming ||= this.state === "stopped" || (state === "running" && this.state !== "running");
    this.state = state;
    this.dirty = true;
    this.next = this.clock();
  }

  // Work -------------------------------------------------------------------------------------------------------------------

  /** Seconds until `advance` has something to do; Infinity if nothing will happen by itself. */
  get idleFor() {
    if (this.steps > 0 || this.dirty || this.wanted || this.script || this.following > 0 || this.it.lanes.midway || this.held) return 0;
    if (this.state !== "running") return Infinity;
    return this.settings.speed > 0 ? Math.max(0, this.next - EARLY - this.clock()) : 0;
  }

  /** Obeys, and does the rounds that are due and fit into `budget` seconds; of 0 one at most. Whether there is news. */
  advance(budget = 0) {
    try {
      return this._advance(budget);
    } catch (error) { // never a frozen page
      this._fail(error);
      return true;
    }
  }

  _fail(error) {
    this.it.failure = failedFor(error);
    this.script = this.wanted = null;
    this._stop();
  }

  _advance(budget) {
    const news = this.dirty;
    this.dirty = false;
    if (this.wanted) {
      const story = this.wanted;
      this.wanted = null;
      this._begin(story);
      return true; // the reference itself, before it moves
    }
    const shown = this._shown(this.settings);
    if (this.script) return this._repeat(shown, budget) || news;
    if (this.resuming) this.it.resume();
    this.resuming = false;
    const moved = !sameSettings(shown, this.it.settings);
    this.held = moved && this.it.lanes.midway === true; // a round that networks have begun is done before anything changes
    if (!this.held && this.it.obey(shown)) this.following = this.it.round > 0 ? FOLLOWED : 0;
    if (!isExact(this.it.settings)) this.following = 0; // networks wait until they are asked
    // a moved control is seen at once: a round and its particles come in the next picture, or, as a hand goes on, soon
    if (moved && !this.held && budget > 0 && this._due() && this.it.drawnForThis && this.prompt < PROMPT) {
      this.prompt++;
      return true;
    }
    const rounds = this._rounds(budget), drawn = rounds || (!this.it.lanes.midway && !this.it.upToDate);
    if (drawn) this.it.draw(this.state !== "running");
    const seen = this._read(budget) || drawn;
    if (this.it.stopped && (seen || this.state === "running")) this._stop();
    else if (!seen) return news;
    return true;
  }

  _stop() {
    Object.assign(this, { state: "stopped", steps: 0, following: 0 });
  }

  _begin(story, without = this.networks ? "" : "phone") {
    this.meant = story;
    Object.assign(this, { without, held: false, work: { seconds: 0, least: Infinity, rounds: 0 } });
    const shown = this._shown(story.at(0)), races = story.start.methods.length > 0;
    this.it = new Experiment(shown, this.particles, this.axis);
    this.script = story.round && !races ? story : null;
    const now = this.clock();
    Object.assign(this, { speed: 0, tick: 0, seenAt: now + SEEN, following: 0, movedAt: -Infinity, next: now, prompt: 0 });
    this.limits.want(this._shown(this.settings));
  }

  /** Some rounds of what is being repeated, without drawing each. */
  _repeat(views, budget) {
    const { script, it } = this, end = this.clock() + (budget || SLICE);
    if (isExact(views) !== isExact(it.settings)) { // lanes of the other kind have not gone this way yet
      this._begin(script.seenAs(this.settings), this.without);
      return true;
    }
    for (let late = false; ; late = this.clock() >= end) { // a round at least
      it.obey(this._shown(seenAs(it.settings, views)));
      for (const [at, name, value] of script.log) {
        if (at !== it.round) continue;
        if (name === RESUME) it.resume();
        else it.obey({ ...it.settings, [name]: value });
      }
      if (it.round >= script.round || it.stopped || late) break;
      const before = this.clock(), whole = it.lanes.advance();
      this._timed(this.clock() - before, whole);
      this._read();
    }
    if (it.round < script.round && !it.stopped) {
      if (this.clock() < this.seenAt) return false;
      it.draw();
      this.seenAt = this.clock() + SEEN;
      return true;
    }
    Object.assign(this, { script: null, next: this.clock(), dirty: true });
    it.draw();
    if (it.stopped) this._stop();
    return true;
  }

  _rounds(budget) {
    const start = this.clock(), slices = this.it.lanes.pauses || this.prompt < PROMPT;
    const late = () => budget > 0 && slices && this.clock() - start > SLICE_OF_A_ROUND;
    let done = 0, cost = 0;
    while (this._due() && !this.it.stopped) {
      const before = this.clock();
      if (done && before - start + cost > budget) {
        this.next = Math.max(this.next, before - 1); // what does not fit is not made up for for ever
        break;
      }
      const whole = this.it.lanes.advance(late);
      this._timed(this.clock() - before, whole);
      if (!whole) break;
      this.prompt = 0;
      this.steps = Math.max(0, this.steps - 1);
      this.following = Math.max(0, this.following - 1);
      if (this.it.settings.speed > 0) this.next += 1 / this.it.settings.speed;
      if (this.it.lanes.settled) this.following = 0;
      this._read(budget);
      cost = Math.max(cost, this.clock() - before);
      done++;
      if (budget <= 0 || this.held) break;
    }
    if (!done) return false;
    const now = this.clock();
    if (now > this.tick && now - this.tick < 1.5) this.speed += 0.1 * (done / (now - this.tick) - this.speed);
    this.tick = now;
    return true;
  }

  /** How long a round of networks takes here is seen in the first ones. */
  _timed(seconds, whole) {
    const { work } = this;
    if (!this.it.lanes.pauses || this.without) return;
    work.seconds += seconds;
    if (!whole) return;
    work.least = Math.min(work.least, work.seconds);
    work.seconds = 0;
    if (++work.rounds !== TRIED || work.least <= SLOWEST) return;
    this.without = "slow";
    this.dirty = true;
  }

  _due() {
    if (this.it.lanes.midway) return true;
    if (this.steps > 0 || this.following > 0) return true;
    if (this.state !== "running") return false;
    return this.it.settings.speed === 0 || this.clock() >= this.next - EARLY;
  }

  /** Reads what is due; where time counts, of one lane at a time what is dear. */
  _read(budget = 0) {
    if (this.it.lanes.midway) return false;
    const atRest = this.state !== "running" && this.steps === 0 && this.following === 0 && !this.script;
    if (!this.it.readings.due(atRest)) return false;
    this.it.readings.read(this.clock() - this.movedAt > QUIET, atRest, budget > 0 ? 1 : Infinity);
    this.dirty ||= atRest && this.it.readings.due(atRest);
    return true;
  }

  // Pictures ---------------------------------------------------------------------------------------------------------------

  /** `frame`, or where that fails nothing new; the next one says why. */
  picture() {
    try {
      return this.frame();
    } catch (error) {
      if (this.it.failure) return {};
      this._fail(error);
      return this.picture();
    }
  }

  /** What the stage draws now: {scene, exact, frame, flow, story}, texts. */
  frame() {
    const { it, script } = this, { settings } = it;
    const meta = {
      run: this.name, seq: ++this.seq, round: it.round, alpha: it.lanes.alphas[0], steering: it.lanes.steered.plain(settings),
      tau: settings.tau, state: this.state, settling: this.settling, mode: settings.mode, t: settings.t, fitting: null,
      replaying: script ? { round: it.round, of: script.round } : null, flow: false, traced: this.traced,
      networks: this._whyExact(), coarse: this.axis < USUAL_AXIS ? tabled.coarse : "", // what the page says beside the picture
    };
    const parts = it.messages(meta, this.limits, this.state === "running" && it.round ? this.speed : null);
    const { story } = this;
    return { ...parts, flow: "", story: story.text(Boolean(story.log.length || this.earlier.length)) };
  }

  /** Whether rounds go on though all is paused, to where the lanes come to rest after a control was moved. */
  get settling() { return this.state === "paused" && this.following > 0; }

  /** Why the exact answer is shown to who asks for networks; "". */
  _whyExact() {
    if (isExact(this.settings) || !isExact(this.it.settings)) return "";
    return trainable(this.settings) ? (tabled.without[this.without] ?? "") : tabled.networks;
  }

  /** How the lanes on show came to be what they are; what networks are to do is kept as it was said. */
  get story() {
    return this.script ?? this._ownStory();
  }

  _ownStory() {
    const { settings, meant, it } = this;
    if (settings.methods.length && meant.start.methods.length) return meant.seenAs(settings).changed(Math.max(meant.round, it.round));
    return this.it.story.seenAs(this.settings);
  }
}

/** Whether as many lanes are on show, of the same kind: a race is of others. */
const sameLanes = (settings, before) => (settings.methods.length > 0) === (before.methods.length > 0)
  && (settings.methods.length === 0 || settings.strength === before.strength);
