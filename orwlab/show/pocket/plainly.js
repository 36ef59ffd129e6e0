// Texts and numbers in sentences, as Python writes them.

/** A text as Python shows it. */
export function quotedText(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return mark + text.replaceAll("\\", "\\\\").replaceAll(mark, `\\${mark}`) + mark;
}

/** A number as Python's `:g` has it, with so many digits. */
export function generalText(value, digits = 6) {
  const size = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  if (value === 0 || (size >= -4 && size < digits)) return String(Number(value.toPrecision(digits)));
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return `${Number(mantissa)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
