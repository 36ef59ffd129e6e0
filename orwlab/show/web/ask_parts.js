// What questions and the pictures of all guesses share: words, the axis of alpha, marks on the stage, and charts.

const READING_WORDS = { // what a question may be about, as axes and tables name it
  reward: "mean reward", diversity: "diversity", w2: "distance W₂²", effective: "effective samples",
};
const IN_A_DECADE = [1, 1.1, 1.2, 1.4, 1.6, 1.8, 2, 2.2, 2.5, 2.8, 3, 3.5, 4, 4.5, 5, 5.6, 6.3, 7, 8, 9];
const ALPHA_PLACES = [ // the handle's, as in the Live lab: nothing at all, then evenly in the logarithm
  0, ...[-2, -1, 0, 1].flatMap((power) => IN_A_DECADE.map((step) => Number((step * 10 ** power).toPrecision(2)))), 100,
];
const ALPHA_TICKS = [0, 0.1, 1, 10, 100];
const LEAST_ALPHA = 0.01; // what 0 counts as where alphas are compared by their ratio
const OWN_COLOR = "#E69F00", OWN_RIM = "#1b1300"; // one's own guess, and what stands out around it
const SVG_SPACE = "http://www.w3.org/2000/svg";

// ---- words

const readingText = (of, value) => (of === "effective" ? `${Math.round(100 * value)} %` : said(value));
const alphaText = (value) => `α\u00a0=\u00a0${Number(value.toPrecision(3))}`; // never broken over two lines
const placeText = ([x, y]) => `x ${minus(x.toFixed(1))}, y ${minus(y.toFixed(1))}`;
const letterOf = (k) => String.fromCharCode(65 + k);
const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

// ---- the axis of alpha

/** How far from the left end of its slider an alpha lies, from 0 to 1. */
function alphaShare(value) {
  const above = ALPHA_PLACES.findIndex((place) => place > value);
  const k = above < 0 ? ALPHA_PLACES.length - 1 : Math.max(1, above), [left, right] = ALPHA_PLACES.slice(k - 1, k + 1);
  return (k - 1 + (value - left) / (right - left)) / (ALPHA_PLACES.length - 1);
}

/** The number of the place next to an alpha. */
function alphaPosition(value) {
  const off = ALPHA_PLACES.map((place) => Math.abs(place - value));
  return off.indexOf(Math.min(...off));
}

// ---- marks on the stage, in CSS pixels

/** A blue for guesses that one sees on this ground. */
const guessColor = (theme) => theme.particles[0];

/** A path with a rim: what lies below must not swallow it. */
function outlinedStroke(ctx, color, rim, width) {
  for (const [style, wide] of [[rim, width + 3], [color, width]]) {
    ctx.strokeStyle = style;
    ctx.lineWidth = wide;
    ctx.stroke();
  }
}

/** Somebody's guess. */
function drawGuessDot(ctx, [x, y], theme, radius) {
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  ctx.fillStyle = guessColor(theme);
  ctx.fill();
  ctx.strokeStyle = theme.panel;
  ctx.lineWidth = 1.5;
  ctx.stroke();
}

/** One's own guess: a cross in a ring. While it is `pending`, only its cross, thinner. */
function drawOwnMark(ctx, [x, y], { pending = false, radius = 14 } = {}) {
  ctx.lineCap = "round";
  ctx.beginPath();
  ctx.moveTo(x - 0.55 * radius, y);
  ctx.lineTo(x + 0.55 * radius, y);
  ctx.moveTo(x, y - 0.55 * radius);
  ctx.lineTo(x, y + 0.55 * radius);
  outlinedStroke(ctx, OWN_COLOR, OWN_RIM, pending ? 2 : 3);
  if (pending) return;
  ctx.beginPath();
  ctx.arc(x, y, radius, 0, 2 * Math.PI);
  outlinedStroke(ctx, OWN_COLOR, OWN_RIM, 3.5);
}

/** What is exact: a star. */
function drawTruthStar(ctx, [x, y], theme, radius = 16) {
  ctx.beginPath();
  for (let k = 0; k < 10; k++) {
    const r = k % 2 ? 0.42 * radius : radius, turn = (k * Math.PI) / 5 - Math.PI / 2;
    ctx.lineTo(x + r * Math.cos(turn), y + r * Math.sin(turn));
  }
  ctx.closePath();
  ctx.lineJoin = "round";
  ctx.strokeStyle = theme.panel;
  ctx.lineWidth = 5;
  ctx.stroke();
  ctx.fillStyle = theme.exact;
  ctx.fill();
}

/** A word beside a mark: on the first side on which it is inside the plot and does not cover the places in `spared`. */
function drawBeside(ctx, text, [x, y], apart, plot, { color, halo, size, spared = [] }) {
  ctx.font = font(size, 700);
  const half = ctx.measureText(text).width / 2, aside = apart + half;
  const sides = [[x + aside, y], [x - aside, y], [x, y + 1.2 * apart], [x, y - 1.2 * apart]];
  const near = (a, b, most) => Math.abs(a - b) < most;
  const covers = ([u, v]) => spared.some(([s, t]) => near(s, u, half + apart) && near(t, v, 0.5 * size + apart));
  const inside = ([u, v]) => u - half > 2 && u + half < plot.w - 2 && v - size > 0 && v + size < plot.h;
  const at = sides.find((side) => inside(side) && !covers(side)) ?? sides.find(inside) ?? sides[0];
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.lineJoin = "round";
  ctx.strokeStyle = halo;
  ctx.lineWidth = 5;
  ctx.strokeText(text, ...at);
  ctx.fillStyle = color;
  ctx.fillText(text, ...at);
}

// ---- SVG

/** An SVG element; `text` is never read as markup. */
function svgPart(tag, attributes = {}, text = "") {
  const part = document.createElementNS(SVG_SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
  if (text) part.textContent = text;
  return part;
}

/** A picture for those who see it: what it shows also stands in words. It is drawn again whenever its width changes. */
class RoomPicture {
  /** paint(picture): adds what is to be seen, for `width` and `em` as they are. */
  constructor(paint) {
    this.paint = paint;
    this.element = make("div", "room-picture");
    this.svg = svgPart("svg", { "aria-hidden": "true", focusable: "false" });
    this.element.append(this.svg);
    this.sizes = new ResizeObserver(() => { if (this.element.clientWidth !== this.width) this.draw(); });
    this.sizes.observe(this.element);
  }

  destroy() { this.sizes.disconnect(); }

  draw() {
    this.width = this.element.clientWidth;
    if (!this.width) return; // not on the page
    this.em = parseFloat(getComputedStyle(this.element).fontSize);
    this.small = Math.max(13, Math.round(0.8 * this.em));
    this.svg.replaceChildren();
    this.paint(this);
  }

  resize(height) {
    this.height = height;
    this.svg.setAttribute("width", this.width);
    this.svg.setAttribute("height", height);
  }

  add(tag, attributes, text) {
    const part = svgPart(tag, attributes, text);
    this.svg.append(part);
    return part;
  }

  write(text, x, y, { anchor = "middle", size = this.small, kind = "" } = {}) {
    return this.add("text", { x, y, "text-anchor": anchor, "font-size": size, class: kind }, text);
  }
}

/** A chart over the rounds of a run, for curves of evenly spaced heights. */
class RoundsChart extends RoomPicture {
  /** ask: of the kind "curve". marks(chart): adds curves. */
  constructor(ask, marks) {
    super((chart) => {
      chart.paintAxes();
      marks(chart);
    });
    this.ask = ask;
  }

  px(share) { return this.plot.x + share * this.plot.w; }

  py(value) {
    const { low, high } = this.ask;
    return this.plot.y + ((high - value) / (high - low)) * this.plot.h;
  }

  paintAxes() {
    const { ask, small, em, width } = this, height = Math.round(Math.min(20 * em, Math.max(12.5 * em, 0.62 * width)));
    const top = Math.round(1.9 * small), bottom = Math.round(2.9 * small), h = height - top - bottom;
    const { ticks, step } = niceTicks(ask.low, ask.high, h / (2.6 * small));
    const labels = ticks.map((tick) => tickLabel(tick, step, Math.max(Math.abs(ask.low), Math.abs(ask.high))));
    const left = Math.round(Math.max(...labels.map((label) => textWidth(label, small)), small) + 10);
    const right = Math.round(Math.max(0.8 * small, 0.5 * textWidth(String(ask.rounds), small) + 2));
    this.plot = { x: left, y: top, w: width - left - right, h };
    this.resize(height);
    this.add("rect", { ...this.box(), class: "ground" });
    ticks.forEach((tick, k) => {
      this.add("line", { x1: left, x2: left + this.plot.w, y1: this.py(tick), y2: this.py(tick), class: "grid" });
      this.write(labels[k], left - 6, this.py(tick) + 0.35 * small, { anchor: "end", kind: "soft" });
    });
    const across = niceTicks(0, ask.rounds, this.plot.w / (4.5 * small));
    for (const tick of across.ticks) {
      const x = this.px(tick / ask.rounds);
      this.add("line", { x1: x, x2: x, y1: top + h, y2: top + h + 5, class: "tick" });
      this.write(tickLabel(tick, across.step, ask.rounds), x, top + h + 5 + 1.05 * small, { kind: "soft" });
    }
    this.write(READING_WORDS[ask.of], left, top - 0.6 * small, { anchor: "start", kind: "name" });
    this.write("round", left + this.plot.w / 2, height - 0.25 * small, { kind: "name" });
    this.add("rect", { ...this.box(), class: "rim" });
  }

  box() {
    const { x, y, w, h } = this.plot;
    return { x, y, width: w, height: h };
  }

  /** A word at a place of a curve, above or below it: where it is farther from the other heights there. */
  nameCurve(words, heights, share, others, { anchor = "middle", kind }) {
    const { plot, small } = this, at = Math.round(share * (heights.length - 1)), y = this.py(heights[at]);
    const sides = [y - small, y + small].filter((v) => v - 0.6 * small > plot.y && v + 0.6 * small < plot.y + plot.h);
    const room = (v) => Math.min(plot.h, ...others.map((height) => Math.abs(this.py(height(at)) - v)));
    const [best = y - small] = sides.sort((a, b) => room(b) - room(a));
    const x = this.px(share) - (anchor === "end" ? 6 : 0);
    this.write(words, x, best + 0.35 * small, { anchor, kind: `curve-word ${kind}` });
  }

  /** A curve; where a height is null it is interrupted. */
  curve(heights, kind) {
    const far = heights.length - 1, into = (value) => Math.min(this.ask.high, Math.max(this.ask.low, value));
    const way = heights.map((value, i) => {
      if (value === null) return "";
      const start = i === 0 || heights[i - 1] === null;
      const lone = start && (heights[i + 1] ?? null) === null ? "h0.1" : ""; // a point is seen, too
      return `${start ? "M" : "L"}${this.px(i / far).toFixed(1)},${this.py(into(value)).toFixed(1)}${lone}`;
    });
    return this.add("path", { d: way.join(""), class: kind });
  }
}
