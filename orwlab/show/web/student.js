// A student's page: join, predict, watch, see what others said, play.

class StudentPage extends RoomPage {
  constructor(root) {
    super(root);
    this.dial = null;
    this.find("#join").addEventListener("submit", (event) => {
      event.preventDefault();
      this.join();
    });
    this.find("#send").addEventListener("click", () => this.send());
    this.find("#leave").addEventListener("click", () => this.leave());
    const [, given = ""] = /\/join\/([^/]+)\/?$/.exec(location.pathname) ?? [];
    const code = given.replace(/%20|-/g, "").toUpperCase();
    this.find("#code").value = code;
    const known = this.known();
    if (code && known[code]) this.come(code, known[code]);
    else this.find(code ? "#name" : "#code").focus();
  }

  /** Rooms that this phone has been in: code -> token. */
  known() {
    return Kept.read("joined", {});
  }

  async join() {
    const code = this.find("#code").value.trim(), button = this.find("#join button");
    if (!code) return this.wrong("Type the code that the teacher shows: five letters.");
    const plainly = code.replace(/[\s-]/g, "").toUpperCase(), known = this.known()[plainly];
    if (known) return this.come(plainly, known);
    button.disabled = true;
    try {
      const { code: plain, token } = await askServer("join/enter", { code, name: this.find("#name").value });
      Kept.write("joined", { ...Object.fromEntries(Object.entries(this.known()).slice(-9)), [plain]: token });
      this.wrong("");
      this.come(plain, token);
    } catch (error) {
      this.wrong(error.message);
    }
    button.disabled = false;
  }

  wrong(text) {
    this.find("#join .wrong").textContent = text;
  }

  come(code, token) {
    const path = `${appRoot()}join/${code}`;
    if (location.pathname !== path) history.replaceState(null, "", path + location.search);
    this.find("#join").hidden = true;
    this.find(".room-in").hidden = false;
    this.open(code, token);
  }

  /** Out of the room. */
  leave() {
    this.refused(""); // who comes back is the same person, with the same guesses
  }

  refused(sentence) {
    this.line.close();
    this.all = null;
    this.find(".room-in").hidden = true;
    this.find("#join").hidden = false;
    this.wrong(sentence);
    this.notice("", "lost");
    this.find("#code").focus();
  }

  // ---- what is on the page

  show() {
    const { all, mine } = this, { step } = all;
    const playing = all.hands !== null, asking = step === "ask" && !playing;
    if (this.pending && (step !== "ask" || this.pending.item !== all.item)) this.pending = null; // too late for it
    this.find(".room-lesson").textContent = all.lesson;
    this.find(".room-who").textContent = [all.code, mine.name].filter(Boolean).join(" · ");
    this.find(".room-title").textContent = all.shown ? "A scene from a link" : all.title ?? WORDS_OF_STEPS[step];
    const words = all.shown ? "Look at it here, or on the screen in front." : step === "lobby" ? "Look at the screen in front; your questions will come here." : all.say ?? "";
    this.find(".room-say").textContent = words;
    this.find(".room-say").hidden = !words;
    this.find(".room-step").textContent = playing ? "Your turn: try it out." : all.title && !all.shown ? WORDS_OF_STEPS[step] : "";
    this.find(".room-stage").hidden = playing || (!all.shown && (step === "lobby" || step === "end"));
    this.find(".room-hands").hidden = !playing;
    this.showAsk(["ask", "locked", "run"].includes(step) && Boolean(all.ask) && !playing && !all.shown, asking);
    this.showReveal(this.find(".room-reveal"));
    this.find(".room-reveal").hidden ||= playing;
    this.showPoints(playing);
    this.showBoard(this.find(".room-board"));
    this.showHands(playing);
    if (asking && this.pending) this.send();
  }

  showAsk(there, open) {
    const { all, mine } = this, box = this.find(".room-ask");
    box.hidden = !there;
    const key = there ? all.item : null;
    if (key !== this.asked?.key) {
      this.asked?.widget.destroy();
      this.asked = null;
      this.find(".room-widget").replaceChildren();
      if (there) {
        const widget = askWidget(this.find(".room-widget"), all.ask, {
          value: mine.own, stage: this.stage, changed: (value) => this.chosen(value),
        });
        this.asked = { key, widget, value: mine.own };
        this.failed = "";
      }
    }
    if (!there) return;
    this.asked.widget.lock(!open);
    this.tellGuess();
  }

  chosen(value) {
    if (this.asked) this.asked.value = value;
    this.tellGuess();
  }

  /** Whether the guess on show is the one that the server has. */
  get isIn() {
    return this.mine.own !== null && JSON.stringify(this.mine.own) === JSON.stringify(this.asked?.value);
  }

  tellGuess() {
    const button = this.find("#send"), open = this.all.step === "ask", value = this.asked?.value ?? null;
    button.hidden = !open;
    button.disabled = value === null || this.isIn || Boolean(this.pending);
    button.textContent = this.isIn ? "Sent" : this.mine.own === null ? "Send my guess" : "Send the new guess";
    const words = this.failed ? this.failed
      : this.pending ? "Sending …"
      : !open ? (this.mine.own !== null ? "Your guess is in."
        : value === null ? "The vote is closed; you have not guessed." : "The vote was closed before you sent your guess.")
      : this.isIn ? "Your guess is in. You can change it until the vote closes."
      : this.mine.own !== null ? "You have changed your guess: send the new one."
      : value === null ? "" : "Not sent yet.";
    const said = this.find(".room-guess");
    if (said.textContent !== words) said.textContent = words;
    said.classList.toggle("in", this.isIn);
  }

  /** The guess goes to the server, again and again until it has it or the vote is closed. */
  async send() {
    const guess = this.pending ?? { item: this.all.item, value: this.asked?.value ?? null };
    if (guess.value === null || this.sending) return;
    this.pending = guess;
    this.sending = true;
    this.failed = "";
    this.tellGuess();
    try {
      const { own } = await askServer("join/answer", { code: this.code, ...guess }, this.token);
      if (guess.item === this.all?.item) {
        this.mine.own = own;
        if (this.asked && JSON.stringify(this.asked.value) === JSON.stringify(guess.value)) this.asked.value = own;
      }
      this.pending = null;
    } catch (error) {
      if (error.status !== 0 && error.status !== 429 && error.status < 500) this.pending = null;
      else setTimeout(() => { if (this.pending === guess && this.all?.step === "ask") this.send(); }, 1500);
      this.failed = error.status === 0 ? "The line is broken. Your guess is sent as soon as it is back." : error.message;
    }
    this.sending = false;
    if (this.all?.ask) this.tellGuess();
  }

  showPoints(playing) {
    const { all, mine } = this, box = this.find(".room-points"), near = mine.near ?? null;
    const parts = [];
    if (all.reveal && near !== null) {
      parts.push(near > 0.995 ? "You were right." : all.ask.kind === "choose" ? "Not right." : `Your guess: ${Math.round(100 * near)} of 100.`);
    }
    if (all.reveal && mine.own === null) parts.push("You have not guessed this time.");
    if (mine.points !== undefined && (all.reveal || all.step === "end")) parts.push(`Your points so far: ${mine.points}.`);
    box.hidden = playing || !parts.length;
    box.textContent = parts.join(" ");
  }

  showHands(playing) {
    if (!playing) {
      this.dial?.close();
      return;
    }
    this.dial ??= new Dial(this.find(".room-dial"), {
      stage: createStage(this.find(".room-hands .orw-stage"), {}),
      root: appRoot(),
      ask: (since) => askServer("join/dial", { code: this.code, since }, this.token),
      send: (link) => askServer("join/send", { code: this.code, link }, this.token),
    });
    this.dial.open(this.all.hands);
  }
}

wearTheme();
new StudentPage(document.querySelector(".room"));
