// The canvas: what is painted, in which order, and what is kept between paintings.
//
// What changes rarely (background, an exact density, the data's contours, axes) is kept as a picture of its own; every
// painting copies its pixels, stamps the particles into them and draws the few lines that are above the particles.

import {
  arrowScale, clipTo, drawArrows, drawAxes, drawContours, drawGrid, drawPaths, gridImage, massImage,
} from "./draw.js";
import { drawMasses } from "./masses.js";
import { drawMosaic, mosaicOf } from "./glimpse.js";
import { drawBadges, makeBadge, modeName, modePlaces } from "./modes.js";
import { drawCurves } from "./panels.js";
import { makeStamps, stampAll } from "./stamps.js";
import { groundOf } from "./truth.js";
import { drawChosen, drawTrace } from "./tracing.js";

export const LEAST_FOR_NUMBERS = 200; // pixels that a plot has to be wide: below that the numbers hide the samples

export class Picture {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.backdrop = document.createElement("canvas");
    this.behind = this.backdrop.getContext("2d", { willReadFrequently: true });
    this.images = new WeakMap(); // grid -> its image in the present colours
    this.speed = { arrays: null, scale: 1 };
    this.stale = true; // the backdrop has to be painted again
  }

  resize(width, height, ratio, layout) {
    this.ratio = ratio;
    this.layout = layout;
    for (const canvas of [this.canvas, this.backdrop]) {
      canvas.width = Math.round(width * ratio); // this also clears it
      canvas.height = Math.round(height * ratio);
    }
    // the pixels of each plot, in the canvas's own
    this.grounds = layout.plots.map(({ x, y, w, h }) => {
      const image = new ImageData(Math.round(w * ratio), Math.round(h * ratio));
      const pixels = new Uint32Array(image.data.buffer);
      return { x: Math.round(x * ratio), y: Math.round(y * ratio), image, pixels, behind: new Uint32Array(pixels.length) };
    });
    this.stale = true;
  }

  recolor(theme) {
    this.theme = theme;
    const { present, plots: [plot] } = this.layout;
    const radius = (present ? 1.25 : 1) * Math.min(3.2, Math.max(1.5, plot.w / 260));
    const stamps = (color) => makeStamps(color, theme.rim, radius, this.ratio);
    this.stamps = theme.particles.map(stamps);
    this.laneStamps = theme.dots.map((color) => [stamps(color)]);
    // of any lane: nothing but what is exact has this colour. Smaller and paler: what they are of is seen between them
    this.exactStamps = [makeStamps(theme.contour, `${theme.panel}b0`, (plot.w < 260 ? 0.75 : 0.95) * radius, this.ratio, 0.8)];
    this.images = new WeakMap();
    this.badges = new Map();
    this.stale = true;
  }

  /** The number of a mode in a disc; with one lane in the colour of its bar. */
  badgeOf(k, many, name) {
    const { theme, layout, ratio } = this, key = `${name} ${k} ${many}`;
    if (!this.badges.has(key)) {
      const rim = many ? theme.muted : theme.particles[k % theme.particles.length];
      this.badges.set(key, makeBadge(name, Math.max(12, Math.min(layout.small, layout.plots[0].w / 26)), ratio, theme.panel, theme.text, rim));
    }
    return this.badges.get(key);
  }

  imageOf(grid, colors) {
    if (!this.images.has(grid)) this.images.set(grid, gridImage(grid, colors));
    return this.images.get(grid);
  }

  massOf(density) {
    if (!this.images.has(density)) this.images.set(density, massImage(density, this.theme.mass));
    return this.images.get(density);
  }

  mosaicOf(pictures) {
    if (!this.images.has(pictures)) this.images.set(pictures, mosaicOf(pictures, this.theme.text));
    return this.images.get(pictures);
  }

  paintBackdrop({ camera, frame, scene, exact, options }) {
    const { behind: ctx, layout, theme, ratio } = this;
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.clearRect(0, 0, this.backdrop.width, this.backdrop.height);
    layout.plots.forEach((plot, k) => {
      clipTo(ctx, plot);
      ctx.fillStyle = theme.blank;
      ctx.fillRect(plot.x, plot.y, plot.w, plot.h);
      const ground = groundOf(scene, options), grid = scene && ground !== "none" && ground !== "pictures" ? scene[ground] : null;
      if (grid) drawGrid(ctx, plot, camera, this.imageOf(grid, theme[ground]), scene.view);
      else {
        ctx.fillStyle = theme.panel;
        ctx.fillRect(plot.x, plot.y, plot.w, plot.h);
        if (ground === "pictures") drawMosaic(ctx, plot, camera, this.mosaicOf(scene.pictures));
      }
      if (frame?.mode === "exact" && exact?.[k]) {
        ctx.globalAlpha = ofFinished(frame);
        drawGrid(ctx, plot, camera, this.massOf(exact[k].density), exact[k].view);
        ctx.globalAlpha = 1;
      }
      const width = layout.present ? 2.2 : plot.w < 260 ? 1.1 : 1.4;
      if (scene && options.ghost) drawContours(ctx, plot, camera, scene.contours, theme.ghost, width);
      ctx.restore();
      const ticks = { left: k % layout.columns === 0, below: k + layout.columns >= layout.plots.length };
      drawAxes(ctx, plot, layout, theme, camera, ticks);
    });
    this.stale = false;
  }

  /** Paints the backdrop, shows it, and keeps the pixels that are behind the particles. */
  renew(view) {
    this.paintBackdrop(view);
    const { context: ctx, ratio, layout: { area } } = this;
    const left = Math.floor(area.x * ratio), top = Math.floor(area.y * ratio);
    const width = Math.min(Math.ceil((area.w + 1) * ratio), this.canvas.width - left);
    const height = Math.min(Math.ceil((area.h + 1) * ratio), this.canvas.height - top);
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.clearRect(left, top, width, height);
    ctx.drawImage(this.backdrop, left, top, width, height, left, top, width, height);
    for (const { x, y, image, behind } of this.grounds) {
      const { data } = this.behind.getImageData(x, y, image.width, image.height);
      behind.set(new Uint32Array(data.buffer));
    }
  }

  /** Paints the plots. Returns how many particles are in view. */
  paint(view) {
    const { context: ctx, ratio, layout, theme } = this, { camera, frame, scene, exact, options, motion, chosen = null } = view;
    const plainly = frame?.mode === "exact" ? ofFinished(frame) : 0;
    if (this.stale || plainly !== this.plainly) this.renew(view);
    this.plainly = plainly;
    let visible = 0;
    const { n = 0, count = 0 } = frame ?? {}, { arrows, paths, trace } = frame?.arrays ?? {};
    if (scene !== this.numbered) [this.numbered, this.places] = [scene, modePlaces(scene ?? {})];
    for (let k = 0; k < count; k++) {
      const ground = this.grounds[k], { image, pixels, behind } = ground;
      pixels.set(behind);
      const stamps = frame.mode === "exact" ? this.exactStamps : count > 1 ? this.laneStamps[k] : this.stamps;
      if (options.samples) visible += stampAll(pixels, image.width, image.height, camera, motion.x.now, k * n, (k + 1) * n, scene?.labels, stamps);
      ctx.putImageData(image, ground.x, ground.y);
    }
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (let k = 0; k < count; k++) {
      const plot = layout.plots[k], line = (layout.present ? 1.6 : 1) * (plot.w < 260 ? 0.9 : 1.15);
      clipTo(ctx, plot);
      if (frame.mode !== "learned" && options.contours && exact?.[k]) {
        ctx.globalAlpha = ofFinished(frame);
        const width = layout.present ? 3.4 : plot.w < 260 ? 1.7 : 2.3;
        if (frame.mode === "exact") drawContours(ctx, plot, camera, exact[k].contours, theme.panel, (plot.w < 260 ? 1.5 : 1.8) * width); // dots are of the same colour
        drawContours(ctx, plot, camera, exact[k].contours, theme.contour, width);
        ctx.globalAlpha = 1;
      }
      if (paths && options.trails) {
        const [, ways, steps] = paths.shape;
        drawPaths(ctx, plot, camera, motion.paths.now, k * ways, ways, steps, theme.trail, 1.3 * line);
      }
      if (arrows) {
        const m = arrows.shape[1];
        drawArrows(ctx, plot, camera, motion.arrows.now, k * m, m, this.scaleOf(arrows), theme.arrow, 1.2 * line);
      }
      if (options.modes && this.places.length && plot.w >= LEAST_FOR_NUMBERS) drawBadges(ctx, plot, camera, this.places, (mode) => this.badgeOf(mode, count > 1, modeName(scene, mode)));
      if (options.samples) this.paintWay(ctx, plot, view, k, trace, chosen, 1.5 * line);
      ctx.restore();
    }
    return visible;
  }

  /** The particle that somebody looks at, and its way from the noise as far as the host has sent it. */
  paintWay(ctx, plot, { camera, frame, motion }, lane, trace, chosen, width) {
    const { traced } = frame.meta, at = (k) => motion.x.now.subarray(2 * (lane * frame.n + k), 2 * (lane * frame.n + k) + 2);
    if (trace && traced >= 0 && traced < frame.n) {
      const steps = trace.shape[1];
      drawTrace(ctx, plot, camera, trace.data, lane * steps, steps, at(traced), this.theme, width);
    }
    if (chosen !== null && chosen < frame.n) drawChosen(ctx, plot, camera, at(chosen), this.theme, width);
  }

  /** The arrows' scale follows the fastest ones slowly, so that a single frame does not make all of them twitch. */
  scaleOf(arrows) {
    if (this.speed.arrays !== arrows) {
      const wanted = arrowScale(arrows), known = this.speed.arrays !== null;
      this.speed.scale = known ? this.speed.scale * (wanted / this.speed.scale) ** 0.25 : wanted;
      this.speed.arrays = arrows;
    }
    return this.speed.scale;
  }

  /** Paints the panels: once a data frame, and where somebody reads a value off: {panel, at}. */
  paintPanels(frame, scene, reading = null) {
    const { context: ctx, ratio, layout, theme } = this;
    const { arrays, count, panels, changes } = frame, labels = frame.lanes.map(({ label }) => label);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.texts = []; // the words in each panel, for tests
    this.areas = layout.panels.map(({ body }, k) => {
      ctx.save();
      boxIn(ctx, body, ratio);
      ctx.clearRect(body.x - 1, body.y - 1, body.w + 2, body.h + 2);
      const more = { labels, texts: (this.texts[k] = []), reading: reading?.panel === k ? reading.at : null, nameOf: (mode) => modeName(scene, mode) };
      let area = null;
      if (panels[k]) {
        const [first] = panels[k].lines, one = panels[k].lines.length === 1 ? theme.lanes : theme.series;
        const colors = count > 1 ? theme.lanes : first.series === "truth" ? [theme.true] : one;
        area = drawCurves(ctx, body, layout, theme, panels[k], colors, changes, more);
      } else if (arrays.mode_mass) {
        const colorOf = count > 1 ? (lane) => theme.dots[lane] : (_, mode) => theme.particles[mode % theme.particles.length];
        area = drawMasses(ctx, body, layout, theme, arrays.mode_mass, arrays.mode_mass_exact, colorOf, more);
      }
      ctx.restore();
      return area;
    });
  }
}

/** Where the stage draws a sample, in the data's coordinates, one place a lane; none where it draws no such sample. */
export function placesOf({ frame, options, positions }, k) {
  if (!frame || !options.samples || k === null || k >= frame.n) return [];
  return Array.from({ length: frame.count }, (_, lane) => {
    const at = 2 * (lane * frame.n + k);
    return [positions[at], positions[at + 1]];
  });
}

/** How plainly what is exact is drawn: it is of finished samples. */
const ofFinished = ({ time }) => (time < 1 ? 0.35 : 1);

/** Clips to a box in whole pixels of the canvas: half a pixel at an edge would never be cleared. */
function boxIn(ctx, { x, y, w, h }, ratio) {
  const left = Math.floor(x * ratio) / ratio, top = Math.floor(y * ratio) / ratio;
  ctx.beginPath();
  ctx.rect(left, top, Math.ceil((x + w) * ratio) / ratio - left, Math.ceil((y + h) * ratio) / ratio - top);
  ctx.clip();
}
