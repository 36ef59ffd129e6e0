// What the page remembers of itself: the address holds the whole state, and reload, back and forward keep it.
//
// A run that somebody starts anew (a move, a scene of the gallery, a link) is a new entry in the browser's history;
// what is changed on the way only rewrites the present one. The teacher's part of a link is kept as long as the page is.

const SETTLE = 400; // ms after the last change until the address is written
const LATEST = 1500; // ms after the first, while changes come and come: a reload keeps what was done before

class Memory {
  constructor(lab) {
    this.lab = lab;
    this.kinds = Object.fromEntries(lab.all.map((control) => [control.name, kindOf(control)]));
    this.ofStage = lab.shown.map((control) => control.name);
    this.teacher = { lock: [], hide: [], say: "" };
    this.written = location.hash;
    addEventListener("popstate", () => this.follow());
    addEventListener("hashchange", () => this.follow());
    addEventListener("pagehide", () => this.write());
  }

  /** The link to what is on show. `teacher`: {lock, hide, say}. */
  link(teacher = this.teacher) {
    const { lab } = this, { scene, log } = lab.told;
    const stage = Object.fromEntries(lab.shown.filter(({ name, value }) => value !== lab.defaults[name]).map(({ name, value }) => [name, value]));
    const { camera } = lab.stage ?? {};
    return writeAddress({ scene, log, round: Math.max(lab.round ?? 0, log.at(-1)?.[0] ?? 0), stage, view: camera?.free ? camera.goal : null, ...teacher });
  }

  /** As an address that one can send to somebody. */
  address(teacher) {
    return `${location.href.replace(/#.*$/, "")}${this.hash(teacher)}`;
  }

  /** The same as the end of an address; empty where all is as one finds it. */
  hash(teacher) {
    const text = this.link(teacher);
    return text && `#${text}`;
  }

  /** The page has just come: does what its address says. */
  arrive() {
    if (location.hash.length > 1) this.open(location.hash);
    this.ready = true;
  }

  /** Something has changed. */
  touch() {
    const now = performance.now();
    this.since ??= now;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.write(), Math.min(SETTLE, Math.max(0, this.since + LATEST - now)));
  }

  write() {
    this.since = null;
    if (!this.ready || !this.lab.known || this.lab.repeated) return;
    const hash = this.hash();
    if (hash === this.written) return;
    this.written = hash;
    history.replaceState(history.state, "", pathWith(hash));
  }

  /** A new run begins: what was there stays in the browser's history. */
  begins() {
    clearTimeout(this.timer);
    if (!this.ready || this.opening) return;
    this.write();
    this.pushing = true;
  }

  /** It has begun: its entry holds what it begins with. */
  begun() {
    if (!this.pushing) return;
    this.pushing = false;
    this.written = this.hash();
    history.pushState(null, "", pathWith(this.written));
  }

  /** Goes to a link of the page's own; what was there stays in the browser's history. */
  visit(hash) {
    this.write();
    history.pushState(null, "", pathWith(hash));
    this.open(hash);
  }

  /** Back, forward, or another link typed into the address or pressed on the page. */
  follow() {
    if (location.hash === this.written) return;
    this.open(location.hash);
  }

  open(text) {
    this.written = text;
    this.opening = true;
    try {
      const link = readAddress(text, this.kinds, this.ofStage);
      this.teacher = { lock: link.lock, hide: link.hide, say: link.say };
      this.lab.open(link);
    } catch (error) {
      this.lab.refuse(`This link cannot be followed. ${error.message}`);
    } finally {
      this.opening = false;
    }
  }
}

const pathWith = (hash) => `${location.pathname}${location.search}${hash}`;

function kindOf(control) {
  const { kind, numeric } = control.element.dataset;
  if (kind === "several" || kind === "subset") return "list";
  if (kind === "lineup") return "names";
  if (kind === "switch") return "switch";
  return kind === "slider" || kind === "number" || numeric === "true" ? "number" : "text";
}
