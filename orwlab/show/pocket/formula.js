// Rewards typed as a formula of x and y: show/lab/formula.py in the browser, with its grammar and its sentences.

import { BLANK_LETTER, generalText, quotedText } from "./plainly.js";

const LONGEST_FORMULA = 200; // characters
const DEEPEST = 30; // things within each other
const CHECKED = 6; // half the side of the square on which a formula must have values
const FINENESS = 40; // places a unit at which it is looked at
const LARGEST_REWARD = 1e6;
const GROWS = 0.1; // from one distance to ten times that, what has no ceiling

const signOf = (u) => Math.sign(u) || 0; // as torch has it: 0 where there is no value
const stepUp = (u) => (u >= 0 ? 1 : 0);
/** As C has it: JavaScript has no value where 1 is raised to what has none, or to infinity. */
const raised = (u, v) => (u === 1 || (u === -1 && Math.abs(v) === Infinity) ? 1 : u ** v);
const FORMULA_FUNCTIONS = {
  exp: Math.exp, log: Math.log, sqrt: Math.sqrt, abs: Math.abs, sin: Math.sin, cos: Math.cos, tan: Math.tan, tanh: Math.tanh,
  min: Math.min, max: Math.max, sign: signOf, step: stepUp,
};
const SEVERAL = ["min", "max"];
const FORMULA_CONSTANTS = { pi: Math.PI, e: Math.E };
const FORMULA_VARIABLES = { x: (x) => x, y: (x, y) => y, r: (x, y) => Math.sqrt(x * x + y * y), angle: (x, y) => Math.atan2(y, x) };
const OPERATIONS = { "+": (u, v) => u + v, "-": (u, v) => u - v, "*": (u, v) => u * v, "/": (u, v) => u / v, "^": raised };
const ALLOWED_HERE = `x, y, r, angle, pi, e, numbers, + - * / ^ ( ) and ${Object.keys(FORMULA_FUNCTIONS).join(", ")}`;
const SPELLINGS = { "**": "^", "−": "-", "–": "-", "·": "*", "×": "*", "÷": "/", "π": "pi" };
const TOKEN = /((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)|([A-Za-z_][A-Za-z_0-9]*|π)|(\*\*|[-+*/^(),−–·×÷])/uy;

const wrong = (why) => new Error(`formula: ${why}`);

/** {kind, text, at}: what is written, one after the other, with the number of its character. */
function tokensOf(text) {
  const found = [], letters = [...text];
  let at = 0;
  for (let k = 0; k < letters.length;) {
    if (BLANK_LETTER.test(letters[k])) {
      at += letters[k++].length;
      continue;
    }
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (!match) throw wrong(`I do not know ${quotedText(letters[k])} at character ${k + 1}; allowed: ${ALLOWED_HERE}`);
    const [what, number, name] = match, kind = number !== undefined ? "number" : name !== undefined ? "name" : "sign";
    found.push({ kind, text: Object.hasOwn(SPELLINGS, what) ? SPELLINGS[what] : what, at: k + 1 });
    at += what.length;
    k += what.length; // all of them are single characters
  }
  return [...found, { kind: "end", text: "", at: letters.length + 1 }];
}

/** Reads tokens from left to right and writes down steps: [what to do, with so many of the stack's last fields]. */
class FormulaParser {
  constructor(text) {
    Object.assign(this, { tokens: tokensOf(text), position: 0, depth: 0, steps: [] });
    if (this.now.kind === "end") throw wrong("nothing is written; allowed: for example exp(-x^2) * sin(3*y)");
    this.sum();
    if (this.now.kind !== "end") throw this.surprised();
  }

  get now() { return this.tokens[this.position]; }

  /** The next token's text, and on to the one after it, if it is one of `signs`. */
  take(...signs) {
    const { kind, text } = this.now;
    if (kind !== "sign" || !signs.includes(text)) return null;
    this.position++;
    return text;
  }

  /** What is wrong where something else should stand. */
  surprised() {
    const token = this.now, before = this.tokens[Math.max(this.position - 1, 0)], isValue = ({ kind }) => kind === "number" || kind === "name";
    if (token.kind === "end") return wrong(`it ends too early, after character ${token.at - 1}; a number, x, y or a ) is missing`);
    if (this.position && (isValue(before) || before.text === ")") && (isValue(token) || token.text === "(")) {
      return wrong(`between ${quotedText(before.text)} and ${quotedText(token.text)} at character ${token.at} a * is missing`);
    }
    if (token.text === ",") return wrong(`the comma at character ${token.at} does not fit there; allowed: 1.5 with a point, min(x, y)`);
    return wrong(`${quotedText(token.text)} at character ${token.at} does not fit there; allowed: ${ALLOWED_HERE}`);
  }

  sum() { this.row(() => this.product(), "+", "-"); }

  product() { this.row(() => this.signed(), "*", "/"); }

  row(part, ...signs) {
    part();
    for (let sign = this.take(...signs); sign; sign = this.take(...signs)) {
      part();
      this.steps.push([OPERATIONS[sign], 2]);
    }
  }

  signed() {
    this.depth++; // everything that stands within something else passes here
    if (this.depth > DEEPEST) throw wrong(`more than ${DEEPEST} things stand within each other at character ${this.now.at}`);
    const sign = this.take("+", "-");
    if (sign) {
      this.signed();
      if (sign === "-") this.steps.push([(u) => -u, 1]);
    } else {
      this.power();
    }
    this.depth--;
  }

  power() {
    this.atom();
    if (!this.take("^")) return;
    this.signed();
    this.steps.push([raised, 2]);
  }

  atom() {
    const token = this.now, { text } = token;
    if (this.take("(")) {
      this.sum();
      this.close();
      return;
    }
    if (token.kind !== "number" && token.kind !== "name") throw this.surprised();
    this.position++;
    if (token.kind === "number") this.constant(Number(text));
    else if (Object.hasOwn(FORMULA_CONSTANTS, text)) this.constant(FORMULA_CONSTANTS[text]);
    else if (Object.hasOwn(FORMULA_VARIABLES, text)) this.steps.push([FORMULA_VARIABLES[text], 0]);
    else if (Object.hasOwn(FORMULA_FUNCTIONS, text)) this.called(token);
    else throw wrong(`I do not know ${quotedText(text)} at character ${token.at}; allowed: ${ALLOWED_HERE}`);
  }

  constant(value) { this.steps.push([() => value, 0]); }

  called({ text, at }) {
    if (!this.take("(")) throw wrong(`after '${text}' at character ${at} a ( is missing, as in ${text}(x)`);
    this.sum();
    let given = 1;
    while (this.take(",")) {
      this.sum();
      given++;
    }
    this.close();
    if (given > 1 !== SEVERAL.includes(text)) {
      const wanted = SEVERAL.includes(text) ? "two numbers or more" : "one number";
      throw wrong(`'${text}' at character ${at} takes ${wanted}, not ${given}`);
    }
    for (let k = 2; k < given; k++) this.steps.push([FORMULA_FUNCTIONS[text], 2]);
    this.steps.push([FORMULA_FUNCTIONS[text], Math.min(given, 2)]);
  }

  close() {
    if (this.take(")")) return;
    if (this.now.kind === "end") throw wrong(`a ) is missing at the end, character ${this.now.at}`);
    throw this.surprised();
  }
}

/** Whatever comes out at points, in the kind of numbers in which they are: 32 or 64 bits, as torch computes. */
function valuesOf(steps, points) {
  const stack = [], n = points.length / 2;
  for (const [act, count] of steps) {
    const out = new points.constructor(n), v = count === 2 ? stack.pop() : null, u = count > 0 ? stack.pop() : null;
    if (count === 0) for (let k = 0; k < n; k++) out[k] = act(points[2 * k], points[2 * k + 1]);
    else if (count === 1) for (let k = 0; k < n; k++) out[k] = act(u[k]);
    else for (let k = 0; k < n; k++) out[k] = act(u[k], v[k]);
    stack.push(out);
  }
  return stack[0];
}

const isGood = (value) => Math.abs(value) <= LARGEST_REWARD; // false for NaN
const onSquare = (value) => Math.min(CHECKED, Math.max(-CHECKED, value));

/** The values at points, if all are good. */
function lookedAt(steps, points) {
  const found = valuesOf(steps, points), k = found.findIndex((value) => !isGood(value));
  if (k < 0) return found;
  const value = found[k], place = `x = ${generalText(points[2 * k])}, y = ${generalText(points[2 * k + 1])}`;
  const is = Number.isNaN(value) ? "has no value" : Number.isFinite(value) ? `is ${generalText(value, 3)}` : "is infinite";
  const limit = LARGEST_REWARD.toLocaleString("en");
  throw wrong(`at ${place} it ${is}; allowed: values from -${limit} to ${limit} wherever x and y lie between -${CHECKED} and ${CHECKED}`);
}


/** Row by row over the square, and closer where it is highest: at a pole between the places it grows and grows. */
function lookEverywhere(steps) {
  const n = CHECKED * FINENESS, side = 2 * n + 1, points = new Float64Array(2 * 16 * side), tops = [];
  for (let first = 0; first < side; first += 16) {
    const rows = Math.min(16, side - first), some = points.subarray(0, 2 * rows * side);
    for (let k = 0; k < rows * side; k++) some.set([(first + Math.floor(k / side) - n) / FINENESS, ((k % side) - n) / FINENESS], 2 * k);
    lookedAt(steps, Float32Array.from(some)); // a network's samples come in it, and it overflows much sooner
    const heights = lookedAt(steps, some).map(Math.abs);
    tops.push(...highestFew(heights, 4).map((k) => ({ height: heights[k], at: [some[2 * k], some[2 * k + 1]] })));
  }
  const order = highestFew(tops.map(({ height }) => height), 16);
  climbTo(steps, order.map((k) => tops[k].at));
}

/** The places of the few largest values. */
function highestFew(values, count) {
  const best = [];
  for (let k = 0; k < values.length; k++) {
    if (best.length === count && values[k] <= values[best[count - 1]]) continue;
    let at = best.length;
    while (at > 0 && values[best[at - 1]] < values[k]) at--;
    best.splice(at, 0, k);
    if (best.length > count) best.pop();
  }
  return best;
}

function climbTo(steps, places) {
  for (let apart = 1 / FINENESS; apart > 1e-8; apart /= 2) {
    const points = new Float64Array(50 * places.length);
    places.forEach(([x, y], m) => {
      for (let k = 0; k < 25; k++) {
        const dx = apart * (Math.floor(k / 5) / 2 - 1), dy = apart * ((k % 5) / 2 - 1);
        points.set([onSquare(x + dx), onSquare(y + dy)], 50 * m + 2 * k);
      }
    });
    const heights = lookedAt(steps, points).map(Math.abs);
    places = places.map((_, m) => {
      const [k] = highestFew(heights.subarray(25 * m, 25 * m + 25), 1);
      return [...points.subarray(50 * m + 2 * k, 50 * m + 2 * k + 2)];
    });
  }
}

/**
 * The reward that a formula says: (points) -> values, with `unbounded`, whether it has no ceiling.
 *
 * An Error says what is wrong with it, and where. Out of the square, where it has no value, that at the square's
 * nearest point counts.
 */
export function formulaReward(text) {
  const count = [...text].length;
  if (count > LONGEST_FORMULA) throw wrong(`it has ${count.toLocaleString("en")} characters; allowed: at most ${LONGEST_FORMULA}`);
  const { steps } = new FormulaParser(text);
  lookEverywhere(steps);
  const reward = (points) => {
    const found = valuesOf(steps, points);
    if (found.every(isGood)) return found;
    const nearer = points.map((value, k) => (isGood(found[k >> 1]) ? value : onSquare(value)));
    const bounded = (value) => Math.min(LARGEST_REWARD, Math.max(-LARGEST_REWARD, value));
    return valuesOf(steps, nearer).map((value) => (Number.isNaN(value) ? 0 : bounded(value)));
  };
  return Object.defineProperty(reward, "unbounded", { get: () => growsOn(steps) });
}

/** Whether far out, ten times as far, its highest values keep growing. */
function growsOn(steps) {
  const [near, far, farther] = [10, 100, 1000].map((radius) => {
    const ring = Float64Array.from({ length: 1440 }, (_, k) => radius * (k % 2 ? Math.sin : Math.cos)(((k >> 1) * Math.PI) / 360));
    return valuesOf(steps, ring).reduce((top, value) => Math.max(top, Number.isNaN(value) ? -Infinity : value), -Infinity);
  });
  return farther - far > Math.max(GROWS, (far - near) / 2) || farther === Infinity;
}
