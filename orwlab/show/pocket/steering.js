// The first lane's alpha, by hand or found for a budget: methods/steering.py and show/lab/steered.py in the browser.

import { isSteered, tabled } from "./settings.js";

const LEAST_ALPHA = 0.01, MOST_ALPHA = 100, RATE = 0.1, BACK = 4;

/** What decides the first lane's alpha; it begins with what the control says. `rate`: of a step. */
export class Steered {
  constructor(rate = RATE) {
    Object.assign(this, { rate, alpha: null, start: NaN, budget: NaN, known: new Map(), kind: "", spent: NaN });
  }

  /** The alpha for the round after `round`. */
  obey(settings, round) {
    const before = this.kind;
    this.kind = isSteered(settings) ? settings.steer : "";
    if (this.kind !== before) this.spent = NaN;
    if (!this.kind) {
      this.alpha = null;
      return settings.alpha;
    }
    if (this.alpha === null) {
      this.start = settings.alpha;
      this.alpha = kept(this.known.get(round) ?? settings.alpha);
    }
    this.budget = settings.budget;
    return this.alpha;
  }

  /** The alpha for the round after `round`, which has spent so much: dual ascent in its logarithm. */
  after(round, spent) {
    const share = spent / this.budget, off = share === Infinity ? 1 : (share - 1) / (share + 1);
    this.spent = spent;
    this.alpha = kept(Math.min(MOST_ALPHA, this.alpha * Math.exp(2 * this.rate * off)));
    for (const at of this.known.keys()) if (at <= round - BACK || at >= round) this.known.delete(at);
    this.known.set(round, this.alpha);
    return this.alpha;
  }

  /** As a frame says it; null where nobody asks for it. */
  plain({ steer, budget }) {
    if (!steer) return null;
    return { kind: steer, budget, alpha: this.alpha, spent: Number.isNaN(this.spent) ? null : this.spent, why: this.kind ? "" : tabled.noKl };
  }
}

const kept = (alpha) => Math.min(MOST_ALPHA, Math.max(LEAST_ALPHA, alpha));
