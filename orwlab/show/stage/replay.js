// Looking back: a run's pictures kept in the browser, and a bar to scrub through them. No server is needed for it.
//
//   const recorder = new Recorder();
//   recorder.add({scene, exact, frame}, {run, round, changes});
//   const player = new Player(element, stage, recorder, {left: () => {...}});   // the stage shows what the bar says
//
// A replay in one HTML file is a recorder that was packed into the page: see replay.py.

const MOST = 64e6; // bytes of texts that are kept
const KEYS = 400; // pictures that are kept: beyond that every second one goes
const PARTS = ["scene", "exact", "frame"];
const RATE = 12; // pictures a second when it plays

/** Pictures at key rounds, in bounded memory. Texts that several pictures share are counted once. */
export class Recorder {
  constructor({ most = MOST, keys = KEYS } = {}) {
    Object.assign(this, { most, keys });
    this.clear();
  }

  clear() {
    this.entries = []; // {round, scene, exact, frame}, by round
    this.gap = 1; // rounds between two entries, at least
    this.run = null;
    this.size = 0; // of all texts
    this.users = new Map(); // text -> how many parts of entries it is
  }

  put(entry) {
    this.entries.push(entry);
    for (const part of PARTS) this.count(entry[part], 1);
  }

  count(text, change) {
    const before = this.users.get(text) ?? 0, now = before + change;
    if (now) this.users.set(text, now);
    else this.users.delete(text);
    if (!before || !now) this.size += change * text.length;
  }

  forget(entry) {
    for (const part of PARTS) this.count(entry[part], -1);
  }

  /** Keeps a picture. Of a run that went back to an earlier round what came later is forgotten. */
  add(value, { run, round }) {
    if (run !== this.run) this.clear();
    this.run = run;
    const { entries } = this;
    const drop = () => this.forget(entries.pop());
    while (entries.length && entries.at(-1).round >= round) drop(); // of a round the newest picture
    // the newest is always there, until one comes that is a gap farther
    if (entries.length > 1 && entries.at(-1).round - entries.at(-2).round < this.gap) drop();
    this.put({ round, ...Object.fromEntries(PARTS.map((part) => [part, value[part] ?? ""])) });
    while (this.entries.length > 2 && (this.entries.length > this.keys || this.size > this.most)) this.thin();
  }

  /** Every second one goes, but for the first and the newest. */
  thin() {
    const last = this.entries.length - 1;
    const stays = (_, k) => k % 2 === 0 || k === last;
    this.entries.filter((entry, k) => !stays(entry, k)).forEach((entry) => this.forget(entry));
    this.entries = this.entries.filter(stays);
    const span = this.entries.at(-1).round - this.entries[0].round;
    this.gap = Math.max(2 * this.gap, Math.ceil(span / this.keys) || 1);
  }

  /** The place of the newest entry that is not after `round`. */
  placeOf(round) {
    const later = this.entries.findIndex((entry) => entry.round > round);
    return later < 0 ? this.entries.length - 1 : Math.max(0, later - 1);
  }

  /** As JSON holds it: {texts, entries: [[round, scene, exact, frame as places among the texts], ...]}. */
  pack() {
    const texts = [], places = new Map();
    const place = (text) => {
      if (!places.has(text)) places.set(text, texts.push(text) - 1);
      return places.get(text);
    };
    return { texts, entries: this.entries.map((entry) => [entry.round, ...PARTS.map((part) => place(entry[part]))]) };
  }

  static unpack({ texts, entries }) {
    const recorder = new Recorder({ most: Infinity, keys: Infinity });
    for (const [round, ...places] of entries) {
      recorder.put({ round, ...Object.fromEntries(PARTS.map((part, k) => [part, texts[places[k]]])) });
    }
    return recorder;
  }
}

/**
 * A bar with a button and a slider over the rounds of a recorder. A host that has a present to go back to is told when
 * somebody begins to look back, and by `left` when they let it go: by the button “Live”, or by Escape. One that can go
 * on from an earlier round is told by `resumed(round)` that somebody wants that.
 */
export class Player {
  constructor(element, stage, recorder, { begun = null, left = null, resumed = null } = {}) {
    Object.assign(this, { element, stage, recorder, begun, left, resumed });
    this.place = 0;
    this.on = this.playing = false;
    element.classList.add("orw-player");
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", "Rounds so far");
    element.innerHTML = `<button type="button" class="orw-play" aria-label="Play the rounds so far"></button>
      <input type="range" min="0" max="0" step="1" value="0" aria-label="Round">
      <output></output>
      <button type="button" class="orw-from" title="Forget what came after this round, and go on from it" hidden>From here</button>
      <button type="button" class="orw-live" title="Back to the newest round" hidden>Live</button>`;
    [this.button, this.range, this.output, this.from, this.live] = element.children;
    this.live.hidden = !left;
    this.from.hidden = !resumed;
    this.from.addEventListener("click", () => this.resumed(this.recorder.entries[this.place].round));
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.range.addEventListener("input", () => { this.pause(); this.show(Number(this.range.value)); });
    this.live.addEventListener("click", () => this.leave());
    element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.left && this.on) {
        event.stopPropagation();
        this.leave();
      }
    });
    this.refresh();
  }

  /** The recorder has changed. */
  refresh() {
    const { entries } = this.recorder, last = Math.max(0, entries.length - 1);
    if (!this.on) this.place = last;
    this.place = Math.min(this.place, last);
    this.range.max = last;
    this.range.value = this.place;
    this.range.disabled = this.button.disabled = entries.length < 2;
    const round = entries[this.place]?.round ?? 0;
    this.range.setAttribute("aria-valuetext", `round ${round}`);
    this.range.style.setProperty("--filled", `${last ? (100 * this.place) / last : 0}%`);
    this.output.textContent = `round ${round.toLocaleString("en")}`;
    this.live.disabled = !this.on;
    this.from.disabled = !this.on || this.place === last;
    this.element.classList.toggle("orw-back", this.on);
  }

  show(place) {
    const { entries } = this.recorder;
    if (!entries.length) return;
    if (!this.on) this.begun?.();
    this.on = true;
    this.place = Math.min(entries.length - 1, Math.max(0, place));
    this.stage.receive(entries[this.place]);
    this.refresh();
  }

  play() {
    if (this.recorder.entries.length < 2) return;
    this.playing = true;
    this.button.classList.add("orw-playing");
    this.button.setAttribute("aria-label", "Pause");
    if (!this.on || this.place === this.recorder.entries.length - 1) this.show(0);
    this.timer = setInterval(() => {
      if (!this.element.isConnected || this.place >= this.recorder.entries.length - 1) return this.pause();
      this.show(this.place + 1);
    }, 1000 / RATE);
  }

  pause() {
    clearInterval(this.timer);
    this.playing = false;
    this.button.classList.remove("orw-playing");
    this.button.setAttribute("aria-label", "Play the rounds so far");
  }

  /** Back to the present. */
  leave() {
    this.pause();
    this.on = false;
    this.refresh();
    this.left?.();
  }
}
