// Files with somebody's points, before anything is sent. What is too much for one message is thinned here.

const HEAVIEST = 50e6; // bytes of a file
const SENT = 900000; // bytes that a text may take in a message
const ROWS = 20000; // of a table that is thinned: the lab reads no more
const MARKS = [[[0xff, 0xfe], "utf-16le"], [[0xfe, 0xff], "utf-16be"]];
const TABLE = /\.(csv|tsv|txt|dat)$/i;

const isTable = (file) => TABLE.test(file.name) || ["text/csv", "text/plain", "text/tab-separated-values"].includes(file.type);

/** The text of a file's bytes, or an Error in plain words. */
function textOf(bytes) {
  const [, coded = "utf-8"] = MARKS.find(([mark]) => mark.every((byte, k) => bytes[k] === byte)) ?? [];
  if (coded === "utf-8" && bytes.includes(0)) {
    throw new Error("it is no table of text. Save it as CSV first.");
  }
  try {
    return new TextDecoder(coded, { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes); // every byte is a letter there; numbers are the same
  }
}

/** What a text takes in a message, in bytes. */
const weightOf = (text) => new TextEncoder().encode(JSON.stringify(text)).length;

/** {text, said}: at most `most` bytes of a table, its first line and rows from all over it; said: what was left out, or "". */
function thinned(text, most = SENT) {
  const weight = weightOf(text);
  if (weight <= most) return { text, said: "" };
  const [first, ...rows] = text.split(/\r\n?|\n/).filter((row) => row.trim() !== "");
  for (let each = Math.max(Math.ceil(weight / most), Math.ceil(rows.length / ROWS)); each < 2 * rows.length; each = Math.ceil(1.2 * each)) {
    const kept = [first, ...rows.filter((_, k) => k % each === 0)].join("\n");
    if (weightOf(kept) > most) continue;
    const said = `The table has ${rows.length.toLocaleString("en")} rows; every ${each}${ending(each)} was taken.`;
    return { text: kept, said };
  }
  throw new Error(`it has a line of ${Math.max(...[first, ...rows].map((row) => row.length)).toLocaleString("en")} characters. A row of a table is shorter.`);
}

const ending = (n) => (n % 100 > 10 && n % 100 < 14 ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th");

/** {text, said} of a file somebody chose or dropped, or an Error in plain words. */
async function tableIn(file) {
  if (file.size > HEAVIEST) throw new Error(`it is larger than ${HEAVIEST / 1e6} MB.`);
  return thinned(textOf(new Uint8Array(await file.arrayBuffer())));
}
