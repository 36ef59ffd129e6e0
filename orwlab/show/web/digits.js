// What belongs to the plane of digits is offered only there: its rewards, and its pictures as a ground.

const DIGITS_PLANE = "digits_latent";

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
