// Texts and numbers in sentences, as Python writes them.

import { fixed } from "../stage/numerals.js";

const ESCAPED = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
/** What Python takes for blank. */
export const BLANK = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const AROUND = new RegExp(`^${BLANK.source}+|${BLANK.source}+$`, "g");
/** Without the blanks at its ends. */
export const stripped = (text) => text.replace(AROUND, "");

/** What Python does not print. */
export const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u;

/** A text as Python shows it. */
export function quotedText(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const shown = (letter) => (letter === mark ? `\\${mark}` : ESCAPED[letter] ?? (UNSEEN.test(letter) ? coded(letter.codePointAt(0)) : letter));
  return mark + [...text].map(shown).join("") + mark;
}

function coded(point) {
  const hex = point.toString(16), [sign, digits] = point > 0xffff ? ["U", 8] : point > 0xff ? ["u", 4] : ["x", 2];
  return `\\${sign}${hex.padStart(digits, "0")}`;
}

/** A number as Python's `:g` has it, with so many digits; halves to the even one. */
export function generalText(value, digits = 6) {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (!Number.isFinite(value)) return String(value);
  const rounded = atPrecision(value, digits), [mantissa, exponent] = rounded.toExponential().split("e");
  if (Number(exponent) >= -4 && Number(exponent) < digits) return String(rounded);
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

function atPrecision(value, digits) {
  const decimals = digits - 1 - Number(value.toExponential().split("e")[1]), unit = 10 ** -decimals;
  if (decimals >= 0) return decimals > 22 ? Number(value.toPrecision(digits)) : Number(fixed(value, decimals));
  return Math.abs(value % unit) === unit / 2 ? 2 * Math.round(value / unit / 2) * unit : Number(value.toPrecision(digits));
}
