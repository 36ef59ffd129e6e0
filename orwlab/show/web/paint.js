// Painting on the stage: a canvas over the first plot, which follows its camera, and the tools in the panel.

const INKS = { // what is painted, over the stage
  light: { reward: [98, 62, 196], truth: [0, 105, 76], target: [58, 74, 104] },
  dark: { reward: [164, 138, 255], truth: [37, 186, 130], target: [158, 176, 206] },
};
const THICK = 0.62; // how much of the stage full ink hides
const HALO = 1.2; // a brush's ring, in sizes
const STEP = 0.2, LEAP = 1; // of the brush, by arrow keys, alone and with Shift
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
const TITLES = { reward: "Paint the reward", truth: "Paint the true reward", target: "Paint the data" };
const ASKS = { reward: "Paint where it pays: on the picture.", truth: "Paint what is really good: on the picture.", target: "Paint where the data are: on the picture." };
const TELLS = { reward: "The more paint, the more it pays.", truth: "The more paint, the better.", target: "The more paint, the more data." };

class Painter {
  /** changed(name, ended): something was painted, see `text`; `ended` is false while a stroke is drawn. */
  constructor(lab, panel, changed) {
    Object.assign(this, { lab, panel, changed });
    this.name = null; // the control whose value is being painted
    this.last = null; // the same, also after the panel is closed
    this.restart([]);
    this.at = [0, 0];
    this.canvas = document.createElement("canvas");
    this.canvas.className = "own-canvas";
    this.canvas.tabIndex = 0;
    this.canvas.style.touchAction = "none"; // else a finger would scroll
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-describedby", "own-paint-keys");
    this.picture = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    panel.addEventListener("change", () => this.stale());
    panel.addEventListener("click", ({ target }) => this[target.closest("[data-paint]")?.dataset.paint]?.());
    this.listen();
  }

  // ---- what there is

  restart(strokes) {
    Object.assign(this, { strokes, past: [], future: [], stroke: null });
    this.ink = inkOf(strokes);
    this.stale();
  }

  get brush() {
    const chosen = (name) => this.panel.querySelector(`[data-brush=${name}]:is(select, :checked)`).value;
    return {
      size: SIZES[chosen("size")], strength: STRENGTHS[chosen("strength")], symmetry: chosen("symmetry"), eraser: chosen("tool") === "eraser",
    };
  }

  /** What is painted as a control's value; with the stroke that is being drawn, if it fits. */
  get text() {
    const text = writePainting(this.strokes);
    if (!this.stroke) return text;
    try {
      return writePainting([...this.strokes, strokeOf(this.stroke.way, this.stroke.brush)]);
    } catch {
      return text;
    }
  }

  /** Whether one sees anything. */
  get blank() {
    return this.ink.every((ink) => ink < BLANK);
  }

  /** Paint the value of a control. `text` is the painting that there is, if there is one. */
  open(name, text) {
    if (name !== this.last) this.restart([]);
    this.name = this.last = name;
    if (text) this.show(text);
    const [title, status] = this.panel.querySelectorAll("h2, [role=status]");
    title.textContent = TITLES[name];
    this.status = status;
    this.canvas.setAttribute("aria-label", TITLES[name]);
    this.lab.stage.canvas.after(this.canvas);
    this.tell();
    if (!this.following) this.follow();
  }

  close() {
    this.lift();
    this.name = null;
    this.canvas.remove();
  }

  /** Another painting: what was painted before can be had back by undo. */
  show(text) {
    const strokes = readPainting(text);
    if (writePainting(strokes) === writePainting(this.strokes)) return;
    if (this.strokes.length || this.past.length) this.become(strokes);
    else this.restart(strokes);
  }

  become(strokes, { past = [...this.past, this.strokes], future = [], ink = inkOf(strokes) } = {}) {
    Object.assign(this, { strokes, past, future, ink });
    this.stale();
    this.tell();
  }

  undo() {
    this.lift();
    if (!this.past.length) return;
    this.become(this.past.at(-1), { past: this.past.slice(0, -1), future: [...this.future, this.strokes] });
    this.changed(this.name, true);
  }

  redo() {
    if (!this.future.length) return;
    this.become(this.future.at(-1), { past: [...this.past, this.strokes], future: this.future.slice(0, -1) });
    this.changed(this.name, true);
  }

  clear() {
    if (!this.strokes.length) return;
    this.become([]);
    this.changed(this.name, true);
  }

  tell(problem) {
    if (!this.status) return;
    const button = (name) => this.panel.querySelector(`[data-paint=${name}]`);
    button("undo").disabled = !this.past.length;
    button("redo").disabled = !this.future.length;
    button("clear").disabled = !this.strokes.length;
    this.status.classList.toggle("own-problem", Boolean(problem));
    const words = problem ?? (this.blank ? ASKS : TELLS)[this.name] ?? "";
    if (this.status.textContent !== words) this.status.textContent = words;
  }

  // ---- strokes

  begin(place, brush = this.brush) {
    this.lift();
    const cover = new Cover(brush);
    this.stroke = { brush, way: [], cover, before: this.ink };
    this.go(place);
  }

  go(...places) {
    const { way, cover, before, brush } = this.stroke;
    way.push(...places);
    for (const place of places) cover.reach(strokeOf([place], brush).points[0]);
    this.ink = laidOn(before, cover.picture, brush.eraser);
    this.stale();
    this.changed(this.name, false);
  }

  /** The end of a stroke, if there is one. */
  lift() {
    if (!this.stroke) return;
    const { way, brush, before } = this.stroke, stroke = strokeOf(way, brush), strokes = [...this.strokes, stroke];
    this.stroke = null;
    try {
      writePainting(strokes);
      this.become(strokes, { ink: laidOn(before, coverOf(stroke), brush.eraser) });
    } catch ({ message }) {
      this.ink = before;
      this.stale();
      return this.tell(message);
    }
    this.changed(this.name, true);
  }

  // ---- hands and keys

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button > 0 && event.button !== 5) return; // 5: a pen's eraser
      canvas.setPointerCapture(event.pointerId);
      this.byKeys = false;
      this.shown = true;
      this.at = this.placeOf(event);
      this.begin(this.at, event.button === 5 ? { ...this.brush, eraser: true } : this.brush);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!event.isPrimary) return;
      const all = event.getCoalescedEvents?.() ?? [];
      if (this.stroke) this.go(...(all.length ? all : [event]).map((one) => this.placeOf(one)));
      this.at = this.placeOf(event);
      this.shown = true;
      this.stale();
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => event.isPrimary && this.lift());
    canvas.addEventListener("pointerleave", () => { this.shown = false; this.stale(); });
    canvas.addEventListener("focus", () => { this.byKeys = canvas.matches(":focus-visible"); this.stale(); });
    canvas.addEventListener("blur", () => this.stale());
    canvas.addEventListener("wheel", (event) => { // the stage zooms
      if (!this.lab.stage.canvas.dispatchEvent(new WheelEvent("wheel", event))) event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
    if (ctrlKey || metaKey || altKey) return;
    if (MOVES[key]) this.step(MOVES[key], shiftKey ? LEAP : STEP);
    else if (key === " " && this.byKeys) { // by mouse, space plays
      if (!event.repeat) { this.begin(this.at); this.lift(); }
    } else if (key === "+" || key === "=") this.resize(1);
    else if (key === "-" || key === "−") this.resize(-1);
    else return;
    this.byKeys = true;
    event.preventDefault();
    event.stopPropagation();
    this.stale();
  }

  step([dx, dy], far) {
    const [x0, x1, y0, y1] = this.lab.stage.camera.now, into = (value, low, high) => within(value, Math.max(low, -EXTENT), Math.min(high, EXTENT));
    this.at = [into(this.at[0] + dx * far, x0, x1), into(this.at[1] + dy * far, y0, y1)].map((value) => Math.round(value * 100) / 100);
  }

  resize(way) {
    const boxes = [...this.panel.querySelectorAll("[data-brush=size]")];
    boxes[boxes.findIndex((box) => box.checked) + way]?.click();
  }

  // ---- the picture

  placeOf({ clientX, clientY }) {
    const frame = this.canvas.getBoundingClientRect(), [x0, x1, y0, y1] = this.lab.stage.camera.now;
    return [x0 + ((clientX - frame.left) / frame.width) * (x1 - x0), y1 - ((clientY - frame.top) / frame.height) * (y1 - y0)];
  }

  stale() {
    this.drawn = "";
    this.inked = false;
  }

  follow() {
    this.following = this.name !== null;
    if (!this.following) return;
    const { layout, camera, root } = this.lab.stage, plot = layout?.plots[0];
    this.canvas.hidden = this.lab.presenting;
    if (plot) {
      const dark = root.dataset.theme === "dark" ? "dark" : "light";
      const now = [plot.x, plot.y, plot.w, plot.h, ...camera.now, devicePixelRatio, dark].join();
      if (now !== this.drawn) {
        this.draw(plot, camera.now, dark);
        this.drawn = now;
      }
    }
    requestAnimationFrame(() => this.follow());
  }

  draw(plot, [x0, x1, y0, y1], theme) {
    const { canvas } = this, ratio = Math.min(2, devicePixelRatio || 1);
    for (const [side, at] of [["left", plot.x], ["top", plot.y], ["width", plot.w], ["height", plot.h]]) canvas.style[side] = `${at}px`;
    canvas.width = Math.round(plot.w * ratio);
    canvas.height = Math.round(plot.h * ratio);
    const pen = canvas.getContext("2d"), unit = canvas.width / (x1 - x0);
    const place = ([x, y]) => [(x - x0) * unit, ((y1 - y) * canvas.height) / (y1 - y0)];
    const [left, top] = place([-EXTENT, EXTENT]), side = 2 * EXTENT * unit;
    const [r, g, b] = INKS[theme][this.name];
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(this.inkPicture(r, g, b), left, top, side, side);
    pen.strokeStyle = `rgb(${r}, ${g}, ${b})`;
    pen.lineWidth = ratio;
    pen.setLineDash([5 * ratio, 4 * ratio]);
    pen.strokeRect(left, top, side, side);
    const { size, symmetry } = this.brush;
    this.drawAxes(pen, place, symmetry);
    pen.setLineDash([]);
    if (!this.shown && !(this.byKeys && document.activeElement === canvas)) return;
    for (const [k, at] of [this.at, ...imagesOf(this.at, symmetry)].entries()) {
      for (const [color, width] of [["#fff", 4], ["#000", 2]]) {
        pen.beginPath();
        pen.arc(...place(at), HALO * size * unit, 0, 2 * Math.PI);
        pen.lineWidth = (k ? width / 2 : width) * ratio;
        pen.strokeStyle = color;
        pen.stroke();
      }
    }
  }

  drawAxes(pen, place, symmetry) {
    const lines = {
      left_right: [[0, 1]], up_down: [[1, 0]], both: [[0, 1], [1, 0]], quarters: [[0, 1], [1, 0]], eighths: [[0, 1], [1, 0], [1, 1], [1, -1]],
    };
    pen.globalAlpha = 0.5;
    for (const [u, v] of lines[symmetry] ?? []) {
      pen.beginPath();
      pen.moveTo(...place([-EXTENT * u, -EXTENT * v]));
      pen.lineTo(...place([EXTENT * u, EXTENT * v]));
      pen.stroke();
    }
    pen.globalAlpha = 1;
  }

  inkPicture(...color) {
    const found = color.join();
    if (this.inked === found) return this.picture;
    const pen = this.picture.getContext("2d"), image = pen.createImageData(SIDE, SIDE);
    for (let x = 0; x < SIDE; x++) {
      for (let y = 0; y < SIDE; y++) {
        image.data.set([...color, 255 * THICK * this.ink[x * SIDE + y]], 4 * ((SIDE - 1 - y) * SIDE + x));
      }
    }
    pen.putImageData(image, 0, 0);
    this.inked = found;
    return this.picture;
  }
}
