// What the panel "What the reward could buy" asks its worker, a little at a time: frontiers, lanes and where they end.

import { coupling } from "./coupled.js";
import { klSweep, tracing, w2Sweep } from "./frontiers.js";
import { rewardOn } from "./ground.js";
import { checkedChoice } from "./settings.js";

const WORK = 0.012; // seconds at a time
const REMEMBERED_FRONTIERS = 8;
/** How far from the reference is measured: series of a lane's history, too. */
const DISTANCES = ["kl", "w2"];

/** Seconds by `clock`. */
export class Bests {
  constructor(clock) {
    Object.assign(this, { clock, known: new Map(), couplings: new WeakMap() });
  }

  /**
   * {distance: "kl" or "w2", have: the version that the page has} -> {lanes, version, frontier: points, or null if the
   * page has them, more: whether it pays to ask again at once}. Works for WORK at most, and a price.
   */
  answer(session, { distance = "kl", have = "" } = {}) {
    checkedChoice("distance", distance, DISTANCES);
    const until = this.clock() + WORK, { it } = session, one = this._frontierOf(it, distance);
    while (!one.done && this.clock() < until) one.done = one.steps.next().done;
    const lanes = laneDots(session, distance), atRest = session.state !== "running" && !session.script && it.round > 0;
    let more = !one.done;
    if (distance === "w2" && atRest && !more) more = !this._couple(it, lanes, until);
    const version = `${one.key} ${one.frontier.price.length}`;
    return { known: true, round: it.round, distance, version, frontier: version === have ? null : one.frontier.points, done: one.done, lanes, more };
  }

  _frontierOf({ lanes, settings: { target, reward } }, distance) {
    const key = JSON.stringify([target, reward, lanes.axis, distance]), { known } = this, { reference: { grid, p } } = lanes.ground;
    if (!known.has(key)) {
      const r = rewardOn(reward, lanes.axis, grid.extent), sweep = distance === "kl" ? klSweep(p, r) : w2Sweep(grid, p, r);
      known.set(key, { key, frontier: sweep.frontier, steps: tracing(sweep), done: false });
      if (known.size > REMEMBERED_FRONTIERS) known.delete(known.keys().next().value);
    }
    return known.get(key);
  }

  /** Gives lanes {coupled, paired}, of the state they are in; whether all have it. */
  _couple(it, lanes, until) {
    return (it.lanes.states ?? []).every((state, k) => { // of networks the samples on show are no density's
      let job = this.couplings.get(state);
      if (job?.round !== state.round) this.couplings.set(state, job = { round: state.round, steps: coupling(state), found: null });
      while (!job.found && this.clock() < until) job.found = job.steps.next().value;
      lanes[k].coupling = job.found ?? null;
      return Boolean(job.found);
    });
  }
}

/**
 * Of every lane {label, alpha, round, now: {distance, reward, round}, trail: {round, distance, reward}, limit: {distance, reward}}.
 * No limit: null; of networks nobody knows a KL, for they have no density to look at: then `now` is null and the trail empty.
 */
function laneDots({ it, limits }, distance) {
  const { lanes, history, settings, readings } = it, ends = limits.of(settings), { rounds } = history;
  const from = Math.max(-1, ...it.story.log.filter(([, name]) => name === "reward").map(([round]) => round)); // rewards before were others
  const known = distance in history.columns, far = known ? history.series(distance) : [], high = history.series("reward");
  return lanes.rounds.map((round, k) => {
    const trail = { round: [], distance: [], reward: [] };
    if (known) rounds.forEach((at, i) => {
      if (at <= from || (distance === "w2" && i > 0 && far[k][i] === far[k][i - 1])) return; // it was not measured again
      trail.round.push(at);
      trail.distance.push(Math.max(0, far[k][i]));
      trail.reward.push(high[k][i]);
    });
    const state = lanes.states?.[k], reward = state ? state.meanReward : history.last("reward")[k];
    const now = known ? { distance: Math.max(0, state?.kl ?? 0), reward, round } : null;
    if (distance === "w2") { // it was measured some rounds ago: that round's reward belongs to it
      Object.assign(now, { distance: history.last("w2")[k], round: Math.min(round, readings.dear[k]) });
      if (now.round < round) now.reward = trail.reward.at(-1) ?? now.reward;
    }
    const limit = ends[k] && { distance: ends[k][distance], reward: ends[k].reward, resolved: ends[k].resolved };
    return { label: lanes.labels[k], alpha: lanes.alphas[k], round, now, trail, limit, learned: !lanes.states };
  });
}
