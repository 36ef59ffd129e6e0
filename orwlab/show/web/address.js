// What a page's address says behind its #: the browser's side of lab/link.py. Pure functions of text.
//
//   writeAddress({scene, log, round, stage, view, lock, hide, say}) -> "alpha=0.3&round=240&..."
//   readAddress(text, kinds) -> the same, or an Error that says in plain words what is wrong
//
// kinds: control -> "number", "switch", "list" (of numbers), "names" or "text"; ofStage: the names that only the stage knows.
// Whether a value is allowed is for the server to say.

const LONGEST = 60000; // characters
const LISTS = ["lock", "hide"];
const RESUME = "resume"; // in a log: lanes that had stopped went on

const quoted = (text, also = /%(2C|3A|3B)/g) => encodeURIComponent(text).replace(also, (code) => decodeURIComponent(code));
const inside = (text) => quoted(text, /%(2C|3A)/g); // of a list whose entries a ; parts
const written = (value) => (typeof value === "boolean" ? String(Number(value)) : [value].flat().join(","));

export function writeAddress({ scene = {}, log = [], round = 0, stage = {}, view = null, lock = [], hide = [], say = "" }) {
  const pairs = Object.entries(scene).map(([name, value]) => [name, written(value)]);
  if (round) pairs.push(["round", String(round)]);
  if (log.length) {
    pairs.push(["log", log.map(([at, name, value]) => `${at}:${name}:${inside(written(value))}`).join(";")]);
  }
  pairs.push(...Object.entries(stage).map(([name, value]) => [name, written(value)]));
  if (view) pairs.push(["view", view.map((edge) => String(Number(edge.toPrecision(4)))).join(",")]);
  for (const [name, names] of [["lock", lock], ["hide", hide]]) if (names.length) pairs.push([name, names.join(",")]);
  if (say) pairs.push(["say", say]);
  return pairs.map(([name, value]) => `${name}=${quoted(value)}`).join("&");
}

export function readAddress(text, kinds, ofStage = []) {
  const found = { scene: {}, log: [], round: 0, stage: {}, view: null, lock: [], hide: [], say: "" };
  if (text.length > LONGEST) throw new Error(`This link has ${text.length} characters; allowed: at most ${LONGEST}.`);
  const named = new Set();
  for (const part of text.replace(/^[^#]*#/, "").split("&").filter(Boolean)) {
    const at = part.indexOf("="), name = unquoted(at < 0 ? part : part.slice(0, at));
    const value = unquoted(at < 0 ? "" : part.slice(at + 1));
    if (named.has(name)) throw new Error(`This link says “${name.slice(0, 40)}” twice.`);
    named.add(name);
    if (Object.hasOwn(kinds, name)) found[ofStage.includes(name) ? "stage" : "scene"][name] = meant(name, value, kinds[name]);
    else if (name === "round") found.round = whole(name, value);
    else if (name === "log") found.log = value.split(";").filter(Boolean).map((entry) => change(entry, kinds));
    else if (name === "view") found.view = value.split(",").map((edge) => real(name, edge));
    else if (LISTS.includes(name)) found[name] = value.split(",").filter(Boolean);
    else if (name === "say") found.say = value;
    else throw new Error(`This link speaks of “${name.slice(0, 40)}”, which the lab does not have.`);
  }
  const { view } = found;
  if (view && !(view.length === 4 && view[0] < view[1] && view[2] < view[3])) {
    throw new Error("This link's view is not four numbers x0, x1, y0, y1 with x0 < x1 and y0 < y1.");
  }
  for (const name of [...found.lock, ...found.hide]) {
    if (!Object.hasOwn(kinds, name)) throw new Error(`This link speaks of “${name.slice(0, 40)}”, which the lab does not have.`);
  }
  return found;
}

function change(entry, kinds) {
  const [, at, name, value] = /^(\d*):(\w*):(.*)$/s.exec(entry) ?? [];
  if (name === RESUME) return [whole("log", at), name, meant(name, value, "switch")];
  if (!name || !Object.hasOwn(kinds, name)) throw new Error(`This link's log holds “${entry.slice(0, 40)}”, which is no change of a control.`);
  return [whole("log", at), name, meant(name, unquoted(value), kinds[name])];
}

function meant(name, text, kind) {
  if (kind === "number") return real(name, text);
  if (kind === "list") return text.split(",").filter(Boolean).map((part) => real(name, part));
  if (kind === "names") return text.split(",").filter(Boolean);
  if (kind === "switch") {
    if (text !== "0" && text !== "1") throw new Error(`This link sets ${name} to “${text.slice(0, 40)}”; allowed: 0 or 1.`);
    return text === "1";
  }
  return text;
}

function real(name, text) {
  const value = /^-?[0-9]{1,30}(\.[0-9]{0,30})?(e[-+]?[0-9]{1,3})?$/.test(text) ? Number(text) : NaN;
  if (!Number.isFinite(value)) throw new Error(`This link sets ${name} to “${text.slice(0, 40)}”; allowed: a number.`);
  return value;
}

function whole(name, text) {
  if (!/^\d{1,15}$/.test(text)) throw new Error(`This link sets ${name} to “${String(text).slice(0, 40)}”; allowed: a whole number.`);
  return Number(text);
}

function unquoted(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(`This link holds “${text.slice(0, 40)}”, which is no text as browsers encode it.`);
  }
}
