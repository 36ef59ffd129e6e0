// The page's side of the Pocket lab. What lab.js asks of a server is asked of a worker thread here: see service.js.
//
// The worker is made of a text that the page holds: a page that was opened from a disk may load no file. Where a browser
// allows no worker at all, the same text runs in the page.

import { tellHeight } from "./frame_height.js";
import { keepForPaper } from "./paper.js";
import { FrontierPanel } from "./frontier_panel.js";
import { answerKeeping } from "./keeping.js";
import { LineLab } from "./line_lab.js";

const PARTICLES = 2000;
const PARTICLES_ON_PHONES = 1000; // they are drawn by a processor that also computes
const SOON = 1000; // ms between two beginnings, at least
const STOPPED = "The part of this page that computes has stopped. Your settings are kept; it begins again.";

/** A worker's end, or the same in the page: {postMessage, terminate}. `hear(data)`, and `broken()` if it never works. */
function startedPort(source, hear, broken) {
  try {
    const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" })), worker = new Worker(address);
    worker.onmessage = ({ data }) => { URL.revokeObjectURL(address); hear(data); };
    worker.onerror = (event) => { event.preventDefault?.(); worker.terminate(); broken(event.message); };
    return worker;
  } catch {
    return portInThePage(source, hear);
  }
}

/** The worker's script, run between the page's own turns. */
function portInThePage(source, hear) {
  const end = { postMessage: (data) => setTimeout(() => hear(data)), onmessage: null };
  new Function("self", source)(end);
  return { postMessage: (data) => setTimeout(() => end.onmessage?.({ data })), terminate: () => { end.onmessage = end.postMessage = () => {}; } };
}

/** What lab.js and the stage ask: obey, acknowledge, keep, ask; and `begin`, which makes a run. */
export class PocketServer {
  /**
   * source: the worker's script; tables: what it begins with; keep(question) -> promise of an answer; picture(value): a new
   * picture came, with all of its parts; stopped(sentence or null).
   */
  constructor({ source, tables, keep, picture, stopped }) {
    Object.assign(this, { source, tables, keep, picture, stopped });
    this.port = null;
    this.runs = this.asked = 0;
    this.heard = false; // whether this port has ever answered
    this.waiting = new Map(); // id -> what its answer settles
    this.obey = (run, orders) => this.call("obey", run, orders);
    this.acknowledge = (run, seq) => this.call("acknowledge", run, seq);
    this.ask = async () => ({ error: "This needs the app." });
  }

  /** A new run, in a worker that is new if there was none: {settings, particles}. */
  async begin(options) {
    this.options = options;
    this.parts = {};
    const first = !this.port;
    if (first) this.open();
    await this.call("start", { ...(first ? this.tables : {}), ...options, name: `pocket-${++this.runs}` });
    this.stopped(null);
  }

  /** Somebody sees nothing new and should: it begins again, but not over and over. */
  wake() {
    if (this.again) return;
    this.again = setTimeout(() => { this.again = null; this.begin(this.options).catch(() => this.wake()); }, SOON);
  }

  open() {
    this.heard = false;
    const port = startedPort(this.source, (data) => { if (this.port === port) this.hear(data); }, () => { if (this.port === port) this.broke(); });
    this.port = port;
  }

  /** One that never spoke may not exist here: then the page computes itself. Another one is begun anew. */
  broke() {
    const lost = [...this.waiting.values()], port = this.heard ? null : portInThePage(this.source, (data) => this.hear(data));
    this.port = port;
    if (port) return lost.forEach(({ message }) => port.postMessage(message));
    this.waiting.clear();
    this.stopped(STOPPED);
    lost.forEach(({ failed }) => failed(new Error(STOPPED)));
    this.wake();
  }

  hear({ id, answer, error, picture }) {
    this.heard = true;
    if (picture) return this.picture(Object.assign(this.parts, picture) && { ...this.parts });
    const { done, failed } = this.waiting.get(id) ?? {};
    this.waiting.delete(id);
    if (error === undefined) done?.(answer);
    else failed?.(new Error(error));
  }

  call(call, ...given) {
    if (!this.port) return Promise.reject(new Error(STOPPED));
    const message = { id: ++this.asked, call, arguments: given };
    return new Promise((done, failed) => {
      this.waiting.set(message.id, { message, done, failed });
      this.port.postMessage(message);
    });
  }
}

/** Brings the page to life: `around` and `createStage` are those of every page with a lab; `own` is what this one holds. */
export function openPocket(element, { around, createStage, own, stage: parts }) {
  let host = null;
  keepForPaper(element);
  const { tables, ownTables } = own;
  const server = new PocketServer({
    source: own.worker,
    tables: { tables, ownTables },
    keep: answerKeeping({ replay: own.replay, cell: own.cell, stage: parts, points: (text) => server.call("points", text) }),
    picture: (value) => host.receive(value),
    stopped: (sentence) => host.notice(sentence),
  });
  host = around(element, server, (event) => { if (event === "wake") server.wake(); });
  const panel = new FrontierPanel(document.querySelector(".frontier"), (run, question) => server.call("frontier", run, question));
  new LineLab(document.querySelector(".line-lab"), (question) => server.call("line", question));
  const { painted } = host, says = element.querySelector(".pocket-says"), cells = element.querySelector(".pocket-cells");
  host.painted = (meta, value) => {
    painted(meta, value);
    element.querySelector(".pocket-first")?.remove();
    panel.painted(meta);
    if (says.textContent !== (meta.networks ?? "")) says.textContent = meta.networks ?? "";
    if (cells.textContent !== (meta.coarse ?? "")) cells.textContent = meta.coarse ?? "";
  };
  element.querySelector("#mode").append(says); // where one has just asked for networks
  host.attach(createStage(element.querySelector(".orw-stage"), host));
  tellHeight(document.querySelector("main")); // with the stage in it: said before, it would be another
  const { lab } = element.querySelector(".lab"), small = document.documentElement.classList.contains("phone");
  if (!location.hash) lab.told = { scene: { ...lab.first }, log: [] }; // what the link says until somebody changes something
  const options = { particles: small ? PARTICLES_ON_PHONES : PARTICLES, networks: !small };
  const begins = (scene) => server.begin({ settings: { ...tables.defaults, ...scene }, ...options });
  // with what a link says, so that no other picture comes first; what is wrong with it is told when the page asks for it
  begins(Object.keys(lab.told.scene).length ? lab.told.scene : lab.first).catch(() => begins(lab.first)).catch((error) => host.notice(error.message));
  return server;
}
