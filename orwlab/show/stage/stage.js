// The stage: particles, reward, data, exact limits and curves on one canvas, for any host that can hand it frames.
//
//   const stage = createStage(element, host);
//   stage.receive({scene, exact, frame, flow, story}); // base64 text, see frames.py and scenes.py; story is the host's own
//   stage.configure({background, samples, ghost, contours, trails, modes, more, present, revealed});
//   stage.seek(t);                               // pictures that have a flow are shown at this flow time; null: at their own
//
// host (every part optional): acknowledge(run, seq) -> promise of "is somebody still sending?"; wake(): ask for a
// new stream; stateChanged(state); command(name): a key was pressed; configured(options): somebody chose on the stage;
// trace(k or null): the way of particle k is wanted; story(text): what the last messages say has been done. Only the newest frame is kept: a slow browser
// skips frames and never queues them. A host may set the picture's height by the CSS variable --orw-height.

import { Camera } from "./camera.js";
import { Seeking } from "./flow.js";
import { attachInput, commandOf } from "./input.js";
import { isNarrow, layoutOf } from "./layout.js";
import { Glimpse } from "./glimpse.js";
import { Link } from "./link.js";
import { readExact, readFrame, readScene } from "./message.js";
import { Motion, Pace } from "./motion.js";
import { wantedNumbers } from "./numbers.js";
import { Picture, placesOf } from "./picture.js";
import { Reading } from "./reading.js";
import { THEMES, isDark } from "./theme.js";
import { unrevealed } from "./truth.js";
import { isCoarse } from "./tips.js";
import { Tracing } from "./tracing.js";
import { Words, emptierEdge } from "./words.js";

const CALM = 500; // ms between paintings for people who asked for reduced motion
const AT_FIRST = { panels: 4, session: 0, lane: 2, large: true, button: true }; // what a run begins with: nothing moves when it comes
const BACKGROUNDS = ["reward", "truth", "density", "pictures", "none"];

export class Stage {
  constructor(root, host = {}) {
    this.root = root;
    this.host = host;
    this.counters = { received: 0, decoded: 0, skipped: 0, painted: 0, errors: 0 };
    this.options = {
      background: "reward", samples: true, ghost: true, contours: true, trails: true, modes: true, more: true, present: false,
      revealed: false,
    };
    this.meta = null; // of the frame on display
    this.value = null; // the same as it came, with all of its parts
    this.frame = null; // the same, read, and as it is shown
    this.whole = null; // the same, at its own flow time
    this.seeking = new Seeking((action) => this.attempt(action));
    this.pending = null; // newest value that is not decoded yet
    this.scene = this.exact = null;
    this.texts = { scene: "", exact: "" }; // what these were read from
    this.motion = new Motion();
    this.pace = new Pace();
    this.camera = new Camera();
    this.paintedAt = -Infinity;
    this.ending = new AbortController();
    this.words = new Words(root, () => this.chooseMore(), this.ending.signal);
    this.canvas = this.words.canvas;
    this.picture = new Picture(this.canvas);
    this.reading = new Reading(this.words.picture, () => {
      this.panelsStale = this.hurried = true;
      this.schedule();
    });
    this.glimpse = new Glimpse(this.words.picture);
    this.tracing = new Tracing(host, () => Boolean(this.scene?.pictures), () => {
      this.hurried = true;
      this.schedule();
    });
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
    this.link = new Link(this);
    this.sizes = new ResizeObserver(() => {
      this.link.open();
      this.resize();
    });
    this.sizes.observe(this.words.picture);
    this.detach = attachInput(this);
    this.link.open();
    this.resize();
  }

  /** The particles as drawn: x, y of the first lane's first particle, and so on. */
  get positions() {
    return this.motion.x.now;
  }

  /** The frame's named arrays, for tests and the browser's console. */
  get arrays() {
    return this.frame?.arrays;
  }

  destroy() {
    this.destroyed = true;
    this.link.close();
    this.sizes.disconnect();
    this.detach();
    this.ending.abort();
    cancelAnimationFrame(this.scheduled);
  }

  /** What the reader chose to see; unknown or wrong values are left as they are. */
  configure(options = {}) {
    const next = { ...this.options };
    if (BACKGROUNDS.includes(options.background)) next.background = options.background;
    for (const name of ["samples", "ghost", "contours", "trails", "modes", "more", "present", "revealed"]) {
      if (typeof options[name] === "boolean") next[name] = options[name];
    }
    const other = next.revealed !== this.options.revealed;
    this.options = next;
    if (other && this.whole) this.frame = this.asShown(this.whole);
    this.root.toggleAttribute("data-present", next.present);
    this.signature = ""; // the layout has to be made again
    this.repaint();
  }

  /** The button on the stage for more or fewer numbers. */
  chooseMore() {
    this.configure({ more: !this.options.more });
    this.host.configured?.({ ...this.options });
  }

  /** For hosts that listen to the whole page: does what the key asks for. Returns whether it did. */
  key(event) {
    const name = this.host.command ? commandOf(event) : null;
    if (!name) return false;
    event.preventDefault();
    this.host.command(name);
    return true;
  }

  // ---- frames in

  receive(value) {
    if (!value?.frame || this.destroyed) return;
    this.counters.received++;
    if (this.pending) this.counters.skipped++;
    this.pending = value;
    this.link.open();
    this.schedule();
  }

  /** Another flow time, for all pictures that have a flow; null: their own. */
  seek(t) {
    this.seeking.t = t;
    if (!this.whole) return;
    const before = this.frame;
    this.frame = this.asShown(this.whole);
    if (this.frame === before) return;
    this.motion.aim(this.frame);
    this.motion.go(1);
    this.retimed = this.hurried = true;
    this.schedule();
  }

  /** A frame as it is to be shown. */
  asShown(whole) {
    return this.seeking.shown(this.options.revealed ? whole : unrevealed(whole));
  }

  schedule() {
    this.scheduled ??= requestAnimationFrame((now) => {
      this.scheduled = null;
      if (this.root.isConnected && !this.destroyed) this.tick(now);
    });
  }

  tick(now) {
    const calm = this.reduced.matches;
    if (calm && this.meta && now - this.paintedAt < CALM && this.theme && !this.hurried) return this.schedule();
    let fresh = false;
    if (this.pending) {
      const value = this.pending;
      this.pending = null;
      fresh = this.attempt(() => this.adopt(value, now));
      if (fresh) this.counters.decoded++;
    }
    const part = calm ? 1 : this.pace.part(now);
    this.motion.go(part);
    if (this.camera.step(now - this.paintedAt, calm)) this.picture.stale = true;
    this.attempt(() => this.paint(fresh));
    this.paintedAt = now;
    this.hurried = false;
    if (fresh) {
      this.link.painted();
      this.host.painted?.(this.meta, this.value);
    }
    if (part < 1 || !this.camera.settled || this.pending) this.schedule();
  }

  /** Does something that a bad message could spoil; the last good picture stays then. */
  attempt(action) {
    try {
      action();
      return true;
    } catch (error) {
      this.counters.errors++;
      console.warn("stage: frame skipped:", error.message);
      return false;
    }
  }

  adopt(value, now) {
    const whole = readFrame(value.frame); // throws before anything has changed
    this.renew("scene", value.scene || this.texts.scene, readScene);
    this.renew("exact", value.exact ?? "", readExact);
    this.seeking.hold(value.flow);
    const { meta } = whole, frame = this.asShown(whole), before = this.frame;
    Object.assign(this, { whole, frame, meta });
    this.pace.arrived(now);
    this.motion.aim(frame);
    this.camera.follow(meta.view, !before);
    this.value = { ...this.texts, frame: value.frame, flow: this.seeking.text };
    if (typeof value.story === "string" && value.story !== this.story) this.host.story?.(this.story = value.story);
    if (before?.meta.state !== meta.state) this.host.stateChanged?.(meta.state);
    const banners = frame.lanes.map(({ banner }) => banner?.title ?? "").join("|");
    this.words.speak(frame, now, before?.meta.state !== meta.state || banners !== this.banners);
    this.banners = banners;
  }

  /** Reads the scene or the exact limits where they differ from the last ones. A bad one is not tried again. */
  renew(name, text, read) {
    if (text === this.texts[name]) return;
    this.texts[name] = text;
    this.attempt(() => {
      this[name] = text ? read(text) : null;
    });
    this.picture.stale = true;
  }

  // ---- picture out

  /** What the layout depends on. */
  wish() {
    const { frame, options: { present, more } } = this, low = innerHeight < 480, touch = isCoarse();
    if (!frame) return present ? { present } : { ...AT_FIRST, low, touch };
    const curves = present ? Math.min(2, frame.panels.length) : frame.panels.length;
    const masses = frame.arrays.mode_mass?.shape[1] > 1 && !present ? 1 : 0;
    const { whole, own } = wantedNumbers(frame, this.options);
    return {
      lanes: frame.count, panels: curves + masses, session: whole.length, lane: own.length, present,
      several: frame.panels.some(({ lines }) => lines.length > 1), low, touch,
      exacts: own.filter(({ exact }) => exact).length, large: !more && !present,
      button: Boolean(this.host.command || this.host.configured) && !present && frame.lanes[0].numbers.length > 2,
    };
  }

  resize() {
    this.signature = "";
    if (this.words.picture.clientWidth) this.repaint(); // else: a hidden tab of the host
  }

  arrange() {
    const { picture } = this.words, wish = this.wish();
    const width = picture.clientWidth;
    if (!width) return;
    const flowing = isNarrow(width, wish.lanes ?? 1);
    const wanted = flowing ? `${layoutOf(width, 0, wish).height}px` : "";
    if (picture.style.height !== wanted) picture.style.height = wanted;
    const height = picture.clientHeight, ratio = Math.min(3, window.devicePixelRatio || 1);
    const signature = [width, height, ratio, ...Object.values(wish)].join();
    if (signature === this.signature) return;
    this.signature = signature;
    this.layout = layoutOf(width, height, wish);
    this.picture.resize(width, height, ratio, this.layout);
    this.theme = null;
  }

  /** Paints at once: a resized canvas is blank, and a choice is to be seen immediately. */
  repaint() {
    if (this.frame) this.attempt(() => this.paint(true));
    else this.schedule();
  }

  /** The camera was moved by hand. */
  looked() {
    this.words.home.hidden = !this.camera.free;
    this.tracing.want(null);
    this.picture.stale = true;
    this.hurried = true; // also for those who want little motion: this one they make themselves
    this.schedule();
  }

  paint(fresh) {
    if (fresh || !this.layout) this.arrange();
    if (!this.layout) return;
    if (!this.theme) {
      const name = isDark(this.root) ? "dark" : "light";
      this.theme = THEMES[name];
      this.root.dataset.theme = name;
      this.picture.recolor(this.theme);
      this.words.place(this.layout, this.theme);
      fresh = true;
    }
    const { frame, scene, exact, options, motion } = this;
    const chosen = this.tracing.wanted;
    this.visible = this.picture.paint({ camera: this.camera.now, frame, scene, exact, options, motion, chosen });
    this.glimpse.show(scene?.pictures, placesOf(this, chosen), this.layout, this.camera.now, this.theme);
    if (frame && (fresh || this.panelsStale)) {
      this.panelsStale = false;
      this.reading.check(frame);
      this.picture.paintPanels(frame, scene, this.reading.now);
      this.reading.show(frame, scene, this.layout, this.picture.areas, this.theme);
    }
    if ((fresh || this.retimed) && frame) {
      this.retimed = false;
      this.words.show(frame, this.layout, options, (k) => emptierEdge(frame, motion.x.to, this.camera.now, k));
      this.words.showLegend(frame, scene, this.theme, options, this.layout);
    }
    this.counters.painted++;
  }
}

export function createStage(root, host) {
  const stage = new Stage(root, host);
  root.stage = stage; // for tests and for the browser's console
  return stage;
}
