// The exact limits, worked out between rounds, a refresh at a time: show/lab/limits.py and exact.limit in the browser.

import { whyNoLimit } from "./banners.js";
import { rewardOn } from "./ground.js";
import { dynamicsFor, limitNumbers } from "./lanes.js";
import { isSteered, tabled } from "./settings.js";
import { settling, settlingFrom } from "./settle.js";

const LIMITS_KEPT = 24;

/** Why there never is one, as far as one knows without looking; "". */
function whyNever({ coupling }, alpha) {
  const { limits } = tabled;
  if (alpha === null) return limits.steered;
  if (coupling !== "independent") return limits.coupled;
  if (alpha === 0) return limits.free;
  return alpha < limits.smallest ? limits.small : "";
}

const alphasAtRest = (settings) => [isSteered(settings) ? null : settings.alpha, ...settings.others];
const keyOf = ({ target, reward, weighting, tau }, alpha) => JSON.stringify([target, reward, weighting, tau, alpha]);

export class Limits {
  constructor(axis) {
    Object.assign(this, { axis, found: new Map(), near: null, job: null, wanted: null });
  }

  /** Find out about these settings; another wish is dropped, wherever it is. */
  want(settings) {
    this.wanted = settings;
    if (this.job && !alphasAtRest(settings).some((alpha) => alpha !== null && keyOf(settings, alpha) === this.job.key)) this.job = null;
  }

  _missing() {
    if (!this.wanted) return undefined;
    return alphasAtRest(this.wanted).find((alpha) => !whyNever(this.wanted, alpha) && !this.found.has(keyOf(this.wanted, alpha)));
  }

  get pending() {
    return this.job !== null || this._missing() !== undefined;
  }

  /** Works until the clock says so, a refresh at least; whether something was found. */
  work(late) {
    while (this.pending) {
      const alpha = this._missing(), settings = this.wanted;
      this.job ??= { key: keyOf(settings, alpha), steps: this._looking(settings, alpha) };
      const { key, steps } = this.job;
      let next;
      try {
        next = steps.next();
      } catch {
        next = { done: true, value: [null, tabled.limits.failed] }; // without a limit there is no dashed line; the lab goes on
      }
      if (next.done) {
        this.found.set(key, next.value);
        if (this.found.size > LIMITS_KEPT) this.found.delete(this.found.keys().next().value);
        this.job = null;
        return true;
      }
      if (late()) return false;
    }
    return false;
  }

  /** The limit, or null and why not: a generator. */
  *_looking(settings, alpha) {
    const fresh = dynamicsFor(settings, alpha, this.axis), around = keyOf({ ...settings, reward: "" }, alpha);
    if (tabled.given.isOwn(settings.reward) && this.near?.around === around) { // while somebody paints, the two are close
      const reward = rewardOn(settings.reward, this.axis, fresh.reference.grid.extent);
      const other = yield* settlingFrom(this.near.state, reward);
      if (other) return this._there(other, settings, around);
    }
    const why = yield* settling(fresh);
    return why ? [null, whyNoLimit(why, settings.reward)] : this._there(fresh, settings, around);
  }

  _there(state, settings, around) {
    this.near = { around, state };
    return [limitNumbers(state, settings, this.axis), ""];
  }

  /** The limit of every lane, as far as it is known. */
  of(settings) {
    return alphasAtRest(settings).map((alpha) => (whyNever(settings, alpha) ? null : this.found.get(keyOf(settings, alpha))?.[0] ?? null));
  }

  /** Of every lane {state, text}: why there is no limit to be seen. */
  said(settings) {
    return alphasAtRest(settings).map((alpha) => {
      const text = whyNever(settings, alpha) || (this.found.get(keyOf(settings, alpha))?.[1] ?? tabled.limits.pending);
      return { state: text === "" ? "there" : text === tabled.limits.pending ? "pending" : "none", text };
    });
  }
}
