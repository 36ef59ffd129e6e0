// Looking back: a run's pictures kept in the browser. No server is needed to see them again: see player.js.
//
//   const recorder = new Recorder();
//   recorder.add({scene, exact, frame, flow}, {run, round, flow});
//
// A replay in one HTML file is a recorder that was packed into the page: see replay.py.

const MOST = 64e6; // bytes of texts that are kept
const KEYS = 400; // pictures that are kept: beyond that every second one goes
const PARTS = ["scene", "exact", "frame", "flow"];

/** Pictures at key rounds, in bounded memory. Texts that several pictures share are counted once. */
export class Recorder {
  constructor({ most = MOST, keys = KEYS } = {}) {
    Object.assign(this, { most, keys });
    this.clear();
  }

  clear() {
    this.entries = []; // {round, scene, exact, frame, flow, between: whether it is of no key round}, by round
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

  /**
   * Keeps a picture. Of a run that went back to an earlier round what came later is forgotten. `flow` says that pictures
   * of key rounds come with a flow: another one is kept only as long as it is the newest.
   */
  add(value, { run, round, flow = false }) {
    if (run !== this.run) this.clear();
    this.run = run;
    const { entries } = this;
    const drop = () => this.forget(entries.pop());
    while (entries.length && entries.at(-1).round >= round) drop(); // of a round the newest picture
    // the newest is always there, until one comes that is a gap farther
    if (entries.length > 1 && entries.at(-1).round - entries.at(-2).round < this.gap) drop();
    else this.settle();
    this.put({ round, between: flow && !value.flow, ...Object.fromEntries(PARTS.map((part) => [part, value[part] ?? ""])) });
    while (this.entries.length > 2 && (this.entries.length > this.keys || this.size > this.most)) this.thin();
  }

  /** Forgets the newest picture if it is of no key round: what stays has all that one wants to look back at. */
  settle() {
    if (this.entries.at(-1)?.between) this.forget(this.entries.pop());
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

  /** As JSON holds it: {texts, entries: [[round, scene, exact, frame, flow as places among the texts], ...]}. */
  pack() {
    const texts = [], places = new Map();
    const place = (text) => {
      if (!places.has(text)) places.set(text, texts.push(text) - 1);
      return places.get(text);
    };
    const kept = this.entries.filter(({ between }) => !between);
    return { texts, entries: (kept.length ? kept : this.entries).map((entry) => [entry.round, ...PARTS.map((part) => place(entry[part]))]) };
  }

  static unpack({ texts, entries }) {
    const recorder = new Recorder({ most: Infinity, keys: Infinity });
    for (const [round, ...places] of entries) {
      recorder.put({ round, ...Object.fromEntries(PARTS.map((part, k) => [part, texts[places[k]] ?? ""])) });
    }
    return recorder;
  }
}
