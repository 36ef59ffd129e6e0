// What any page may be asked for: to reveal the true reward, and to show an alpha that is steered.

/** The button over the stage, there while there is a true reward. Nothing is shown of it until it is pressed. */
class Reveal {
  constructor(lab) {
    this.lab = lab;
    this.button = lab.find("#reveal");
    this.button.addEventListener("click", () => {
      const { revealed } = lab.controls;
      revealed.show(!revealed.value);
      lab.chosen("revealed", revealed.value);
      lab.say(revealed.value ? "The true reward is revealed: its curve, its number, and its ground in green." : "The true reward is hidden.");
    });
    this.look();
  }

  begun() { this.look(); }

  painted() { this.look(); } // undo, or another page's answer, may have chosen another one

  chosen(name) {
    const { revealed, background } = this.lab.controls;
    if (name === "revealed" && this.there) background.show(revealed.value ? "truth" : "reward");
    if (name === "revealed" || name === "truth") this.look();
  }

  get there() { return this.lab.controls.truth.value !== ""; }

  look() {
    const { lab, there, button } = this, { revealed, background } = lab.controls, open = there && revealed.value;
    const key = [there, open, background.value, lab.fixed.has("revealed")].join();
    if (key === this.key) return;
    this.key = key;
    button.parentElement.hidden = !there;
    button.disabled = lab.fixed.has("revealed");
    button.setAttribute("aria-pressed", String(open));
    button.classList.toggle("primary", !open);
    button.querySelector(".word").textContent = `${open ? "Hide" : "Reveal"} the true reward`;
    revealed.element.hidden = !there || lab.memory.teacher.hide.includes("revealed");
    background.options.find(({ value }) => value === "truth").closest("label").hidden = !open;
    if (background.value !== "truth" || open) return;
    background.show("reward");
    lab.configure();
  }
}

const BUDGETS = { w2: "a W2 budget", kl: "a KL budget" };

/** While alpha is steered its slider moves by itself, and cannot be moved. */
class SteeredAlpha {
  constructor(lab) {
    Object.assign(this, { lab, slider: lab.controls.alpha, alpha: null });
    this.sentences = { alpha: this.slider.sentence, steer: lab.controls.steer.sentence };
  }

  painted({ steering = null, replaying }) {
    const { lab, slider } = this;
    if (lab.foreign || replaying) return;
    const before = this.alpha, alpha = steering?.alpha ?? null;
    this.alpha = alpha === null ? null : Number(alpha.toPrecision(alpha < 0.1 ? 2 : 3));
    slider.element.classList.toggle("steered", alpha !== null);
    slider.range.disabled = slider.box.disabled = alpha !== null;
    if (alpha !== null) slider.show(this.alpha);
    else if (before !== null) slider.show(lab.inForce.alpha);
    const to = steering && !steering.why && `Steered to ${BUDGETS[steering.kind]} of ${steering.budget}: it rises while more than that is spent.`;
    this.tell("alpha", to || steering?.why);
    this.tell("steer", steering?.why);
  }

  /** What is in force is where it began. */
  answered() { if (this.alpha !== null) this.slider.show(this.alpha); }

  /** Another sentence of help, if there is one. */
  tell(name, words) {
    const control = this.lab.controls[name], said = words || this.sentences[name];
    if (control.sentence === said) return;
    control.sentence = said;
    if (!control.element.classList.contains("wrong")) control.help.textContent = said;
    if (words) this.lab.say(words);
  }

  /** By hand again: from where it was. */
  chosen(name, value) {
    if (name !== "steer" || value || this.alpha === null) return;
    this.lab.line.change("alpha", this.alpha);
    this.lab.inForce.alpha = this.alpha;
  }
}

INSTRUMENTS.push((lab) => new Reveal(lab), (lab) => new SteeredAlpha(lab));
