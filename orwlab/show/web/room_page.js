// What the teacher's page and the students' have in common: the stage, the guesses, and how the room is told.

const WORDS_OF_STEPS = {
  lobby: "The class begins soon.", ask: "Predict before you look.", locked: "The vote is closed.", show: "Look.",
  run: "Now watch.", reveal: "What you said, and what is true.", end: "That was the lesson.",
};

/** Light or dark: as the address says, else as this page was told before, else as the device is. */
function wearTheme(theme = new URLSearchParams(location.search).get("__theme") ?? Kept.read("theme")) {
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", dark);
  return dark;
}

/** An element with some text, a class and perhaps parts. */
function made(tag, { text, ...properties } = {}, ...parts) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== undefined) element.textContent = text;
  element.append(...parts);
  return element;
}

class RoomPage {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.all = this.mine = null;
    this.value = {}; // the newest picture, whole
    this.asked = this.shownGuesses = null;
    root.room = this; // for tests and the browser's console
  }

  /** The stage is made when there is something to see: its box has a size then. */
  get stage() {
    if (!this.made) {
      const painted = ({ lanes, replaying }) => {
        this.root.dataset.lanes = String(lanes?.length ?? 1);
        this.notice(replaying ? `This scene begins later: round ${replaying.round} of ${replaying.of}` : "", "replaying");
      };
      this.made = createStage(this.find(".room-stage .orw-stage"), { painted, ...this.stageHost });
      this.configure();
    }
    return this.made;
  }

  /** Few panels and large type: for a projector as for a phone. */
  configure() {
    this.made?.configure({ ...this.all?.stage, present: true, revealed: Boolean(this.all?.open) });
  }

  open(code, token) {
    this.code = code;
    this.token = token;
    this.line?.close();
    this.line = new RoomLine(code, token, {
      room: (all, mine) => this.hear(all, mine),
      picture: (parts) => this.see(parts),
      lost: (yes) => this.notice(yes ? "The line to the room is broken. It is being opened again; nothing is lost." : "", "lost"),
      refused: (sentence, gone) => this.refused(sentence, gone),
    });
  }

  see(parts) {
    this.value = { ...this.value, ...parts };
    if (this.watching) this.stage.receive(this.value);
  }

  /** Whether the stage is on the page now. */
  get watching() {
    return this.all !== null && !this.find(".room-stage").hidden;
  }

  hear(all, mine) {
    const before = this.all;
    this.all = all;
    this.mine = mine;
    this.notice(all.notice, "server");
    this.root.dataset.step = all.step;
    this.root.dataset.kind = all.ask?.kind ?? "";
    if (before?.step !== all.step || before?.item !== all.item) {
      this.say([WORDS_OF_STEPS[all.step], all.step === "ask" ? all.ask.prompt : ""].join(" "));
    }
    this.show();
    if (JSON.stringify([before?.stage, before?.open]) !== JSON.stringify([all.stage, all.open])) this.configure();
    if (this.watching && this.value.frame && this.made?.value?.frame !== this.value.frame) this.stage.receive(this.value);
  }

  /** Guesses over the truth, in an element; nothing where there is nothing to reveal. */
  showReveal(element) {
    const { reveal, ask } = this.all;
    element.hidden = !reveal;
    const key = reveal ? JSON.stringify([this.all.item, reveal]) : "";
    if (key === this.revealKey) return;
    this.revealKey = key;
    this.shownGuesses?.destroy();
    this.shownGuesses = null;
    element.replaceChildren();
    if (!reveal) return;
    const picture = made("div", { className: "room-guesses" });
    element.append(picture);
    if (reveal.why) element.append(made("p", { className: "room-why", text: reveal.why }));
    this.shownGuesses = showGuesses(picture, { ask, reveal, own: this.mine.own ?? null, stage: this.stage });
  }

  /** The best so far: at the end a list, before that a line. Nothing where no points are shown. */
  showBoard(element) {
    const { board } = this.all;
    element.hidden = !board;
    element.replaceChildren();
    if (!board) return;
    if (this.all.step !== "end" && board.length) {
      const best = board.slice(0, 3).map(({ name, points }) => `${name} ${points}`).join(", ");
      return element.append(made("p", { className: "soft", text: `Most points: ${best}` }));
    }
    element.append(made("h3", { text: "Points" }));
    if (!board.length) return element.append(made("p", { text: "Nobody with a name has guessed yet." }));
    element.append(made("ol", {}, ...board.map(({ name, points }) =>
      made("li", {}, made("span", { text: name }), made("b", { text: String(points) })))));
  }

  /** A sentence across the page; only its author takes it away. */
  notice(text, kind) {
    this.notices ??= new Map();
    if (text) this.notices.set(kind, text);
    else this.notices.delete(kind);
    const words = [...this.notices.values()].at(-1) ?? "", box = this.find(".room-notice");
    box.hidden = !words;
    if (box.textContent !== words) box.textContent = words;
  }

  /** For screen readers. */
  say(text) {
    const said = this.find(".room-said");
    said.textContent = "";
    requestAnimationFrame(() => requestAnimationFrame(() => { said.textContent = text; }));
  }
}
