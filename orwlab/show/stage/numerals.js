// Numbers as people read them: round ticks, their labels, and values read off a curve.

const EXPONENT_FROM = 1e5; // labels of numbers this large are powers of ten
const EXPONENT_BELOW = 1e-3; // and so are labels of steps below this

export const superscript = (n) => String(n).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);

/** A number's text with a proper minus sign, and none before zero. */
export const minus = (text) => text.replace(/^-(?=[0.]*$)/, "").replace("-", "−");

/** A number as mantissa times a power of ten; a mantissa of one is left out. */
export function powerOfTen(value, digits = 1) {
  const [mantissa, exponent] = value.toExponential(digits).split("e");
  const rounded = String(Number(mantissa));
  const power = `10${superscript(Number(exponent))}`;
  if (rounded === "1") return power;
  return rounded === "-1" ? `−${power}` : `${minus(rounded)}·${power}`;
}

/** Round numbers between two limits, about `count` of them. */
export function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return { ticks, step };
}

/** The label of a tick; `largest` is the largest number on the axis, which decides how all of them are written. */
export function tickLabel(value, step, largest = Math.abs(value)) {
  if (Math.abs(value) < 1e-9 * step) value = 0;
  if (largest >= EXPONENT_FROM || step < EXPONENT_BELOW) {
    if (value === 0) return "0";
    const digits = Math.floor(Math.log10(Math.abs(value)) + 1e-9) - Math.floor(Math.log10(step) + 1e-9);
    return powerOfTen(value, Math.min(8, Math.max(0, digits)));
  }
  return minus(value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
}

/** Ticks of a logarithmic axis between two decades, `apart` pixels a decade: [decade, label]. */
export function logTicks(low, high, height, small) {
  const apart = height / (high - low);
  const found = [];
  if (apart > 4.6 * small) { // there is room for 1, 2, 5
    for (let n = Math.floor(low); n <= high; n++) {
      for (const m of [1, 2, 5]) {
        const at = n + Math.log10(m);
        if (at >= low - 1e-9 && at <= high + 1e-9) found.push([at, plainPower(m, n)]);
      }
    }
  }
  if (found.length > 1) return found;
  const step = Math.max(1, Math.round(niceTicks(low, high, height / (2.3 * small)).step));
  for (let n = Math.ceil(low / step - 1e-9) * step; n <= high + 1e-9; n += step) found.push([n, plainPower(1, n)]);
  return found;
}

/** m times ten to the n, in plain digits where they are few. */
export function plainPower(m, n) {
  if (n >= -2 && n <= 3) return String(Number((m * 10 ** n).toPrecision(1)));
  return `${m === 1 ? "" : `${m}·`}10${superscript(n)}`;
}

/** With so many decimals, halves to the even digit, as Python has it: JavaScript takes them away from zero. */
export function fixed(value, decimals) {
  const scaled = value * 10 ** decimals, half = (value * 2 ** (decimals + 1)) % 1 === 0 && Math.abs(scaled % 1) === 0.5;
  return half ? ((2 * Math.round(scaled / 2)) / 10 ** decimals).toFixed(decimals) : value.toFixed(decimals);
}

/** A value as the read-outs write it (readouts.py): two decimals, or two digits where it spans decades. */
export function said(value, spansDecades) {
  const size = Math.abs(value);
  if (size >= (spansDecades ? 1000 : 999.995) || (spansDecades && size < 0.001 && size > 0)) {
    const [mantissa, exponent] = value.toExponential(1).split("e");
    return `${minus(mantissa)}·10${superscript(Number(exponent))}`;
  }
  if (!spansDecades) return minus(fixed(value, 2));
  return size > 0 ? minus(fixed(value, Math.max(0, 1 - Math.floor(Math.log10(size))))) : "0";
}

/** A value that was written already, and the same in fewer digits where it has a power of ten. */
export function formsOf(text) {
  const [, mantissa, power] = /^([−-]?\d+\.\d+)(·10.+)$/.exec(text) ?? [];
  return mantissa ? [text, `${minus(Number(mantissa.replace("−", "-")).toFixed(0))}${power}`] : [text];
}

/** A lane's name where there is little room: "α = 0.3" becomes "0.3". */
export const shortAlpha = (label = "") => label.replace(/^α = /, "");

/** A text as it may stand in HTML. */
export const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
