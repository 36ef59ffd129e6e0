// What wanted digits are called. Pure functions.

const WANTED_DIGITS = /^(digits|judge):([0-9]*)$/; // see lab/digits.py
const NAMED_DIGITS = { "02468": "Even digits", 13579: "Odd digits" };

/** What is wanted, such as ["digits", "02468"], or null for anything else. */
export const digitsWanted = (value) => WANTED_DIGITS.exec(value)?.slice(1) ?? null;

/** What people call wanted digits, or null for anything else; the same as in lab/digits.py. */
export function digitsWords(value) {
  const [kind, wanted] = digitsWanted(value) ?? [];
  if (!kind) return null;
  const digits = [...wanted].sort(), few = digits.length <= 5;
  const listed = few ? digits : [..."0123456789"].filter((digit) => !digits.includes(digit));
  const said = few ? `${listed.length === 1 ? "Digit" : "Digits"} ${listed.join(", ")}` : `All digits but ${listed.join(", ")}`;
  return `${NAMED_DIGITS[digits.join("")] ?? said}${kind === "judge" ? ", by the judge" : ""}`;
}
