// Somebody's table: its text becomes points, as `parse` of show/lab/points.py has it, and points a sketch.

import { fixed } from "../stage/numerals.js";
import { BLANK_LETTER, generalText, quotedText, stripped, UNSEEN } from "./plainly.js";
import { MOST_CENTRES, WIDEST, writePoints } from "./points.js";

const MOST_TABLE = 20000000; // bytes of a table
const MOST_ROWS = 20000; // that are read of a long table
const HALF_SQUARE = 4; // half the side of the square into which points are brought
const LONGEST_LINE = 10000; // characters
const LINES_TRIED = 200; // lines, to see how a table is made
const HUGE = 1e150; // whose square is still a number
const MOST_TRIED = 1000; // points, on which the bandwidth is chosen
const THINNEST = 0.15; // a bandwidth
const WIDE = 1; // the widest
const BANDWIDTHS = 18;
const GATHERINGS = 20; // rounds of k-means
const MISSING = ["", "na", "n/a", "nan", "null", "none", "-", "--", "?", ".", "#n/a"];
const INFINITE = ["inf", "infinity", "∞"];
const NUMBERING = ["", "id", "index", "row", "no", "no.", "nr", "nr.", "#"]; // titles
const STYLES = [["\t", "."], ["\t", ","], [";", "."], [";", ","], [",", "."], [" ", "."], [" ", ","]]; // between columns, before decimals
const DELIMITERS = { "\t": "tabs", ";": "semicolons", ",": "commas", " ": "blanks" };
const NUMBERS = new Map(STYLES.map((style) => [style, numberIn(style)]));

function numberIn([delimiter, decimal]) {
  const point = `\\${decimal}`, comma = decimal === "," ? "\\." : "\\,", grouped = `[0-9]{1,3}(?:${comma}[0-9]{3})`;
  const thousands = [`${grouped}+${point}[0-9]*`, `${grouped}{${delimiter === "," ? 1 : 2},}`];
  return new RegExp(`^[+-]?(?:${[`[0-9]+${point}?[0-9]*`, `${point}[0-9]+`, ...thousands].join("|")})(?:[eE][+-]?[0-9]{1,4})?$`);
}

const BETWEEN_CELLS = new RegExp(`${BLANK_LETTER.source}+`);
const counted = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
const isFilled = (cell) => !MISSING.includes(stripped(cell).toLowerCase());

/** {value, report}: a table's text as the value of a target, and what was done, in sentences; or an Error with one. */
export function pointsOf(text) {
  const table = tableOf(text), columns = columnsOf(table), { data, lost } = numbersOf(table, columns);
  const report = [`Read ${counted(data.length, "point")} from ${fromWhere(table, columns)}.`, ...table.said];
  for (const [why, count] of Object.entries(lost)) if (count) report.push(`${counted(count, "row")} ${why} left out.`);
  const moved = broughtIn(data, columns, table, report);
  return { value: writePoints(sketchOf(moved)), report };
}

function tableOf(text) {
  if (text.length > MOST_TABLE) throw new Error(`the file has ${(text.length / 1e6).toFixed(0)} MB; allowed: at most ${MOST_TABLE / 1e6} MB`);
  if (text.includes("\0")) throw new Error("this is no text: it holds bytes that no table has; allowed: a CSV file");
  const lines = text.replace(/^\ufeff/, "").replaceAll("−", "-").split(/\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/);
  if (!lines.some(stripped)) throw new Error("the table is empty; allowed: lines with two numbers each");
  let numbered = lines.map((line, k) => [k + 1, line]).filter(([, line]) => stripped(line) && !stripped(line).startsWith("#"));
  const long = numbered.find(([, line]) => line.length > LONGEST_LINE);
  if (long) {
    const [length, most] = [long[1].length, LONGEST_LINE].map((count) => count.toLocaleString("en"));
    throw new Error(`line ${long[0]} has ${length} characters; allowed: at most ${most}`);
  }
  if (!numbered.length) throw new Error("the table has no lines but comments; allowed: lines with two numbers each");
  const first = numbered.slice(0, LINES_TRIED).map(([, line]) => line), style = bestStyle(first), said = [];
  const head = cellsOf(first[0], style), titled = numbered.length > 1 && !head.some((cell) => isNumber(cell, style)) && head.some(isFilled);
  if (titled) numbered = numbered.slice(1);
  if (numbered.length > MOST_ROWS) {
    const all = numbered.length, every = all / MOST_ROWS;
    numbered = Array.from({ length: MOST_ROWS }, (_, k) => numbered[Math.floor((k + 0.5) * every)]);
    said.push(`The table has ${all.toLocaleString("en")} rows; ${MOST_ROWS.toLocaleString("en")} were taken, evenly.`);
  }
  const rows = numbered.map(([, line]) => cellsOf(line, style)), several = rows.some((row) => row.length > 1);
  if (style[1] === "," || (several && style[0] !== ",")) {
    const between = several ? [`${DELIMITERS[style[0]]} between columns`] : [];
    said.push(`Taken: ${[...between, `a decimal ${style[1] === "," ? "comma" : "point"}`].join(" and ")}.`);
  }
  return { rows, lines: numbered.map(([line]) => line), style, header: titled ? head.map(stripped) : null, said };
}

/** The style that gives two columns of numbers, and most of the cells: the first of the best. */
function bestStyle(lines) {
  const scores = STYLES.map((style) => {
    const rows = (lines.length > 1 ? lines.slice(1) : lines).map((line) => cellsOf(line, style).map((cell) => valueOf(cell, style)));
    const known = rows.map((row) => row.filter((value) => value !== null));
    const two = known.filter((row) => row.length >= 2 && !row.every(Number.isNaN)).length >= 0.5 * rows.length;
    const cells = (of) => of.reduce((sum, row) => sum + row.length, 0);
    return 2 * two + Number(fixed(cells(known) / Math.max(cells(rows), 1), 2));
  });
  return STYLES[scores.indexOf(Math.max(...scores))];
}

/** The cells of a line, one line at a time: a quote that is never closed must not swallow the rest. */
function cellsOf(line, [delimiter]) {
  if (delimiter === " ") return stripped(line).split(BETWEEN_CELLS).map((cell) => cell.replace(/^"+|"+$/g, ""));
  const cells = [];
  for (let at = 0; at <= line.length;) {
    while (line[at] === " ") at++;
    let cell = "", quoted = line[at] === '"';
    if (quoted) at++;
    for (; at < line.length && (quoted || line[at] !== delimiter); at++) {
      if (!quoted || line[at] !== '"') cell += line[at];
      else if (line[at + 1] === '"') cell += line[++at];
      else quoted = false;
    }
    cells.push(cell);
    at++;
  }
  return cells;
}

const isNumber = (cell, style) => NUMBERS.get(style).test(stripped(cell));

/** The number in a cell: NaN if it is missing, infinite if it is too large to compute with, null for text. */
function valueOf(cell, style) {
  const plain = stripped(cell), word = plain.toLowerCase();
  if (isNumber(plain, style)) {
    const value = Number(style[1] === "." ? plain.replaceAll(",", "") : plain.replaceAll(".", "").replace(",", "."));
    return Math.abs(value) < HUGE ? value : Infinity;
  }
  return MISSING.includes(word) ? NaN : INFINITE.includes(word.replace(/^[+-]+/, "")) ? Infinity : null;
}

const someOf = (rows) => rows.filter((_, k) => k % Math.max(1, Math.floor(rows.length / LINES_TRIED)) === 0);

/** Which columns to take, one or two: the first that hold numbers in at least half of their filled cells. */
function columnsOf(table) {
  const filled = [], numeric = [], width = table.rows.reduce((most, row) => Math.max(most, row.length), 0);
  for (const row of someOf(table.rows)) {
    row.forEach((cell, k) => {
      filled[k] = (filled[k] ?? 0) + isFilled(cell);
      numeric[k] = (numeric[k] ?? 0) + (isFilled(cell) && valueOf(cell, table.style) !== null);
    });
  }
  let found = Array.from({ length: width }, (_, k) => k).filter((k) => filled[k] && 2 * numeric[k] >= filled[k]);
  if (!found.length) {
    const cell = table.rows.flat().find(isFilled) ?? "";
    throw new Error(`no column holds numbers (I found ${shownCell(cell)}); allowed: numbers such as 1.5 or 1,5`);
  }
  if (found.length > 2 && countsRows(table, found[0])) {
    table.said.push(`Column ${titleOf(table, found[0])} only numbers the rows and was passed over.`);
    found = found.slice(1);
  }
  const more = found.length - 2;
  const further = `${more === 1 ? "is" : "are"} ${counted(more, "further column")}`;
  if (more > 0) table.said.push(`Only the first two columns of numbers are used; there ${further}.`);
  return found.slice(0, 2);
}

function countsRows({ rows, header, style }, k) {
  const values = someOf(rows).map((row) => (k < row.length ? valueOf(row[k], style) : null)), known = values.filter((value) => value !== null);
  const rising = known.every((b, i) => i === 0 || !Number.isFinite(known[i - 1] + b) || (b > known[i - 1] && Number.isInteger(b)));
  const title = header === null ? "x" : (header[k] ?? "").toLowerCase();
  return rising && NUMBERING.includes(title) && known.length === values.length && known.length > 2;
}

/** The finite rows of the chosen columns, and how many were left out, and why. */
function numbersOf(table, columns) {
  const data = [], lost = { "with missing numbers": 0, "with infinite numbers": 0 };
  table.rows.forEach((row, i) => {
    const values = columns.map((k) => (k < row.length ? valueOf(row[k], table.style) : NaN)), text = values.indexOf(null);
    if (text >= 0) {
      const where = `line ${table.lines[i]}: ${shownCell(row[columns[text]])} in column ${titleOf(table, columns[text])}`;
      const number = table.style[1] === "." ? "1.5" : "1,5";
      throw new Error(`${where} is not a number; allowed: numbers such as ${number}, or nothing where one is missing`);
    }
    if (values.some(Number.isNaN)) lost["with missing numbers"]++;
    else if (values.includes(Infinity)) lost["with infinite numbers"]++;
    else data.push(values);
  });
  if (!data.length) throw new Error("no row has all its numbers; allowed: at least two points");
  return { data, lost };
}

/** The points (x, y) moved and scaled by one factor, so that the larger of their spans fills the square. */
function broughtIn(data, columns, table, report) {
  const axes = columns.map((_, a) => data.map((row) => row[a])), extreme = (of) => axes.map((axis) => axis.reduce((x, y) => of(x, y)));
  const low = extreme(Math.min), high = extreme(Math.max), spans = high.map((value, a) => value - low[a]), span = Math.max(...spans);
  const middle = low.map((value, a) => value / 2 + high[a] / 2), largest = Math.max(...low.map(Math.abs), ...high.map(Math.abs));
  if (!(span > 1e-12 * largest) || span < 1 / HUGE) {
    const many = data.length === 1 ? "there is only one point" : `all ${data.length.toLocaleString("en")} points are the same`;
    throw new Error(`${many}; allowed: at least two that differ`);
  }
  spans.forEach((one, a) => {
    if (one === 0) report.push(`Column ${titleOf(table, columns[a])} is the same everywhere: the points lie on a line.`);
  });
  const scale = (2 * HALF_SQUARE) / span, inside = (value) => Math.min(HALF_SQUARE, Math.max(-HALF_SQUARE, value));
  const moved = data.map((row) => [0, 1].map((a) => (a < row.length ? inside((row[a] - middle[a]) * scale) : 0)));
  if (columns.length === 1) report.push("There is one column of numbers: they lie along x, and y is 0.");
  report.push(`Moved by (${middle.map((one) => generalText(-one, 4)).join(", ")}) and multiplied by ${generalText(scale, 4)}, so that they fit.`);
  const centre = columns.map((_, a) => quantile(moved.map((place) => place[a]), 0.5));
  const away = moved.map((place) => Math.max(...columns.map((_, a) => Math.abs(place[a] - centre[a]))));
  if (quantile(away, 0.98) < HALF_SQUARE / 5) report.push("A few points far away make all others small; leave them out to see more.");
  return moved;
}

/** As numpy has it: linear between the values. */
function quantile(values, share) {
  const ordered = Float64Array.from(values).sort(), at = share * (ordered.length - 1), k = Math.floor(at);
  return ordered[k] + (at - k) * ((ordered[k + 1] ?? ordered[k]) - ordered[k]);
}

function fromWhere(table, columns) {
  const several = columns.length > 1 ? "s" : "";
  if (table.header === null) return `column${several} ${columns.map((k) => k + 1).join(" and ")}, without a header`;
  return `column${several} ${columns.map((k) => titleOf(table, k)).join(" and ")}`;
}

const titleOf = ({ header }, k) => (header?.[k] ? shownCell(header[k]) : String(k + 1));

function shownCell(cell) {
  const letters = [...stripped(cell)].map((letter) => (UNSEEN.test(letter) ? "?" : letter));
  return quotedText(letters.length <= 40 ? letters.join("") : `${letters.slice(0, 39).join("")}…`);
}

/** The kernel density of points (x, y), as few Gaussians: {width, centres, weights}, whole numbers as a text holds them. */
function sketchOf(data) {
  const n = data.length, place = (k) => data[Math.floor(((k + 0.5) * n) / MOST_TRIED)];
  const some = n <= MOST_TRIED ? data : Array.from({ length: MOST_TRIED }, (_, k) => place(k));
  let variance = (bandwidthOf(some) * (some.length / n) ** (1 / 6)) ** 2, piles = piledUp(data);
  if (piles.length > MOST_CENTRES) {
    const gathered = gatheredAround(data);
    piles = gathered.piles;
    variance += gathered.within;
  }
  const std = Math.min(Math.max(Math.sqrt(variance), THINNEST), WIDEST), most = Math.max(...piles.map(({ count }) => count));
  const placed = (x) => roundHalf(((x / WIDEST + 1) / 2) * 65535), heaviness = (count) => Math.max(1, roundHalf((count / most) * 65535));
  const whole = piles.map(({ place, count }) => [...place.map(placed), heaviness(count)]);
  whole.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  const width = Math.max(1, roundHalf((std / WIDEST) * 65535));
  return { width, centres: whole.flatMap(([x, y]) => [x, y]), weights: whole.map(([, , weight]) => weight) };
}

const roundHalf = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x)); // to even, as numpy does

/** What lies in the same place, once, with how often. */
function piledUp(data) {
  const piles = new Map();
  for (const place of [...data].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const key = `${place[0] + 0} ${place[1] + 0}`, pile = piles.get(key);
    if (pile) pile.count++;
    else piles.set(key, { place, count: 1 });
  }
  return [...piles.values()];
}

/** The std of kernels under which each of the points is most likely, made from all others. */
function bandwidthOf(x) {
  if (x.length < 2) return THINNEST;
  const n = x.length, dim = Math.max(1, [0, 1].filter((a) => x.some((place) => place[a] !== x[0][a])).length);
  const tried = Array.from({ length: BANDWIDTHS }, (_, k) => THINNEST * (WIDE / THINNEST) ** (k / (BANDWIDTHS - 1)));
  const likely = tried.map((h) => {
    let sum = 0;
    for (let i = 0; i < n; i++) {
      let near = 0;
      for (let j = 0; j < n; j++) if (j !== i) near += Math.exp(-((x[i][0] - x[j][0]) ** 2 + (x[i][1] - x[j][1]) ** 2) / (2 * h * h));
      sum += Math.log(near / n + 1e-300);
    }
    return sum / n - dim * Math.log(h);
  });
  return tried[likely.indexOf(Math.max(...likely))];
}

/** Lloyd's k-means from evenly chosen points: how many points each centre stands for, and their variance around them. */
function gatheredAround(data) {
  const ordered = [...data].sort((a, b) => a[0] - b[0] || a[1] - b[1]), n = data.length;
  let centres = Array.from({ length: MOST_CENTRES }, (_, k) => ordered[Math.floor(((k + 0.5) * n) / MOST_CENTRES)]), sums, inertia;
  for (let round = 0; round <= GATHERINGS; round++) {
    sums = centres.map(() => [0, 0, 0]);
    inertia = 0;
    for (const [x, y] of data) {
      let best = 0, least = Infinity;
      for (let k = 0; k < centres.length; k++) {
        const away = (x - centres[k][0]) ** 2 + (y - centres[k][1]) ** 2;
        if (away < least) [best, least] = [k, away];
      }
      const sum = sums[best];
      sum[0] += x; sum[1] += y; sum[2]++;
      inertia += least;
    }
    if (round < GATHERINGS) centres = centres.map((centre, k) => (sums[k][2] ? [sums[k][0] / sums[k][2], sums[k][1] / sums[k][2]] : centre));
  }
  const piles = centres.map((place, k) => ({ place, count: sums[k][2] })).filter(({ count }) => count > 0);
  return { piles, within: inertia / n / 2 };
}
