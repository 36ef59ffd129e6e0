// The Arena's instrument: the reward that every method has, against what it costs or how far it went; a table; a card.
//
// A frame's meta.race is described in session.py; what each lane had spent is in arrays "race ...", lanes first.

const ARENA_NAMES = { kl: "KL to the reference, nats", w2: "W₂² to the reference", evaluations: "evaluations", rewards: "reward calls", seconds: "seconds" };
const FAR_OUT = 1.8; // times as far as those go that come to rest: who goes on leaves the chart, and it is said
const MOST = { kl: 3, w2: 20 }; // where nobody rests
const EVERY_MS = 250; // between two drawings of what changes with every frame

/** A count as people read it. */
function countWord(value) {
  const [size, unit] = [[1e9, " G"], [1e6, " M"], [1e3, " k"]].find(([least]) => value >= least) ?? [1, ""];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}

class Arena {
  constructor(lab) {
    this.lab = lab;
    this.root = lab.find(".arena");
    this.find = (selector) => this.root.querySelector(selector);
    this.cards = JSON.parse(this.root.dataset.cards);
    this.against = this.find("[name=arena-against]:checked").value;
    this.chosenLane = null;
    this.lineup = lab.controls.methods;
    this.help = this.lineup.sentence;
    this.root.addEventListener("change", ({ target }) => {
      if (target.name !== "arena-against") return;
      this.against = target.value;
      this.draw();
    });
    this.root.addEventListener("click", ({ target }) => {
      const { lane } = target.closest("[data-lane]")?.dataset ?? {};
      if (lane === undefined) return;
      this.chosenLane = this.chosenLane === Number(lane) ? null : Number(lane);
      this.tell();
    });
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.draw();
  }

  // ---- what comes in

  painted(meta) {
    this.meta = meta;
    this.race = meta.race ?? null;
    const { arrays } = this.lab.stage;
    this.spent = this.race && arrays["race reward"] ? arrays : null;
    const key = JSON.stringify([this.race?.methods, this.race?.flat, meta.state, meta.round === 0, isDark(this.root)]);
    const now = performance.now();
    if (key === this.key && now - this.drawn < EVERY_MS) return this.drawLater();
    this.key = key;
    this.draw();
  }

  begun() {
    this.chosenLane = null;
    this.race = this.spent = null;
    this.draw();
  }

  chosen(name) { if (name === "methods") this.chosenLane = null; }

  drawLater() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.draw(), EVERY_MS);
  }

  /** Who follows a slope cannot be chosen while there is none. */
  offer() {
    const flat = this.race?.flat ?? false;
    for (const box of this.lineup.boxes) {
      const shut = flat && this.cards[box.value].gradient;
      box.disabled = shut && !box.checked;
      box.closest("label").title = shut ? `${this.cards[box.value].short} follows the reward's slope, and this reward has none` : this.cards[box.value].idea;
      box.closest("label").classList.toggle("shut", shut);
    }
    const said = flat ? `${this.help} This reward is in or out: it has no slope, and shuts out those that follow one.` : this.help;
    if (this.lineup.sentence === said) return;
    this.lineup.sentence = said;
    if (!this.lineup.element.classList.contains("wrong")) this.lineup.help.textContent = said;
  }

  // ---- drawing

  draw() {
    clearTimeout(this.later);
    this.drawn = performance.now();
    if (!this.root.clientWidth) return;
    this.offer();
    this.tellWhen();
    this.drawChart();
    this.drawTable();
    this.tell();
  }

  get colours() { return THEMES[isDark(this.root) ? "dark" : "light"]; }

  tellWhen() {
    const { race, against } = this, line = this.find(".arena-when");
    let text = "Choose from one to four methods.";
    if (race && (against === "kl" || against === "w2")) {
      const { rounds, pending } = race.dial;
      text = "Each dot is a look at a model: every 25 rounds, at first every five, and when it pauses. ";
      text += rounds.length ? `The newest is of round ${rounds.at(-1)}.` : pending ? "The first is being taken." : "";
    } else if (race) text = "Each line goes from the reference to now. Dashed: where the method goes, exactly.";
    if (line.textContent !== text) line.textContent = text;
  }

  /** Of every lane its way: [[x, y], ...]. */
  ways() {
    const { race, spent, against } = this;
    if (!race) return [];
    const start = race.frontiers.kl[0]?.[1] ?? this.reference;
    if (against === "kl" || against === "w2") {
      return race.methods.map((_, k) => {
        const looks = race.dial.lanes[k] ?? { reward: [], [against]: [] };
        const points = looks.reward.map((y, i) => [looks[against][i], y]).filter(([x, y]) => x !== null && y !== null);
        return start === undefined ? points : [[0, start], ...points];
      });
    }
    if (!spent) return race.methods.map(() => []);
    const { data: ys, shape: [, n] } = spent["race reward"], { data: xs } = spent[`race ${against}`];
    return race.methods.map((_, k) => Array.from({ length: n }, (__, i) => [xs[k * n + i], ys[k * n + i]]));
  }

  get reference() { return this.meta?.curves?.[0]?.baseline?.value; }

  drawChart() {
    const box = this.find(".arena-chart"), width = box.clientWidth, { race, against } = this;
    if (!width) return;
    const height = Math.max(250, Math.min(400, 0.62 * width)), left = 48, right = 18, top = 24, below = 42;
    const w = width - left - right, h = height - top - below, ways = this.ways(), { lanes, text: ink } = this.colours;
    const distance = against === "kl" || against === "w2";
    const frontier = distance ? race?.frontiers[against] ?? [] : [];
    const goals = (race?.goals ?? []).map((goal) => goal && [distance ? goal[against] : null, goal.reward]);
    const [x1, y0, y1] = this.spanOf(ways, frontier, goals, distance);
    const px = (x) => left + (Math.min(x, x1) / x1) * w, py = (y) => top + (1 - (y - y0) / (y1 - y0)) * h;
    const parts = [], put = (x, y, word, kind = "", fill = "") =>
      parts.push(`<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" class="${kind}"${fill && ` fill="${fill}"`}>${escaped(word)}</text>`);
    const up = niceTicks(y0, y1, h / 38), along = niceTicks(0, x1, Math.max(2, w / 76));
    for (const y of up.ticks) {
      parts.push(`<line class="grid" x1="${left}" x2="${left + w}" y1="${py(y).toFixed(1)}" y2="${py(y).toFixed(1)}"/>`);
      put(left - 7, py(y) + 4, tickLabel(y, up.step), "left");
    }
    for (const x of along.ticks) put(px(x), top + h + 17, x >= 1000 ? countWord(x) : tickLabel(x, along.step), "middle");
    parts.push(`<line class="axis" x1="${left}" x2="${left + w}" y1="${top + h}" y2="${top + h}"/>`);
    put(4, 14, "mean reward", "title");
    put(left + w / 2, height - 5, ARENA_NAMES[against], "middle title");
    const path = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${px(x).toFixed(1)},${py(y).toFixed(1)}`).join("");
    if (frontier.length > 1) {
      const best = this.upTo(frontier, x1), [fx, fy] = best.at(-1);
      parts.push(`<path class="frontier" d="${path(best)}"/>`);
      put(Math.min(px(fx), left + w - 4), Math.max(py(fy) - 9, top + 10), `the most for its ${against === "kl" ? "KL" : "W₂²"}`, "end exact");
    }
    if (!distance) {
      goals.forEach((goal, k) => goal && parts.push(`<path class="goal" stroke="${lanes[k]}" d="M${left},${py(goal[1]).toFixed(1)}H${left + w}"/>`));
    }
    const gone = [];
    ways.forEach((points, k) => {
      const seen = this.upTo(points, x1), leaves = seen.length > 0 && seen.at(-1) !== points[seen.length - 1];
      if (seen.length > 1) parts.push(`<path class="way" stroke="${lanes[k]}" d="${path(seen)}"/>`);
      if (distance) for (const [x, y] of seen.slice(1, -1)) parts.push(`<circle class="look" fill="${lanes[k]}" cx="${px(x).toFixed(1)}" cy="${py(y).toFixed(1)}" r="2.6"/>`);
      if (seen.length < 2) return;
      const [x, y] = seen.at(-1);
      if (leaves) gone.push([k, py(y)]);
      else parts.push(`<g transform="translate(${px(x).toFixed(1)} ${py(y).toFixed(1)}) scale(1.25)">${markSvg(k, lanes[k]).replace("<svg ", '<svg x="-6" y="-6" ')}</g>`);
    });
    let lowest = -Infinity; // names of those that have left stand at the edge, one below the other
    for (const [k, y] of gone.toSorted((a, b) => a[1] - b[1])) {
      lowest = Math.max(y - 8, lowest + 15, top + 24);
      put(left + w, lowest, `${this.nameOf(k)} goes on →`, "end", ink);
    }
    if (distance) {
      goals.forEach((goal, k) => goal && goal[0] <= x1 && parts.push(`<circle class="ring" stroke="${lanes[k]}" cx="${px(goal[0]).toFixed(1)}" cy="${py(goal[1]).toFixed(1)}" r="${7 + 2.5 * this.same(goals, k)}"/>`));
    }
    if (!race) put(left + w / 2, top + h / 2, "nobody races", "middle");
    box.innerHTML = `<svg role="img" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" aria-label="${escaped(this.inWords(ways, goals))}">${parts.join("")}</svg>`;
  }

  /** A way as far as x1: the last point then lies at the edge, on the line to the first one beyond. */
  upTo(points, x1) {
    const k = points.findIndex(([x]) => x > 1.0001 * x1);
    if (k < 1) return k < 0 ? points : [];
    const [[xa, ya], [xb, yb]] = [points[k - 1], points[k]], share = (x1 - xa) / (xb - xa);
    return [...points.slice(0, k), [x1, ya + share * (yb - ya)]];
  }

  /** How many lanes before lane k have the same goal: their rings lie around one another. */
  same(goals, k) {
    return goals.slice(0, k).filter((goal) => goal && Math.hypot(goal[0] - goals[k][0], goal[1] - goals[k][1]) < 1e-6).length;
  }

  /** The ends of the axes: of x, and of y from and to. Who goes on for ever does not decide how far x goes. */
  spanOf(ways, frontier, goals, distance) {
    const far = ways.map((points) => Math.max(0, ...points.map(([x]) => x))), there = goals.filter(Boolean);
    const resting = Math.max(0, ...there.map(([x]) => x ?? 0), ...far.filter((_, k) => goals[k]));
    const most = !distance ? Infinity : there.length ? FAR_OUT * resting : MOST[this.against];
    const x1 = Math.min(1.06 * Math.max(...far, resting, 1e-9), most) || 1;
    const seen = [...ways.flatMap((points) => this.upTo(points, x1)), ...frontier.filter(([x]) => x <= x1), ...there];
    const ys = seen.map(([, y]) => y);
    const low = Math.min(0, ...ys), high = Math.max(low + 0.4, ...ys);
    return [x1, low - 0.02 * (high - low), high + 0.06 * (high - low)];
  }

  nameOf(k) { return this.cards[this.race.methods[k]].short; }

  inWords(ways, goals) {
    const told = ways.map((points, k) => {
      const last = points.at(-1), goal = goals[k];
      return `${this.nameOf(k)}: ${last ? `mean reward ${last[1].toFixed(2)} at ${countWord(last[0])}` : "nothing yet"}${goal ? `, exact ${goal[1].toFixed(2)}` : ""}`;
    });
    return `Mean reward against ${ARENA_NAMES[this.against]}. ${told.join("; ")}`;
  }

  // ---- the table

  drawTable() {
    const { race, meta } = this, head = this.find("thead tr"), names = race?.methods ?? [], { lanes } = this.colours;
    this.find(".arena-table").hidden = !race;
    const key = JSON.stringify([names, lanes]);
    if (key !== head.dataset.key) {
      head.dataset.key = key;
      head.innerHTML = `<td></td>${names.map((name, k) =>
        `<th scope="col"><button type="button" data-lane="${k}" aria-pressed="false" title="What it is">${markSvg(k, lanes[k])}<span>${escaped(this.cards[name].short)}</span></button></th>`).join("")}`;
      for (const row of this.root.querySelectorAll("tbody tr")) {
        while (row.children.length > 1) row.lastChild.remove();
        names.forEach(() => row.insertCell());
      }
    }
    for (const row of this.root.querySelectorAll("tbody tr")) {
      names.forEach((name, k) => {
        const cell = row.cells[k + 1], text = this.cell(row.dataset.row, name, k, meta.lanes[k]);
        if (cell.textContent !== text) cell.textContent = text;
      });
    }
  }

  cell(what, name, k, lane) {
    const { race } = this, looks = race.dial.lanes[k], goal = race.goals[k], last = (key) => looks?.[key].at(-1) ?? null;
    const number = (value, digits = 2) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));
    if (what === "needs") return this.cards[name].needs.join(", ");
    if (what === "reward") return lane.numbers.find(({ key }) => key === "reward")?.value ?? "–";
    if (what === "exact") return goal ? number(goal.reward) : this.cards[name].settles ? "not known" : "goes on";
    if (what === "look") return looks ? `${race.dial.rounds.at(-1)}${race.dial.pending ? " …" : ""}` : race.dial.pending ? "…" : "–";
    if (what === "strength" || what === "kl" || what === "w2") return number(last(what));
    if (what === "r2") return number(last("r2"));
    const spent = this.spent?.[what === "slopes" ? "race rewards" : `race ${what}`];
    if (!spent || !lane.round) return "–";
    const n = spent.shape[1], rounds = this.roundsRead;
    if (!rounds) return "–";
    const each = spent.data[(k + 1) * n - 1] / rounds;
    if (what === "slopes") return this.cards[name].gradient ? countWord(Math.round(each)) : "0";
    return what === "seconds" ? number(1000 * each, 1) : countWord(Math.round(each));
  }

  /** The round that the curves go up to. */
  get roundsRead() { return this.lab.stage.arrays.rounds?.data.at(-1) ?? 0; }

  tell() {
    const { race, chosenLane } = this, box = this.find(".arena-card"), name = race?.methods[chosenLane];
    box.hidden = name === undefined;
    for (const button of this.root.querySelectorAll("[data-lane]")) {
      const on = Number(button.dataset.lane) === chosenLane;
      if (button.getAttribute("aria-pressed") !== String(on)) button.setAttribute("aria-pressed", String(on));
    }
    if (name === undefined || box.dataset.name === name) return;
    box.dataset.name = name;
    const { title, idea, dial, goes_to: goesTo, source } = this.cards[name];
    box.querySelector("h3").textContent = title;
    box.querySelector("p").textContent = idea;
    box.querySelector("dl").innerHTML = Object.entries({ Strength: dial, "Goes to": goesTo, Source: source })
      .map(([term, text]) => `<dt>${term}</dt><dd>${escaped(text)}</dd>`).join("");
  }
}

INSTRUMENTS.push((lab) => new Arena(lab));
