// A canvas over the stage's first plot, or one over each: it follows the stage's camera, its size, its light or dark.
//
//   const overlay = new StageOverlay(stage);           // { all: true }: over every lane's plot
//   overlay.draw((ctx, toScreen, theme, plot) => ...); // called whenever something moved; in CSS pixels of the plot
//   overlay.draw(null);                                // nothing is there any more
//   overlay.toData(clientX, clientY);                  // the place below a pointer, [x, y]
//
// The stage below stays in use: it is zoomed and dragged as ever, until somebody calls `take(true)`.

const OVERLAY_FINEST = 3; // pixels of a canvas for one of the page, at most

class StageOverlay {
  constructor(stage, { all = false } = {}) {
    Object.assign(this, { stage, all });
    this.paint = null;
    this.taking = false;
    this.canvases = [this.made()];
  }

  /** The one over the first plot; hands and keys may be listened to on it. */
  get canvas() { return this.canvases[0]; }

  made() {
    const canvas = make("canvas", "room-overlay");
    canvas.setAttribute("aria-hidden", "true"); // whoever makes it something to use takes this away
    return canvas;
  }

  /** What is painted from now on; null for nothing. The same again: painted anew. */
  draw(paint) {
    this.paint = paint;
    this.drawn = "";
    if (paint) this.following ??= requestAnimationFrame(() => this.follow());
    else for (const canvas of this.canvases) canvas.remove();
  }

  /** Whether pointers belong to the overlay, in place of the stage. */
  take(on) {
    this.taking = on;
    this.canvas.classList.toggle("taking", on);
  }

  destroy() {
    this.draw(null);
    this.destroyed = true;
    cancelAnimationFrame(this.following);
  }

  /** The place of the data below a point of the window, by the first plot; it may lie beyond the plot. */
  toData(clientX, clientY) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect(), [x0, x1, y0, y1] = this.stage.camera.now;
    return [x0 + ((clientX - left) / width) * (x1 - x0), y1 - ((clientY - top) / height) * (y1 - y0)];
  }

  follow() {
    this.following = null;
    if (!this.paint || this.destroyed) return;
    const { layout, camera, root } = this.stage, theme = THEMES[root.dataset.theme];
    const plots = (layout?.plots ?? []).slice(0, this.all ? undefined : 1);
    if (plots.length && theme) {
      const places = plots.flatMap(({ x, y, w, h }) => [x, y, w, h]);
      const now = [...places, ...camera.now, devicePixelRatio, root.dataset.theme].join();
      if (now !== this.drawn) {
        this.drawn = now;
        this.arrange(plots.length);
        plots.forEach((plot, lane) => this.drawOne(this.canvases[lane], { ...plot, lane }, theme));
      }
    }
    this.following = requestAnimationFrame(() => this.follow());
  }

  /** As many canvases as plots, right above the stage's own: its words and buttons stay on top. */
  arrange(count) {
    while (this.canvases.length < count) this.canvases.push(this.made());
    for (const canvas of this.canvases.slice(count)) canvas.remove();
    for (const canvas of this.canvases.slice(0, count)) if (!canvas.isConnected) this.stage.canvas.after(canvas);
  }

  drawOne(canvas, plot, theme) {
    const [x0, x1, y0, y1] = this.stage.camera.now, ratio = Math.min(OVERLAY_FINEST, devicePixelRatio || 1);
    putAt(canvas, plot);
    canvas.width = Math.round(plot.w * ratio); // which also wipes it
    canvas.height = Math.round(plot.h * ratio);
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    this.paint(ctx, ([x, y]) => [((x - x0) / (x1 - x0)) * plot.w, ((y1 - y) / (y1 - y0)) * plot.h], theme, plot);
  }
}
