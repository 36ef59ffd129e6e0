// The exact dial: somebody turns alpha and sees at once where fine-tuning would end. All pictures come from the server,
// each once; from then on nothing is asked for. See classroom/dial.py.
//
//   const dial = new Dial(element, { ask, stage, root, send });
//   dial.open(link);    // everybody has this scene in hand; the same link again changes nothing
//   dial.close();       // nobody has: the element is hidden, and the stage is free for other pictures
//   dial.link           // the scene with the alpha that is chosen, "" while nothing is open
//
// ask(since) -> promise of {pieces, done, of, error}; send(link) -> promise, of {error} or rejected if it was not taken:
// without it nothing can be sent. root: the way to the app. While the dial is open the stage is its own: nobody else hands
// pictures to it.

const DIAL_EVERY = 1000; // ms between questions, as long as pictures are missing
const DIAL_AGAIN = 3000; // ms until the next one after one that failed
const DIAL_STILL = 700; // ms without a move, after which those who listen are told the whole sentence
const DIAL_EXACT = "Exact limit:";
const DIAL_TICKS = [0.05, 0.1, 1, 10, 100];
const DIAL_HINT = "No network is trained here: this is where a perfect one ends. Dots are drawn from it, coloured by where " +
  "they are without fine-tuning. Orange-red lines hold 50 and 90 % of it, grey lines of the data; violet ground pays more.";
const DIAL_LOST = "The server does not answer. It is asked again by itself.";
const DIAL_ENDED = "There is nothing to turn any more.";

/** A scene's link with another alpha, to be compared with a network: without what has happened in it. */
function dialLink(link, alpha) {
  const gone = ["alpha", "others", "steer", "budget", "mode", "round", "log"];
  const kept = link.split("&").filter((part) => part && !gone.includes(part.split("=")[0]));
  return [`alpha=${alpha}`, ...kept, "mode=both"].join("&");
}

/** A reading in words; `why` says whether it is a rough one. */
function dialWords({ reward, diversity, w2, effective }, why) {
  const short = (value) => (value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2))));
  const share = 100 * effective;
  return [`mean reward ${minus(reward.toFixed(2))}`, `diversity ${diversity.toFixed(2)}`, `W₂² ${short(w2)}`,
    `${share.toFixed(share >= 10 ? 0 : 1)} % effective samples`].join(", ") + (why ? `; ${why}` : "");
}

class Dial {
  constructor(element, { ask, stage, root, send = null }) {
    Object.assign(this, { element, ask, stage, send, root });
    this.base = ""; // the scene in hand
    this.opened = 0; // counts, so that a late answer knows that it is one
    this.forget();
    this.build();
    element.hidden = true;
  }

  // ---- what is open

  get link() { return this.isOpen ? dialLink(this.base, this.alpha ?? this.given) : ""; }

  /** The scene's own alpha, until it is known where the dial begins. */
  get given() { return new URLSearchParams(this.base).get("alpha") ?? "1"; }

  /** The alpha that is chosen. */
  get alpha() { return this.alphas[this.at]; }

  open(link) {
    if (this.isOpen && link === this.base) return;
    if (link !== this.base) this.forget(); // else: all that has come is still here
    else if (this.error) Object.assign(this, { error: "", done: false });
    this.base = link;
    this.isOpen = true;
    this.shown = null; // somebody else has had the stage
    this.element.hidden = false;
    this.stage.root.classList.add("dialled");
    this.say("");
    this.show();
    this.follow(++this.opened);
  }

  close() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.opened++;
    clearTimeout(this.telling);
    this.element.hidden = true;
    this.whole.close();
    this.stage.root.classList.remove("dialled", "dial-faint");
  }

  /** Another scene: nothing is known of it. */
  forget() {
    Object.assign(this, { come: 0, done: false, error: "", of: null }); // of the answers
    Object.assign(this, { scene: "", alphas: [], at: 0, known: new Map(), shown: null });
  }

  // ---- pictures in

  /** Asks until all is here, or until something else is open. */
  async follow(turn) {
    while (turn === this.opened && !this.done) {
      let wait = DIAL_EVERY;
      if (!document.hidden) {
        try {
          const answer = await this.ask(this.come);
          if (turn !== this.opened) return;
          this.take(answer);
          if (answer.error) wait = DIAL_AGAIN;
        } catch (error) {
          if (turn !== this.opened) return;
          this.error = error instanceof TypeError || !error?.message ? DIAL_LOST : error.message; // fetch has no words for people
          wait = DIAL_AGAIN;
        }
        this.show();
      }
      if (!this.done) await new Promise((go) => { setTimeout(go, wait); });
    }
  }

  /** What an answer brings. */
  take({ pieces = [], done = false, of = null, error = "" }) {
    if (of === null) { // it is about no scene: refused for now, or nobody has one in hand any more
      Object.assign(this, { done, error: error || (done ? DIAL_ENDED : DIAL_LOST) });
      return;
    }
    if (this.of !== null && of !== this.of) return this.forget(); // about another one than all that is here
    this.of = of;
    this.error = error;
    for (const piece of pieces) {
      if (piece.scene) {
        Object.assign(this, { scene: piece.scene, alphas: piece.alphas, at: piece.alphas.indexOf(piece.alpha) });
        this.scale();
      } else this.known.set(piece.alpha, piece);
    }
    this.come += pieces.length;
    this.done = Boolean(done);
  }

  /** Of the pieces that `fits`, the one whose alpha is nearest to the chosen one; null if there is none. */
  nearest(fits) {
    const off = ({ alpha }) => Math.abs(Math.log(alpha / this.alpha));
    return [...this.known.values()].filter(fits).reduce((a, b) => (a && off(a) <= off(b) ? a : b), null);
  }

  // ---- what is on the page

  build() {
    const { element } = this, ident = newId();
    element.classList.add("dial");
    const label = make("label", "label", "W2 weight α"), head = make("div", "dial-head");
    label.htmlFor = ident;
    this.number = make("output", "dial-alpha");
    this.number.htmlFor = ident;
    head.append(label, this.number);
    this.range = make("input", "range");
    Object.assign(this.range, { type: "range", id: ident, min: 0, max: 1, step: 1, value: 0 });
    this.range.addEventListener("input", () => this.turn(Number(this.range.value)));
    this.ticks = make("div", "ticks");
    this.ticks.setAttribute("aria-hidden", "true");
    this.words = make("p", "dial-words");
    this.exactly = make("b");
    this.readings = make("span");
    this.words.append(this.exactly, this.readings);
    this.coming = make("p", "dial-coming");
    element.append(head, this.range, this.ticks, this.words, this.coming, make("p", "dial-hint", DIAL_HINT));
    if (this.send) this.buildSending();
    const lab = make("p", "dial-lab"), all = make("button", "", "All controls");
    all.type = "button";
    this.whole = new WholeLab(element, { root: this.root, send: this.send });
    all.addEventListener("click", () => this.whole.open(this.link));
    lab.append(all, "The whole lab with this scene. Everything is computed here, on your device; there is a way back.");
    element.append(lab);
  }

  buildSending() {
    this.sender = make("button", "primary dial-send", "Send this to the teacher");
    this.sender.type = "button";
    this.sender.addEventListener("click", () => this.pass(this.link, `Sent: α = ${this.alpha}.`));
    const form = make("form", "dial-other"), label = make("label", "", "or send a link from the Live lab"), ident = newId();
    label.htmlFor = ident;
    this.box = make("input", "typed");
    Object.assign(this.box, { type: "text", id: ident, autocomplete: "off", spellcheck: false, placeholder: "https://…#alpha=…" });
    this.other = make("button", "", "Send link");
    form.append(label, this.box, this.other);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.passTyped();
    });
    this.said = make("p", "dial-said");
    this.said.setAttribute("role", "status");
    this.element.append(this.sender, form, this.said);
  }

  /** The slider has as many places as the fan, and words below some of them. */
  scale() {
    const last = this.alphas.length - 1;
    this.range.max = last;
    this.ticks.replaceChildren(...DIAL_TICKS.filter((alpha) => this.alphas.includes(alpha)).map((alpha) => {
      const tick = make("span", "", String(alpha));
      tick.style.left = `${(100 * this.alphas.indexOf(alpha)) / last}%`;
      return tick;
    }));
    keepTicksApart(this.ticks);
  }

  turn(at) {
    this.at = at;
    this.show();
  }

  /** Everything as it is now: the picture that belongs to the chosen alpha, or the nearest that there is. */
  show() {
    const { alphas, alpha, at, known } = this, there = alphas.length > 0, exactly = known.get(alpha);
    const drawn = there ? this.nearest(({ frame }) => frame) : null, words = this.sentence(exactly, drawn);
    this.range.disabled = !there;
    this.range.value = at;
    this.range.style.setProperty("--filled", `${there ? (100 * at) / (alphas.length - 1) : 0}%`);
    this.range.setAttribute("aria-valuetext", there ? `α = ${alpha}. ${words}` : "not there yet");
    setText(this.number, there ? String(alpha) : "…");
    setText(this.exactly, words.startsWith(DIAL_EXACT) ? DIAL_EXACT : "");
    setText(this.readings, words.slice(this.exactly.textContent.length));
    this.words.classList.toggle("dial-none", Boolean(exactly && !exactly.frame));
    setText(this.coming, this.progress());
    this.coming.classList.toggle("dial-wrong", Boolean(this.error));
    if (this.sender) this.sender.disabled = !there || Boolean(this.sending);
    if (drawn && drawn !== this.shown) {
      this.shown = drawn;
      this.stage.receive({ scene: this.scene, exact: drawn.exact, frame: drawn.frame });
    }
    this.stage.root.classList.toggle("dial-faint", this.isOpen && there && !exactly?.frame);
    clearTimeout(this.telling);
    if (!drawn) return;
    const summary = `The picture shows samples for α = ${drawn.alpha}. ${words}`;
    this.telling = setTimeout(() => this.stage.words.tell(summary), DIAL_STILL);
  }

  sentence(exactly, drawn) {
    if (!this.alphas.length) return "";
    if (exactly?.frame) return `${DIAL_EXACT} ${dialWords(exactly.reading, exactly.why)}.`;
    const faint = drawn ? ` The faint picture is that of α = ${drawn.alpha}.` : "";
    if (!exactly) return `This one is being worked out.${faint}`;
    const why = exactly.why.replace(/^no (exact )?limit[^:]*: /, ""); // it is said here already
    return `No exact limit at α = ${this.alpha}: ${why}.${faint}`;
  }

  progress() {
    if (this.error) return this.error;
    if (this.done) return "";
    if (!this.alphas.length) return "The exact answers are being worked out …";
    return `${this.known.size} of ${this.alphas.length} are here; the rest follow.`;
  }

  // ---- to the teacher

  passTyped() {
    const text = this.box.value.trim();
    if (!text) return this.say("Paste a link first: in the Live lab, “Keep” copies it.", true);
    if (!text.includes("#")) return this.say("This is no link of a state: in those a # comes before what was set.", true);
    return this.pass(text, "The link was sent.", () => { this.box.value = ""; });
  }

  async pass(link, thanks, then = () => {}) {
    this.hold(true);
    this.say("Sending …");
    const wrong = await notSent(this.send, link);
    this.say(wrong || thanks, Boolean(wrong));
    if (!wrong) then();
    this.hold(false);
  }

  /** One at a time. */
  hold(on) {
    this.sending = on;
    this.sender.disabled = on || !this.alphas.length;
    this.other.disabled = on;
  }

  say(text, wrong = false) {
    if (!this.said) return;
    setText(this.said, text);
    this.said.classList.toggle("dial-wrong", wrong);
  }
}
