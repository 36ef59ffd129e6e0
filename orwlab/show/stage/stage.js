// The stage: particles, reward, data and curves on one canvas, for any host that can hand it frames.
//
//   const stage = createStage(element, host);
//   stage.receive({scene, frame});      // both base64 text, see frames.py and scenes.py
//
// host (every part optional): acknowledge(run, seq) -> promise of "is somebody still sending?"; wake(): ask for a
// new stream; stateChanged(state). Only the newest frame is kept: a slow browser skips frames and never queues them.

import { readFrame, readScene } from "./message.js";
import {
  THEMES, drawBackdrop, drawPanel, drawParticles, drawTile, gridImage, layoutOf, sprite,
} from "./draw.js";

const ACKNOWLEDGE_EVERY = 10; // data frames
const SPEAK_EVERY = 6000; // ms between summaries for screen readers, unless something happens
const CALM = 500; // ms between paintings for people who asked for reduced motion

export class Stage {
  constructor(root, host = {}) {
    this.root = root;
    this.host = host;
    this.counters = { received: 0, decoded: 0, skipped: 0, painted: 0, errors: 0 };
    this.meta = null; // of the frame on display
    this.pending = null; // newest frame that is not decoded yet
    this.scene = null;
    this.sceneText = "";
    this.positions = new Float32Array(0); // as drawn, between `from` and `to`
    this.from = this.to = this.positions;
    this.movedAt = this.arrivedAt = this.paintedAt = this.spokenAt = -Infinity;
    this.interval = 50; // ms between data frames, as seen here
    this.camera = this.target = [-5, 5, -5, 5];
    this.acknowledged = { run: null, seq: 0, asked: -Infinity };
    this.build();
    this.listen();
    this.resize();
  }

  build() {
    this.root.innerHTML = `
      <div class="orw-picture">
        <canvas role="img" aria-label="Animated scatter plot of samples, with curves of reward and diversity"></canvas>
        <div class="orw-banner" hidden><strong></strong> <span></span></div>
      </div>
      <ul class="orw-legend"></ul>
      <p class="orw-summary" aria-live="polite"></p>`;
    this.canvas = this.root.querySelector("canvas");
    this.context = this.canvas.getContext("2d");
    this.banner = this.root.querySelector(".orw-banner");
    this.legend = this.root.querySelector(".orw-legend");
    this.summary = this.root.querySelector(".orw-summary");
  }

  listen() {
    this.reduced = matchMedia("(prefers-reduced-motion: reduce)");
    const retheme = () => { this.theme = null; this.schedule(); };
    this.observers = [new ResizeObserver(() => this.resize()), new MutationObserver(retheme)];
    this.observers[0].observe(this.canvas.parentElement);
    // hosts switch to dark by a class or attribute on the body or the root element
    this.observers[1].observe(document.body, { attributes: true });
    this.observers[1].observe(document.documentElement, { attributes: true });
    this.onVisible = () => { if (!document.hidden) this.acknowledge(true); };
    document.addEventListener("visibilitychange", this.onVisible);
    // should be moving but nothing came: the sender may have given up on a sleeping browser
    this.watchdog = setInterval(() => {
      if (!document.hidden && this.meta?.state === "running" && performance.now() - this.arrivedAt > 4000) {
        this.acknowledge(true);
      }
    }, 2000);
  }

  destroy() {
    this.observers.forEach((observer) => observer.disconnect());
    document.removeEventListener("visibilitychange", this.onVisible);
    clearInterval(this.watchdog);
    cancelAnimationFrame(this.scheduled);
  }

  // ---- frames in

  receive(value) {
    if (!value?.frame) return;
    this.counters.received++;
    if (this.pending) this.counters.skipped++;
    this.pending = value;
    this.schedule();
  }

  schedule() {
    this.scheduled ??= requestAnimationFrame((now) => {
      this.scheduled = null;
      if (!this.root.isConnected) return this.destroy();
      this.tick(now);
    });
  }

  tick(now) {
    const calm = this.reduced.matches;
    if (calm && this.meta && now - this.paintedAt < CALM && this.theme) return this.schedule();
    let fresh = false;
    if (this.pending) {
      const value = this.pending;
      this.pending = null;
      try {
        this.adopt(value, now);
        fresh = true;
        this.counters.decoded++;
      } catch (error) {
        this.counters.errors++; // keep the last good picture
        console.warn("stage: frame skipped:", error.message);
      }
    }
    const done = calm ? 1 : Math.min(1, (now - this.movedAt) / this.interval);
    if (done < 1) {
      this.positions = this.positions === this.to ? new Float32Array(this.to.length) : this.positions;
      for (let i = 0; i < this.to.length; i++) {
        this.positions[i] = this.from[i] + done * (this.to[i] - this.from[i]);
      }
    } else {
      this.positions = this.to;
    }
    const settled = this.moveCamera(calm, now);
    this.paint(fresh);
    this.paintedAt = now;
    if (fresh) this.afterFrame(now);
    if (done < 1 || !settled || this.pending) this.schedule();
  }

  adopt({ scene, frame }, now) {
    const read = readFrame(frame);
    const { meta, arrays } = read;
    if (scene && scene !== this.sceneText) {
      this.scene = readScene(scene);
      this.theme = null; // the reward's image and the legend have to be made again
      this.sceneText = scene;
    }
    this.read = read;
    const next = arrays.x.data.subarray(0, 2 * read.n); // the first lane
    // start from what is on the screen: a late or skipped frame makes the motion slower, never makes it jump
    this.from = this.positions.length === next.length ? this.positions.slice() : next;
    this.to = next;
    const gap = now - this.arrivedAt;
    if (gap < 400) this.interval += 0.2 * (Math.min(250, 1.1 * gap) - this.interval);
    this.arrivedAt = this.movedAt = now;
    const before = this.meta;
    this.meta = meta;
    this.arrays = arrays;
    this.target = meta.view;
    if (!before) this.camera = meta.view;
    if (before?.state !== meta.state) this.host.stateChanged?.(meta.state);
    this.showBanner(read.lanes[0].banner);
    this.speak(now, before?.state !== meta.state || this.said !== read.lanes[0].banner?.title);
  }

  afterFrame() {
    const { run, seq } = this.meta;
    if (run !== this.acknowledged.run || seq - this.acknowledged.seq >= ACKNOWLEDGE_EVERY) this.acknowledge(false);
  }

  /** Tells the sender what was painted; asks for a new stream if nobody is sending any more. */
  async acknowledge(mayWake) {
    const memory = this.acknowledged;
    // one at a time, but an answer that got lost must not silence the stage for ever
    if (!this.meta || !this.host.acknowledge || performance.now() - memory.asked < 5000) return;
    memory.asked = performance.now();
    const { run, seq } = this.meta;
    try {
      const alive = await this.host.acknowledge(run, seq);
      Object.assign(memory, { run, seq });
      if (mayWake && alive === false) this.host.wake?.();
    } catch {
      // the network is away; the next frame or the watchdog tries again
    } finally {
      memory.asked = -Infinity;
    }
  }

  // ---- picture out

  resize() {
    const { clientWidth, clientHeight } = this.canvas.parentElement;
    if (!clientWidth || !clientHeight) return; // hidden tab of the host
    this.ratio = Math.min(3, window.devicePixelRatio || 1);
    this.canvas.width = Math.round(clientWidth * this.ratio);
    this.canvas.height = Math.round(clientHeight * this.ratio);
    this.layout = layoutOf(clientWidth, clientHeight);
    const { plot } = this.layout;
    Object.assign(this.banner.style, {
      left: `${plot.x + 8}px`, width: `${plot.w - 16}px`,
    });
    this.banner.style.setProperty("--top", `${plot.y + 8}px`);
    this.banner.style.setProperty("--bottom", `${clientHeight - plot.y - plot.h + 8}px`);
    this.theme = null;
    if (this.meta) this.paint(true); // at once: a resized canvas is blank
    else this.schedule();
  }

  retheme() {
    const name = isDark(this.root) ? "dark" : "light";
    this.theme = THEMES[name];
    this.root.dataset.theme = name;
    const radius = Math.min(3.4, Math.max(1.7, this.layout.plot.w / 260));
    this.sprites = this.theme.particles.map((color) => sprite(color, this.theme.rim, radius, this.ratio));
    if (this.scene) {
      this.scene.image = gridImage(this.scene.reward, this.theme.low, this.theme.high);
      this.showLegend();
    }
    this.backdrop = null;
  }

  /** Follows the view that the frames ask for. Returns whether it has arrived. */
  moveCamera(calm, now) {
    const step = calm ? 1 : 1 - Math.exp(-Math.min(100, now - this.paintedAt) / 120);
    const far = this.camera.some((c, i) => Math.abs(c - this.target[i]) > 0.004 * (this.target[1] - this.target[0]));
    if (this.camera === this.target) return true;
    this.camera = far ? this.camera.map((c, i) => c + step * (this.target[i] - c)) : this.target;
    this.backdrop = null;
    return !far;
  }

  paint(fresh) {
    if (!this.layout) return;
    if (!this.theme) {
      this.retheme();
      fresh = true;
    }
    const { layout, theme, ratio, context: ctx } = this;
    const { plot, size } = layout;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    // the backdrop only changes with the scene, the view and the size: kept as a picture
    const edge = layout.wide ? plot.x + plot.w + 1 : this.canvas.width / ratio;
    const floor = layout.wide ? this.canvas.height / ratio : layout.tiles[0].y - 1;
    if (!this.backdrop) {
      this.backdrop = document.createElement("canvas");
      this.backdrop.width = Math.ceil(edge * ratio);
      this.backdrop.height = Math.ceil(floor * ratio);
      const behind = this.backdrop.getContext("2d");
      behind.scale(ratio, ratio);
      drawBackdrop(behind, plot, size, theme, this.camera, this.scene);
    }
    ctx.clearRect(0, 0, edge, floor);
    ctx.drawImage(this.backdrop, 0, 0, this.backdrop.width / ratio, this.backdrop.height / ratio);
    this.visible = drawParticles(ctx, plot, this.camera, this.positions, this.scene?.labels, this.sprites, ratio);
    if (this.meta && this.meta.state !== "running") this.drawBadge(ctx, plot, size, theme);
    if (fresh && this.meta) this.paintNumbers(ctx);
    this.counters.painted++;
  }

  drawBadge(ctx, plot, size, theme) {
    const text = this.meta.state === "paused" ? "paused" : "stopped";
    ctx.font = `600 ${size}px system-ui, sans-serif`;
    const width = ctx.measureText(text).width + size;
    const x = plot.x + plot.w - width - 8, y = plot.y + plot.h - 2 * size - 6;
    ctx.fillStyle = theme.text;
    ctx.globalAlpha = 0.85;
    ctx.fillRect(x, y, width, 1.8 * size);
    ctx.globalAlpha = 1;
    ctx.fillStyle = `rgb(${theme.low})`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    ctx.fillText(text, x + width / 2, y + 0.95 * size);
  }

  paintNumbers(ctx) {
    const { layout, theme, meta, arrays } = this;
    for (const box of [...layout.tiles, ...layout.panels]) ctx.clearRect(box.x - 1, box.y - 1, box.w + 6, box.h + 2);
    [...this.read.numbers, ...this.read.lanes[0].numbers].slice(0, layout.tiles.length).forEach((number, k) =>
      drawTile(ctx, layout.tiles[k], layout.size, theme, layout.wide ? number.name : number.short, number.value));
    this.read.panels.slice(0, layout.panels.length).forEach((panel, k) => {
      const { xs, exact } = panel, { ys, value } = panel.lines[0].lanes[0];
      const drawn = { ...panel, xs, ys, value, exact: exact[0], color: theme.lines[k % theme.lines.length] };
      drawPanel(ctx, layout.panels[k], layout.size, theme, drawn, arrays.changes.data);
    });
  }

  // ---- words

  showBanner(banner) {
    if (banner && this.banner.hidden) this.banner.dataset.edge = this.emptierEdge(); // then it stays there
    this.banner.hidden = !banner;
    if (!banner) return;
    const [title, text] = this.banner.children;
    if (title.textContent !== banner.title) title.textContent = banner.title;
    if (text.textContent !== banner.text) text.textContent = banner.text;
    this.banner.dataset.kind = banner.kind;
  }

  /** The edge of the plot, top or bottom, where words hide fewer particles. */
  emptierEdge() {
    const [, , y0, y1] = this.camera;
    let balance = 0;
    for (let i = 1; i < this.to.length; i += 2) {
      const height = (this.to[i] - y0) / (y1 - y0);
      if (height > 0.78 && height <= 1) balance++;
      else if (height < 0.22 && height >= 0) balance--;
    }
    return balance > 0 ? "bottom" : "top";
  }

  showLegend() {
    const { reward, modes, shares } = this.scene;
    const swatches = this.theme.particles.slice(0, Math.min(4, modes));
    const dots = swatches.map((color) => `<i class="dot" style="background:${color}"></i>`).join("");
    const ramp = `linear-gradient(90deg, rgb(${this.theme.low}), rgb(${this.theme.high}))`;
    const number = (value) => String(Number(value.toFixed(2))).replace("-", "−");
    this.legend.innerHTML = `
      <li>${dots} samples of the model${modes > 1 ? ", coloured by where the reference puts them" : ""}</li>
      <li><i class="line" style="border-color:${this.theme.ghost}"></i> the data: ${shares} of it lies inside</li>
      <li>reward ${number(reward.low)} <i class="ramp" style="background:${ramp}"></i> ${number(reward.high)}</li>`;
  }

  speak(now, urgent) {
    const wait = urgent ? 1000 : SPEAK_EVERY;
    if (now - this.spokenAt < wait || (!urgent && this.meta.state !== "running")) return;
    this.spokenAt = now;
    const { meta } = this, banner = this.read.lanes[0].banner;
    this.said = banner?.title;
    const curves = this.read.panels.map((panel) =>
      [panel.title, panel.lines[0].lanes[0].value, panel.exact[0] ? `(${panel.exact[0].label})` : ""].join(" ").trim());
    this.summary.textContent = `${meta.state === "running" ? "Running" : "Not running"}, round ${meta.round}. ` +
      `${curves.join("; ")}. ${banner ? `${banner.title} ${banner.text}` : ""}`;
  }
}

/** Whether the first painted background behind an element is dark; works for every host without knowing its classes. */
function isDark(element) {
  for (let node = element; node; node = node.parentElement) {
    const parts = getComputedStyle(node).backgroundColor.match(/[\d.]+/g)?.map(Number) ?? [];
    if (parts.length >= 3 && (parts[3] ?? 1) > 0.5) return 0.3 * parts[0] + 0.6 * parts[1] + 0.1 * parts[2] < 110;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

export function createStage(root, host) {
  const stage = new Stage(root, host);
  root.stage = stage; // for tests and for the browser's console
  return stage;
}
