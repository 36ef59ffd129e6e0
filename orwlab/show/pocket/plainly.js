// Texts and numbers in sentences, as Python writes them.

import { fixed } from "../stage/numerals.js";

const LONGEST_SHOWN = 80, FROM_BEGINNING = 38, FROM_END = 39; // characters
const ESCAPED = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };
/** What Python takes for blank. */
export const BLANK_LETTER = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const AROUND = new RegExp(`^${BLANK_LETTER.source}+|${BLANK_LETTER.source}+$`, "g");
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

/** A value as Python shows it, never the whole of something large: by `_brief` of checks.py. */
export const shownBriefly = (value) => [...piece(value, 6)].slice(0, 120).join("");

function piece(value, level) {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return shortened([...value]);
  if (typeof value !== "object") return numberText(value);
  const list = Array.isArray(value), [open, close] = list ? "[]" : "{}", names = Object.keys(value).sort();
  if (level === 0 && names.length) return `${open}...${close}`;
  const count = list ? value.length : names.length, most = list ? 6 : 4, inner = (name) => piece(value[name], level - 1);
  const pieces = list ? value.slice(0, most).map((_, k) => inner(k)) : names.slice(0, most).map((name) => `${piece(name, level - 1)}: ${inner(name)}`);
  return `${open}${[...pieces, ...(count > most ? ["..."] : [])].join(", ")}${close}`;
}

/** The beginning and the end of a text that is long. */
function shortened(letters) {
  const whole = quotedText(letters.slice(0, LONGEST_SHOWN).join(""));
  if ([...whole].length <= LONGEST_SHOWN) return whole;
  const cut = [...quotedText([...letters.slice(0, FROM_BEGINNING), ...letters.slice(-FROM_END)].join(""))];
  return `${cut.slice(0, FROM_BEGINNING).join("")}...${cut.slice(-FROM_END).join("")}`;
}

const numberText = (value) => (value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential().replace(/-(\d)$/, "-0$1") : String(value));

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
