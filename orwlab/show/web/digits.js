// What belongs to the plane of digits is offered only there: its rewards, and its pictures as a ground.

const DIGITS_PLANE = "digits_latent";
const WANTED_DIGITS = /^(digits|judge):([0-9]*)$/; // see lab/digits.py
const NAMED_DIGITS = { "02468": "Even digits", 13579: "Odd digits" };

/** What is wanted, such as ["digits", "02468"], or null for anything else. */
const digitsWanted = (value) => WANTED_DIGITS.exec(value)?.slice(1) ?? null;

/** What people call wanted digits, or null for anything else; the same as in lab/digits.py. */
function digitsWords(value) {
  const [kind, wanted] = digitsWanted(value) ?? [];
  if (!kind) return null;
  const digits = [...wanted].sort(), few = digits.length <= 5;
  const listed = few ? digits : [..."0123456789"].filter((digit) => !digits.includes(digit));
  const said = few ? `${listed.length === 1 ? "Digit" : "Digits"} ${listed.join(", ")}` : `All digits but ${listed.join(", ")}`;
  return `${NAMED_DIGITS[digits.join("")] ?? said}${kind === "judge" ? ", by the judge" : ""}`;
}

class OfDigits {
  constructor(lab) {
    const { reward, truth, background } = lab.controls;
    this.lab = lab;
    this.lists = [reward, truth].map(({ list }) => list);
    this.background = background;
    this.ground = background.options.find(({ value }) => value === "pictures");
    this.look();
  }

  begun() { this.look(); }

  answered() { this.look(); }

  painted() { this.look(); } // undo, or another page's answer, may have chosen another target

  chosen() { this.look(); }

  look() {
    const there = this.lab.controls.target.value === DIGITS_PLANE;
    for (const list of this.lists) {
      for (const option of list.options) { // what is in force stays
        const ofDigits = digitsWanted(option.value) || option.value === `${OFFER}digits`;
        if (ofDigits) option.hidden = option.disabled = !there && option.value !== list.value;
      }
    }
    this.ground.closest("label").hidden = !there;
    if (!there && this.lab.own?.opened?.kind === "digits") this.lab.own.close();
    if (there || this.background.value !== "pictures") return;
    this.background.show("reward");
    this.lab.configure();
  }
}

INSTRUMENTS.push((lab) => new OfDigits(lab));
