// The line from a page's controls to the server.
//
// One message is under way at a time and what happens meanwhile goes in the next one, so that a drag is as quick as the
// network allows, never more, and its last value always arrives. Every answer says which settings are in force.

const PATIENCE = 8000; // ms without an answer before a message is sent again
const AGAIN = 1000; // ms until then after a failure
const ONCE = ["step", "undo", "toggle"]; // what means something else when it is obeyed twice

class Line {
  /**
   * send(run, orders) -> promise of {known, settings, errors}; orders are {name, value, stamp}, {press}, {scene, state, log,
   * round}, {trace} or {}, errors {name, text}.
   * answered(answer, waiting): `waiting` are the names of controls that have moved again since.
   * failed(times): how often in a row there was no answer.
   */
  constructor(send, { answered, failed }) {
    Object.assign(this, { send, answered, failed });
    this.run = null; // orders wait until there is a run to send them to
    this.orders = [];
    this.busy = false;
    this.failures = 0;
    this.stamp = Date.now(); // only grows: a message that was overtaken is recognised by it
  }

  change(name, value) {
    // a newer value replaces an older one, unless a button was pressed or a scene came between them
    const since = this.orders.findLastIndex((order) => order.press || order.scene) + 1;
    this.orders = this.orders.filter((order, k) => k < since || order.name !== name);
    this.orders.push({ name, value, stamp: ++this.stamp });
    this.flush();
  }

  press(action) {
    this.orders.push({ press: action });
    this.flush();
  }

  /** Set everything: {scene: {control: value}, state, log, round}. Nothing that was ordered before matters any more. */
  begin(story) {
    this.orders = [{ state: "paused", ...story }];
    this.flush();
  }

  /** The way of particle k is wanted, of none if k is null. */
  trace(k) {
    this.orders = this.orders.filter((order) => order.trace === undefined);
    this.orders.push({ trace: k });
    this.flush();
  }

  /** Ask which settings are in force. */
  ask() {
    this.orders.push({});
    this.flush();
  }

  async flush() {
    if (this.busy || !this.run || this.orders.length === 0) return;
    this.busy = true;
    const { run, orders } = this;
    this.orders = [];
    let answer = null;
    try {
      answer = await Promise.race([this.send(run, orders), late(PATIENCE)]);
    } catch {
      // no answer: it may have been obeyed all the same, and what may not be done twice is not asked twice
    }
    this.busy = false;
    if (!answer?.known && !this.orders.some((order) => order.scene)) {
      this.orders = [...orders.filter((order) => !ONCE.includes(order.press)), ...this.orders];
    }
    if (!answer) {
      this.failed(++this.failures);
      setTimeout(() => this.flush(), AGAIN);
      return;
    }
    this.failures = 0;
    if (!answer.known && run === this.run) this.run = null; // wait for the next run
    this.answered(answer, new Set(this.orders.map((order) => order.name)));
    this.flush();
  }
}

const late = (time) => new Promise((_, reject) => { setTimeout(() => reject(new Error("late")), time); });
