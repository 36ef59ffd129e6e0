// Everybody's guesses over the truth.
//
//   const shown = showGuesses(element, { ask, reveal, own, stage });
//   shown.update({ reveal, own }); // whatever has changed: the truth is known now
//   shown.destroy();               // the stage has its picture to itself again
//
// ask and reveal are what the room is told; own is one's own guess, null for the teacher. What is exact is vermilion,
// what people think is blue, one's own orange; each also has a shape or a word of its own.

const SMALLEST_DOT = 6; // pixels of a guess on the axis of alpha

/** What all kinds share: a sentence about the whole, the picture, and what is still to come. */
class Guesses {
  constructor(element, { ask, reveal, own = null, stage = null }) {
    Object.assign(this, { element, ask, reveal, own, stage });
    this.root = make("div", `guessed guessed-${ask.kind}`);
    element.replaceChildren(this.root);
    this.begin();
    this.show();
  }

  /** `reveal`, `own` or both, as they are now. */
  update(now) {
    const before = JSON.stringify([this.reveal, this.own]);
    Object.assign(this, now);
    if (JSON.stringify([this.reveal, this.own]) !== before) this.show();
  }

  destroy() { this.root.remove(); }

  begin() {}

  get guesses() { return this.reveal.guesses; }

  get truth() { return this.reveal.truth?.value ?? null; }

  show() {
    const head = make("p", "guessed-head", this.guesses.length ? this.sentence() : "Nobody has guessed.");
    this.root.replaceChildren(head, ...this.parts());
    const note = this.note();
    if (note) this.root.append(make("p", "guessed-note", note));
    this.painted();
  }

  /** What is drawn once it is on the page, and so has a size. */
  painted() {}

  /** Why there is no right answer, "" if there is one or if none was to be had. */
  note() {
    const { truth } = this.reveal;
    if (!truth) return "The exact answer is being worked out …";
    if (truth.value !== null || !truth.why || this.ask.kind === "choose") return "";
    return `There is no exact answer: ${truth.why.replace(/[.\s]+$/, "")}.`;
  }

  get many() { return counted(this.guesses.length, "guess", "guesses"); }

  /** A list of what the marks mean: [kind of the mark, words]. */
  legend(entries) {
    const list = make("ul", "guessed-legend");
    for (const [kind, words] of entries) {
      const entry = make("li"), mark = make("span", `mark ${kind}`);
      mark.setAttribute("aria-hidden", "true");
      entry.append(mark, make("span", "", words));
      list.append(entry);
    }
    return list;
  }
}

// ---- one of some sentences

class ChooseGuesses extends Guesses {
  get counts() { return this.reveal.together.counts ?? this.ask.options.map(() => 0); }

  sentence() {
    if (this.truth === null) return `${this.many}.`;
    const right = this.counts[this.truth - 1];
    return `${this.many}; ${right} of them right (${letterOf(this.truth - 1)}).`;
  }

  parts() {
    const total = this.guesses.length, before = this.reveal.before?.counts, list = make("ul", "guessed-bars");
    const first = (before ?? []).reduce((sum, count) => sum + count, 0);
    const part = (count, of) => (of ? (100 * count) / of : 0);
    this.ask.options.forEach((option, k) => {
      const row = make("li"), head = make("div", "guessed-option"), words = make("span", "guessed-words");
      const right = this.truth === k + 1, count = this.counts[k];
      const letter = make("span", "guessed-letter", letterOf(k));
      words.append(make("span", "", option));
      if (right) words.append(" ", make("strong", "guessed-right", "✓ right"));
      if (this.own === k + 1) words.append(" ", make("strong", "guessed-yours", "yours"));
      head.append(letter, words, make("span", "guessed-count", `${count} (${Math.round(part(count, total))} %)`));
      row.classList.toggle("right", right);
      row.append(head, this.bar("now", part(count, total)));
      if (first) {
        const earlier = make("div", "guessed-before");
        const was = part(before[k], first);
        earlier.append(this.bar("first", was), make("span", "", `first vote: ${before[k]} (${Math.round(was)} %)`));
        row.append(earlier);
      }
      list.append(row);
    });
    return [list];
  }

  bar(kind, share) {
    const track = make("div", `guessed-track ${kind}`), bar = make("div", "guessed-bar");
    track.setAttribute("aria-hidden", "true"); // the numbers stand beside it
    bar.style.width = `${share}%`;
    track.append(bar);
    return track;
  }
}

// ---- a value of alpha

class AlphaGuesses extends Guesses {
  begin() { this.picture = new RoomPicture((picture) => this.paint(picture)); }

  destroy() {
    this.picture.destroy();
    super.destroy();
  }

  get middle() { return this.reveal.together.middle ?? null; }

  sentence() {
    if (this.truth === null) return `${this.many}.`;
    const ratio = (guess) => Math.max(guess, LEAST_ALPHA) / Math.max(this.truth, LEAST_ALPHA);
    const close = this.guesses.filter((guess) => ratio(guess) <= 2 + 1e-9 && ratio(guess) >= 0.5 - 1e-9).length;
    return `${this.many}; ${close} within a factor of two of the right α.`;
  }

  parts() {
    const entries = [], before = this.reveal.before?.middle;
    const first = before === undefined ? "" : ` (first vote: ${alphaText(before)})`;
    if (this.guesses.length) {
      entries.push(["dot", "a guess"], ["triangle", `the middle one: ${alphaText(this.middle)}${first}`]);
    }
    if (this.own !== null) entries.push(["diamond", `yours: ${alphaText(this.own)}`]);
    if (this.truth !== null) entries.push(["line", `right: ${alphaText(this.truth)}`]);
    const limit = this.reveal.truth?.exact?.[0], parts = [this.picture.element, this.legend(entries)];
    if (limit) {
      const readings = ["reward", "diversity"].map((name) => `${name} ${readingText(name, limit[name])}`);
      parts.push(make("p", "guessed-limit", `Exact limit at this scene's α: ${readings.join(", ")}.`));
    }
    const listed = [...this.guesses].sort((a, b) => a - b).map((guess) => Number(guess.toPrecision(3))).join(", ");
    return [...parts, make("p", "lab-said", `All guesses: ${listed || "none"}.`)];
  }

  painted() { this.picture.draw(); }

  /** Dots above their place on the axis, as low as there is room: [[x, rows below it, whether it is one's own], ...]. */
  stacked(px, size) {
    const sorted = this.guesses.map((guess) => px(guess)).sort((a, b) => a - b), ends = []; // of each row, so far
    const mine = this.own === null ? -1 : sorted.indexOf(px(this.own));
    return sorted.map((x, k) => {
      const free = ends.findIndex((end) => x - end >= size), row = free < 0 ? ends.length : free;
      ends[row] = x;
      return [x, row, k === mine];
    });
  }

  paint(picture) {
    const { em, small, width } = picture, margin = Math.round(1.2 * small), room = 7.5 * em;
    const px = (value) => margin + alphaShare(value) * (width - 2 * margin);
    let size = Math.round(0.72 * em), dots = this.stacked(px, size);
    const rows = () => 1 + Math.max(0, ...dots.map(([, below]) => below));
    while (rows() * size > room && size > SMALLEST_DOT) dots = this.stacked(px, --size);
    const step = Math.min(size, (room - size) / Math.max(1, rows() - 1)); // very many are pressed together
    const top = Math.round(1.6 * small), axis = top + room + 4;
    picture.resize(Math.round(axis + 3.4 * small));
    if (this.truth !== null) {
      const x = px(this.truth);
      picture.add("line", { x1: x, x2: x, y1: top - 4, y2: axis + 6, class: "exact" });
    }
    picture.add("line", { x1: margin, x2: width - margin, y1: axis, y2: axis, class: "axis" });
    for (const tick of ALPHA_TICKS) {
      picture.add("line", { x1: px(tick), x2: px(tick), y1: axis, y2: axis + 5, class: "tick" });
      picture.write(String(tick), px(tick), axis + 6 + small, { kind: "soft" });
    }
    picture.write("α", width / 2, axis + 3.1 * small, { kind: "name" });
    let mine = null;
    for (const [x, below, own] of dots) {
      const at = { cx: x, cy: axis - 2 - 0.5 * size - below * step };
      if (own) mine = at;
      else picture.add("circle", { ...at, r: 0.45 * size, class: "guess" });
    }
    if (mine) {
      const r = Math.max(0.7 * size, 7); // a diamond: not its colour alone tells it from the others
      picture.add("path", { d: `M${mine.cx},${mine.cy - r}l${r},${r}l${-r},${r}l${-r},${-r}Z`, class: "own" });
    }
    if (this.middle !== null) {
      const x = px(this.middle), y = axis + 1;
      picture.add("path", { d: `M${x},${y}l${0.5 * small},${0.9 * small}h${-small}Z`, class: "middle" });
    }
    if (this.truth !== null) {
      const words = `right: ${alphaText(this.truth)}`, half = textWidth(words, small, 700) / 2;
      const x = Math.min(width - half - 1, Math.max(half + 1, px(this.truth)));
      picture.write(words, x, top - 0.55 * small, { kind: "exact-word" });
    }
  }
}

// ---- a place in the plane

class PlaceGuesses extends Guesses {
  begin() {
    if (this.stage) this.overlay = new StageOverlay(this.stage);
  }

  destroy() {
    this.overlay?.destroy();
    super.destroy();
  }

  away(guess) { return Math.hypot(guess[0] - this.truth[0], guess[1] - this.truth[1]); }

  sentence() {
    if (this.truth === null) return `${this.many}.`;
    const near = this.guesses.filter((guess) => this.away(guess) <= 1).length;
    return `${this.many}; ${near} within 1 unit of the exact place.`;
  }

  parts() {
    const entries = [], { middle } = this.reveal.together;
    if (this.guesses.length) entries.push(["dot", "a guess"]);
    const off = this.own && this.truth ? `, ${this.away(this.own).toFixed(1)} away` : "";
    if (this.own) entries.push(["ring", `yours: ${placeText(this.own)}${off}`]);
    if (this.truth) entries.push(["star", `exact: ${placeText(this.truth)}`]);
    const said = middle ? `The middle of all guesses is ${placeText(middle)}.` : "";
    return [this.legend(entries), make("p", "lab-said", said)];
  }

  painted() { this.overlay?.draw((...given) => this.paint(...given)); }

  paint(ctx, toScreen, theme, plot) {
    if (!this.guesses.length && !this.truth) return;
    const size = Math.max(14, Math.round(plot.w / 28)), halo = theme.panel;
    ctx.globalAlpha = 0.45; // what lies below steps back
    ctx.fillStyle = theme.panel;
    ctx.fillRect(0, 0, plot.w, plot.h);
    ctx.globalAlpha = 1;
    const radius = Math.max(6, size / 2.6);
    for (const guess of this.guesses) drawGuessDot(ctx, toScreen(guess), theme, radius);
    if (this.own) drawOwnMark(ctx, toScreen(this.own), { radius: 0.8 * size });
    if (!this.truth) return;
    const at = toScreen(this.truth);
    drawTruthStar(ctx, at, theme, 0.95 * size);
    const spared = this.own ? [toScreen(this.own)] : [];
    drawBeside(ctx, "exact", at, 1.2 * size, plot, { color: theme.exact, halo, size, spared });
  }
}

// ---- a curve over the rounds

class CurveGuesses extends Guesses {
  begin() { this.chart = new RoundsChart(this.ask, (chart) => this.paint(chart)); }

  destroy() {
    this.chart.destroy();
    super.destroy();
  }

  get middle() { return this.reveal.together.middle ?? null; }

  get limit() { return this.reveal.truth?.exact?.[0]?.[this.ask.of] ?? null; }

  sentence() {
    const { of } = this.ask, last = (curve) => readingText(of, curve.at(-1));
    const run = this.truth ? `, the run at ${last(this.truth)}` : "";
    return `${counted(this.guesses.length, "curve")}; the middle one ends at ${last(this.middle)}${run}.`;
  }

  parts() {
    const { limit, ask } = this, entries = [];
    if (this.guesses.length) entries.push(["thin", "a guess"], ["thick", "the middle of all guesses"]);
    if (this.reveal.before?.middle) entries.push(["dotted", "the middle of the first vote"]);
    if (this.own) entries.push(["own-line", "yours"]);
    if (this.truth) entries.push(["run", "the run"]);
    if (limit !== null) {
      const outside = limit < ask.low || limit > ask.high ? ", outside of this picture" : "";
      entries.push(["dashed", `exact limit: ${readingText(ask.of, limit)}${outside}`]);
    }
    return [this.chart.element, this.legend(entries), this.table()];
  }

  /** The same in numbers, for those who do not see it. */
  table() {
    const holder = make("div", "lab-said"), { ask, middle, own, truth } = this;
    const rows = [["middle guess", middle], ["yours", own], ["the run", truth]].filter(([, curve]) => curve);
    if (!rows.length) return holder;
    const at = [0, 0.25, 0.5, 0.75, 1], table = make("table"), head = make("tr");
    table.append(make("caption", "", `${READING_WORDS[ask.of]} over the rounds`), head);
    head.append(make("th", "", "round"), ...at.map((part) => make("th", "", String(Math.round(part * ask.rounds)))));
    for (const [name, curve] of rows) {
      const row = make("tr"), heights = at.map((part) => curve[Math.round(part * (curve.length - 1))]);
      row.append(make("th", "", name), ...heights.map((height) => make("td", "", readingText(ask.of, height))));
      table.append(row);
    }
    holder.append(table);
    return holder;
  }

  painted() { this.chart.draw(); }

  paint(chart) {
    const { limit, ask, middle, own, truth } = this, { plot } = chart;
    const shown = limit !== null && limit >= ask.low && limit <= ask.high;
    for (const guess of this.guesses) chart.curve(guess, "thin");
    if (this.reveal.before?.middle) chart.curve(this.reveal.before.middle, "dotted");
    if (middle) chart.curve(middle, "thick");
    if (shown) {
      const y = chart.py(limit);
      chart.add("line", { x1: plot.x, x2: plot.x + plot.w, y1: y, y2: y, class: "dashed" });
    }
    if (own) {
      chart.curve(own, "own-rim");
      chart.curve(own, "own-line");
    }
    if (truth) {
      chart.curve(truth, "run-rim");
      chart.curve(truth, "run");
    }
    const heights = (curve) => (curve ? [(at) => curve[at]] : []);
    const lines = [...heights(middle), ...(shown ? [() => limit] : [])];
    if (own) chart.nameCurve("yours", own, 0.6, [...lines, ...heights(truth)], { kind: "" });
    if (truth) chart.nameCurve("the run", truth, 1, [...lines, ...heights(own)], { anchor: "end", kind: "run-word" });
  }
}

// ---- lanes in order

class OrderGuesses extends Guesses {
  sentence() {
    if (this.truth === null) return `${this.many}.`;
    const right = this.guesses.filter((guess) => guess.join() === this.truth.join()).length;
    return `${this.many}; ${right} with every lane in its place.`;
  }

  nameOf(lane) { return alphaText(this.ask.alphas[lane - 1]); }

  /** Lanes from the least to the most, as far as anybody knows. */
  get rows() {
    const { ranks } = this.reveal.together, lanes = this.ask.alphas.map((_, k) => k + 1);
    return this.truth ?? (ranks ? lanes.sort((a, b) => ranks[a - 1] - ranks[b - 1]) : lanes);
  }

  parts() {
    const { ask, own, truth } = this, { ranks } = this.reveal.together, exact = this.reveal.truth?.exact ?? [];
    const byRank = ranks ? ranks.map((_, k) => k + 1).sort((a, b) => ranks[a - 1] - ranks[b - 1]) : null;
    const readings = truth !== null && exact.some(Boolean);
    const table = make("table", "guessed-order"), head = make("tr"), body = make("tbody"), top = make("thead");
    const by = READING_WORDS[ask.by], order = truth ? "right order" : ranks ? "the class's order" : "lanes";
    const titles = [order, readings && `exact ${by}`, ranks && "mean rank in the class", own && "yours"];
    table.append(make("caption", "", `From the least ${by} (1) to the most (${ask.alphas.length})`), top, body);
    for (const title of titles.filter(Boolean)) {
      const cell = make("th", "", title);
      cell.scope = "col";
      head.append(cell);
    }
    top.append(head);
    this.rows.forEach((lane, k) => {
      const row = make("tr"), name = make("th", truth ? "exact-word" : "", `${k + 1}. ${this.nameOf(lane)}`);
      const limit = exact[lane - 1];
      name.scope = "row";
      row.append(name);
      if (readings) row.append(make("td", "exact-word", limit ? readingText(ask.by, limit[ask.by]) : "–"));
      if (ranks) row.append(this.ranked(ranks[lane - 1].toFixed(1), truth && byRank.indexOf(lane) === k, "guess-word"));
      if (own) row.append(this.ranked(String(own.indexOf(lane) + 1), truth && own.indexOf(lane) === k, "own-word"));
      body.append(row);
    });
    const parts = [table], first = this.reveal.before?.ranks;
    if (first) {
      const was = this.rows.map((lane) => `${this.nameOf(lane)}: ${first[lane - 1].toFixed(1)}`);
      parts.push(make("p", "guessed-first", `Mean ranks of the first vote: ${was.join(", ")}.`));
    }
    if (this.reveal.truth?.run) parts.push(make("p", "guessed-run", "The order is the run's, at its end."));
    return parts;
  }

  /** A rank, with a tick or a cross where one knows; null: nobody does. */
  ranked(text, right, kind) {
    const cell = make("td", kind, text);
    if (right === null) return cell;
    const [name, sign, words] = right ? ["rank-right", "✓", "right"] : ["rank-wrong", "✗", "wrong"];
    const mark = make("span", name, sign);
    mark.setAttribute("aria-hidden", "true");
    cell.append(" ", mark, make("span", "lab-said", words));
    return cell;
  }
}

const GUESS_KINDS = {
  choose: ChooseGuesses, alpha: AlphaGuesses, place: PlaceGuesses, curve: CurveGuesses, order: OrderGuesses,
};

function showGuesses(element, given) {
  return new GUESS_KINDS[given.ask.kind](element, given);
}
