// The curves of a run, in bounded memory: show/lab/history.py in the browser. NaN stands where there is nothing to read.

const CAPACITY = 400; // points a curve
const MARKS = 60;
/** Rounds: changes closer than this are one move of a hand. */
export const CLOSE = 8;

/** Series over rounds, each with a value a lane. Beyond CAPACITY points every second one is dropped. */
export class History {
  constructor() {
    Object.assign(this, { rounds: [], changes: [], first: {}, columns: {}, gap: 1 });
  }

  /** The values after `round`, series -> one a lane; always the same series and lanes. */
  add(round, values) {
    const { rounds, columns } = this;
    if (!rounds.length) for (const name in values) this.first[name] = values[name][0];
    while (rounds.length && rounds.at(-1) >= round) this._each((column) => column.pop());
    if (rounds.length > 1 && rounds.at(-1) - rounds.at(-2) < this.gap) this._each((column) => column.pop());
    rounds.push(round);
    for (const name in values) (columns[name] ??= []).push([...values[name]]);
    if (rounds.length <= CAPACITY) return;
    this.gap = Math.max(1, Math.floor((2 * (rounds.at(-1) - rounds[0])) / CAPACITY));
    this._each((column) => {
      let kept = 0;
      for (let k = 0; k < column.length; k += 2) column[kept++] = column[k];
      column.length = kept;
    });
  }

  _each(change) {
    change(this.rounds);
    for (const name in this.columns) change(this.columns[name]);
  }

  /** Somebody moved a control at `round`. */
  mark(round) {
    const { changes } = this;
    const earlier = changes.length && round - changes.at(-1) < CLOSE ? changes.slice(0, -1) : changes;
    this.changes = [...earlier.slice(1 - MARKS), round];
  }

  /** The values of one series, lane after lane. */
  series(name) {
    const column = this.columns[name];
    return column[0].map((_, lane) => column.map((values) => values[lane]));
  }

  /** The newest values of one series, one a lane. */
  last(name) {
    return this.columns[name].at(-1);
  }

  /** What has been read of one series was of something else: it is NaN now. */
  forget(name) {
    this.columns[name] = this.columns[name].map((values) => values.map(() => NaN));
  }
}
