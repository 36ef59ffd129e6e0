// What a worker does for its page, wherever it runs: {id, call, arguments} is answered by {id, answer} or {id, error}, and
// {picture} comes unasked.

import { Bests } from "./bests.js";
import { OnALine } from "./on_a_line.js";
import { pointsOf } from "./points_table.js";
import { Session } from "./session.js";
import { loadTables, notAllowed } from "./settings.js";

const PERIOD = 0.04; // seconds from one picture to the next, at least
const PROMPT_PERIOD = 0.016; // the same, after a control was moved
const AHEAD = 12; // pictures that may be on their way: a stage speaks up after every tenth
const TURN = 0.012; // seconds of work on limits before the page may speak
const ORDERS = 50; // at a time
const SLOW_ROUND = 0.06; // seconds of a round above which the grid is made coarser
const AXES = [64, 48];

const CALLS = {
  start: (service, { tables, ownTables, ...options } = {}) => service.start(tables, ownTables, options),
  obey: (service, run, orders) => service.obey(run, orders),
  acknowledge: (service, run, seq) => service.acknowledge(run, seq),
  stop: (service) => service.stop(),
  frontier: ({ session, bests }, run, question) => (run === session?.name ? bests.answer(session, question) : { known: false }),
  line: ({ given, line }, question) => line.answer(given, question),
  points: (service, text) => {
    if (typeof text !== "string") throw notAllowed("text", text, "the text of a table");
    return pointsOf(text);
  },
};

export class Service {
  /** `send(message)` to the page; `given`: what given.js exports; `later(callback, ms)`. */
  constructor({ send, given, later = (callback, ms) => setTimeout(callback, ms), clock = () => performance.now() / 1000 }) {
    Object.assign(this, { send, given, later, clock, session: null, painted: 0, sent: -Infinity, planned: 0, fresh: false, moved: false });
    Object.assign(this, { bests: new Bests(clock), line: new OnALine(clock) });
  }

  /** A message from the page. */
  hear({ id, call, arguments: given = [] }) {
    try {
      if (!Object.hasOwn(CALLS, call)) throw new RangeError(`call is '${call}'; allowed: ${Object.keys(CALLS).join(", ")}`);
      this.send({ id, answer: CALLS[call](this, ...given) });
    } catch (error) {
      this.send({ id, error: String(error.message ?? error) });
    }
  }

  /** Begins a session: `tables` of tables.py and `ownTables` of given.py the first time; {settings, particles, name}. */
  start(tables, ownTables, options) {
    if (tables) loadTables(tables, this.given);
    if (ownTables) this.given.load(ownTables);
    const axis = options.axis ?? this._affordable(options.settings);
    this.session = new Session({ name: "pocket", ...options, axis, clock: this.clock });
    this.painted = 0;
    this.fresh = this.moved = true;
    this._plan(0);
    return { known: true, run: this.session.name, settings: this.session.settings, axis };
  }

  /** The finest grid of which a round is quick enough here. */
  _affordable(settings) {
    return AXES.find((axis, k) => {
      if (k === AXES.length - 1) return true;
      const alone = { ...settings, mode: "exact", others: [] }; // a lane is enough to see how quick one is
      const tried = new Session({ settings: alone, particles: 16, axis, clock: this.clock });
      tried.it.lanes.advance();
      const took = Array.from({ length: 3 }, () => {
        const before = this.clock();
        tried.it.lanes.advance();
        return this.clock() - before;
      });
      return Math.min(...took) < SLOW_ROUND;
    });
  }

  stop() {
    this.session = null;
    return { known: false };
  }

  /** Orders for a run, in order, and what came of them: see broadcast.obey_all. */
  obey(run, given) {
    const { session } = this;
    if (!session || run !== session.name) return { known: false };
    const all = Array.isArray(given) ? given : [given], errors = [];
    const orders = all.filter((order) => !(order && typeof order === "object" && !Array.isArray(order) && Object.keys(order).length === 0));
    for (const order of orders.slice(0, ORDERS)) {
      try {
        session.order(order);
      } catch (error) {
        const name = typeof order?.name === "string" && Object.hasOwn(session.settings, order.name) ? order.name : "";
        errors.push({ name, text: error.message });
      }
    }
    this.moved ||= orders.length > 0;
    if (orders.length > ORDERS) errors.push({ name: "", text: `orders are ${orders.length}; allowed: at most ${ORDERS} at a time` });
    this._plan(0);
    return { known: true, settings: session.settings, errors };
  }

  /** The stage has painted picture `seq`; whether anybody is sending. */
  acknowledge(run, seq) {
    if (!this.session || run !== this.session.name) return false;
    if (Number.isInteger(seq)) this.painted = Math.max(this.painted, Math.min(seq, this.session.seq));
    else this.painted = this.session.seq;
    this._plan(0);
    return true;
  }

  _plan(seconds) {
    const turn = ++this.planned; // a newer plan takes the place of an older one
    this.later(() => { if (turn === this.planned) this._work(); }, Math.ceil(1000 * seconds));
  }

  /** When the next picture may be sent. */
  get due() {
    return this.sent + (this.moved ? PROMPT_PERIOD : PERIOD);
  }

  /** A turn: some of a round, and some of the search for a limit; a picture, if one is due; then the page may speak. */
  _work() {
    const { session } = this;
    if (!session) return;
    const behind = session.seq - this.painted >= AHEAD, wanted = this.moved || !this.fresh || this.clock() >= this.due;
    const busy = !behind && wanted && session.idleFor <= 0;
    if (busy && session.advance(PERIOD * 0.8)) this.fresh = true;
    if (session.limits.pending && !session.held && !this._speaks(behind)) {
      const until = this.clock() + (busy ? 0 : TURN); // beside rounds a refresh at a time
      if (session.limits.work(() => this.clock() >= until)) this.fresh = true;
    }
    if (this._speaks(behind)) {
      this.fresh = this.moved = false;
      this.sent = this.clock();
      this.send({ picture: session.picture() });
    }
    this._next(behind);
  }

  /** Whether a picture can be sent now. */
  _speaks(behind) {
    return this.fresh && !behind && this.clock() >= this.due;
  }

  _next(behind) {
    const { session } = this;
    if (session.limits.pending) this._plan(0);
    else if (this.fresh && !behind) this._plan(Math.max(0, this.due - this.clock()));
    else if (!behind && session.idleFor < Infinity) this._plan(session.idleFor);
  }
}
