// The teacher's page: lessons to begin with, and the room as the projector shows it. Everything goes by keyboard.

const NEXT = {
  lobby: "Begin", ask: "Close the vote", show: "Run it", locked: "Run it", run: "Show the answer", reveal: "Go on", end: "The end",
};
const FOLDED = /\s+/g;
const TEACHER_KEYS = {
  ArrowRight: "next", PageDown: "next", ArrowLeft: "back", PageUp: "back", v: "again", h: "hands", o: "points",
  " ": "toggle", s: "step", r: "reset", j: "room-join", l: "room-links", "?": "room-keys", d: "theme", p: "full",
};

class TeacherPage extends RoomPage {
  constructor(root) {
    super(root);
    this.stageHost = { stateChanged: (state) => this.showState(state) };
    this.controls = findControls(root, (name, value) => this.steered(name, value));
    this.orders = new Line((run, orders) => askServer("classroom/steer", { code: this.code, orders }, this.token), {
      answered: ({ settings = {}, errors = [] }, waiting) => this.answered(settings, errors, waiting),
      failed: () => {},
    });
    this.listen();
    this.arrive();
    addEventListener("hashchange", () => this.arrive());
  }

  // ---- rooms

  /** Rooms whose teacher this browser is: code -> {secret, title, at}. */
  get rooms() {
    return Kept.read("rooms", {});
  }

  keep(code, room) {
    const rooms = { ...this.rooms };
    if (room) rooms[code] = { ...rooms[code], ...room };
    else delete rooms[code];
    Kept.write("rooms", rooms);
  }

  /** The address says which room; the secret does not stay in it, where a projector would show it. */
  arrive() {
    const [code, secret] = decodeURIComponent(location.hash.slice(1)).split(".");
    const token = secret || this.rooms[code]?.secret;
    if (!code || !token) return this.showBegin(code ? "This browser does not know the teacher's link of that room." : "");
    if (code === this.code && token === this.token) return;
    this.keep(code, { secret: token, at: Date.now() });
    history.replaceState(null, "", `${location.pathname}${location.search}#${code}`);
    this.find(".room-begin").hidden = true;
    this.find(".room-in").hidden = false;
    this.find("#begin-wrong").textContent = "";
    this.open(code, token);
    this.showDoor();
  }

  showBegin(words = "") {
    this.line?.close();
    this.code = this.token = this.all = null;
    this.find(".room-begin").hidden = false;
    this.find(".room-in").hidden = true;
    this.find("#begin-wrong").textContent = words;
    this.notice("", "lost");
    const rooms = Object.entries(this.rooms).sort(([, a], [, b]) => b.at - a.at).slice(0, 8);
    this.find(".your-rooms").hidden = !rooms.length;
    this.find(".your-rooms ul").replaceChildren(...rooms.map(([code, { title, at }]) => made("li", {},
      made("a", { href: `#${code}`, text: [title, code].filter(Boolean).join(" · ") }),
      made("span", { className: "soft", text: ` ${new Date(at).toLocaleString()}` }))));
  }

  refused(sentence, gone) {
    if (gone) this.keep(this.code, null);
    history.replaceState(null, "", location.pathname + location.search);
    this.showBegin(sentence);
  }

  async begin(button) {
    button.disabled = true;
    try {
      const { code, secret } = await askServer("classroom/rooms", { lesson: button.dataset.lesson });
      location.hash = `${code}.${secret}`;
    } catch (error) {
      this.find("#begin-wrong").textContent = error.message;
    }
    button.disabled = false;
  }

  // ---- the door

  /** Where phones go, and the code that they read: the page's own address, or this machine's in the room's network. */
  async showDoor(given = Kept.read("door")) {
    const own = location.origin + appRoot();
    try {
      const { hosts } = await askServer("classroom/qr", { text: `${own}join/${this.code}` });
      const alone = /^(localhost|127\.|\[::1\])/.test(location.hostname);
      const root = (given || (alone && hosts.length ? hosts[0] + appRoot() : own)).replace(/\/?$/, "/");
      const { svg } = await askServer("classroom/qr", { text: `${root}join/${this.code}` });
      const words = `${root.replace(/^https?:\/\//, "")}join`;
      for (const image of this.root.querySelectorAll(".door-qr")) {
        image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
        image.alt = image.closest("button") ? "" : `QR code of ${root}join/${this.code}`;
      }
      for (const place of this.root.querySelectorAll(".door-address")) place.textContent = words;
      for (const place of this.root.querySelectorAll(".door-code")) place.textContent = this.code;
      for (const note of this.root.querySelectorAll(".door-alone")) {
        note.hidden = !alone || hosts.length > 0 || Boolean(given);
        note.textContent = "Only this computer reaches this address. For phones start the app with HOST=0.0.0.0.";
      }
      this.find("#door").value = root;
      this.find(".door-form .wrong").textContent = "";
      return true;
    } catch (error) {
      this.find(".door-form .wrong").textContent = error.message;
      return false;
    }
  }

  async useDoor() {
    const given = this.find("#door").value.trim();
    if (await this.showDoor(given || null)) Kept.write("door", given || null);
  }

  // ---- what the teacher does

  async act(what, value = null, again = false) {
    const { version, step, item } = this.all;
    try {
      const { done } = await askServer("classroom/act", { code: this.code, what, version, value }, this.token);
      this.notice("", "act");
      if (done || again) return done;
      // an answer may have become known meanwhile, which is also a change: the press still means the same
      await new Promise((then) => { setTimeout(then, 400); });
      return this.all.version !== version && this.all.step === step && this.all.item === item && this.act(what, value, true);
    } catch (error) {
      this.notice(error.message, "act");
      return false;
    }
  }

  command(name) {
    if (name.startsWith("room-")) return this.find(`#${name}`).showModal();
    if (name === "theme") return this.changeTheme();
    if (name === "full") return this.changeFull();
    if (["toggle", "step", "reset"].includes(name)) return this.press(name);
    if (name === "next" && this.all.shown) return this.act("show", null);
    if (this.root.querySelector(`[data-act="${name}"]`)?.disabled) return undefined;
    if (name === "hands") return this.act("hands", this.all.hands === null ? this.mine.link : null);
    if (name === "points") return this.act("points", !this.mine.points);
    if (name === "back" && this.all.shown) return this.act("show", null);
    return this.act(name);
  }

  press(name) {
    if (this.find(".room-run").hidden || this.find("#toggle").disabled) return;
    this.orders.run = this.made?.meta?.run ?? null;
    this.orders.press(name === "toggle" ? (this.running ? "pause" : "play") : name);
  }

  steered(name, value) {
    this.orders.run = this.made?.meta?.run ?? null;
    this.orders.change(name, value);
  }

  answered(settings, errors, waiting) {
    for (const [name, value] of Object.entries(settings)) {
      if (this.controls[name] && !waiting.has(name)) this.controls[name].show(value);
    }
    for (const { name, text } of errors) {
      if (this.controls[name]) this.controls[name].problem(text);
      else this.notice(text, "act");
    }
  }

  changeTheme() {
    const dark = !document.documentElement.classList.contains("dark");
    Kept.write("theme", dark ? "dark" : "light");
    wearTheme(dark ? "dark" : "light");
    if (this.made) this.made.theme = null; // its colours are worked out again
    this.made?.repaint();
    this.shownGuesses?.update?.();
  }

  changeFull() {
    const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.();
    change?.catch(() => {}); // a frame may forbid it
  }

  async results() {
    try {
      const blob = await askServer("classroom/results", { code: this.code }, this.token);
      const link = made("a", { href: URL.createObjectURL(blob), download: `${this.code}.csv` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      this.tell("Saved as a file.");
    } catch (error) {
      this.tell(error.message);
    }
  }

  async copySecret() {
    try {
      await navigator.clipboard.writeText(`${location.origin}${appRoot()}classroom#${this.code}.${this.token}`);
      this.tell("Copied. Show it to nobody.");
    } catch {
      this.tell("This browser does not let a page copy. The link is kept on this computer: open this address again here.");
    }
  }

  async remove(button) {
    if (!button.dataset.sure) {
      button.dataset.sure = "yes";
      button.textContent = "Delete it: press once more";
      return;
    }
    try {
      await askServer("classroom/delete", { code: this.code }, this.token);
      this.find("#room-settings").close();
      this.refused("The room and all of its answers are deleted.", true);
    } catch (error) {
      this.tell(error.message);
    }
    delete button.dataset.sure;
    button.textContent = "Delete the room and all answers";
  }

  tell(words) {
    this.find(".room-told").textContent = words;
  }

  // ---- what is on the page

  get watching() {
    return super.watching && this.all.step !== "lobby";
  }

  show() {
    const { all, mine } = this, { step } = all, asked = Boolean(all.ask);
    if (this.rooms[this.code]?.title !== all.lesson) this.keep(this.code, { title: all.lesson });
    this.find(".room-lesson").textContent = all.lesson;
    this.find(".room-number").textContent = all.title ? `${all.scene + 1} of ${all.scenes}` : "";
    this.find(".room-lobby").hidden = step !== "lobby" || all.shown;
    this.find(".room-stage").hidden = step === "lobby" && !all.shown;
    const title = step === "lobby" ? all.lesson : all.title ?? "That was the lesson.";
    this.find(".room-title").textContent = all.shown ? "A scene from a link" : title;
    const words = all.shown ? "The lesson goes on where it was." : step === "lobby" ? all.about : all.say ?? "";
    this.find(".room-say").textContent = words;
    this.find(".room-say").hidden = !words || (step === "reveal" && !all.shown);
    this.showQuestion(asked && !all.shown, step);
    this.showReveal(this.find(".room-reveal"));
    this.showBoard(this.find(".room-board"));
    this.showCount(asked && !all.shown, step);
    this.find("#next").textContent = this.nextWords(step, all);
    this.find("#next").disabled = step === "end" && !all.shown;
    this.find("[data-act=again]").disabled = !asked || step === "ask";
    this.find("[data-act=back]").disabled = step === "lobby" && !all.shown;
    for (const [name, on] of [["hands", all.hands !== null], ["points", mine.points]]) {
      this.find(`#${name}`).setAttribute("aria-pressed", String(on));
    }
    this.find("#hands").disabled = step === "lobby" || (asked && ["ask", "locked", "run"].includes(step));
    this.find(".room-run").hidden = step === "lobby" && !all.shown;
    const voting = asked && ["ask", "locked"].includes(step) && !all.shown; // who runs it now shows what is asked
    for (const button of this.root.querySelectorAll("[data-run], [data-open=room-steer]")) {
      button.disabled = voting || (step === "run" && all.over && !all.shown);
    }
    this.find(".links-many").textContent = mine.sent ? `(${mine.sent})` : "";
    this.showLinks();
  }

  nextWords(step, all) {
    if (all.shown) return "Back to the lesson";
    if (all.hands !== null) return "Hands off, and go on";
    if (step === "show" && !all.rounds) return "Go on";
    if (step === "locked" && !all.rounds) return "Show the answer";
    if (step === "run" && !all.ask) return "Go on";
    return NEXT[step];
  }

  showQuestion(there, step) {
    const { ask } = this.all, box = this.find(".room-question");
    box.hidden = !there || step === "reveal";
    if (!there) return;
    this.find(".room-prompt").textContent = ask.prompt;
    const key = JSON.stringify(ask);
    if (key === this.questionKey) return;
    this.questionKey = key;
    this.find(".room-options").replaceChildren(...(ask.options ?? []).map((text) => made("li", { text })));
  }

  showCount(asked, step) {
    const { all } = this, voting = asked && step !== "reveal";
    const [many, of] = step === "end" ? [all.people, all.people === 1 ? "person took part" : "people took part"]
      : voting ? [all.answered, `of ${Math.max(all.here, all.answered)} have guessed`]
      : [all.here, all.here === 1 ? "person is here" : "people are here"];
    this.find(".room-count").hidden = step === "reveal";
    this.find(".room-count .many").textContent = many;
    this.find(".room-count .of").textContent = all.hands !== null ? `${of}; everybody plays` : of;
  }

  showLinks() {
    const { links } = this.mine, key = JSON.stringify(links);
    this.find(".links-none").hidden = links.length > 0;
    if (key === this.linksKey) return;
    this.linksKey = key;
    this.find("ul.links").replaceChildren(...links.map(({ name, link }) => {
      const show = made("button", { type: "button", text: "Show it" });
      show.addEventListener("click", () => this.showLink(link, "show"));
      const about = made("span", { className: "link-text", text: decodeURIComponent(link).replace(FOLDED, " ").slice(0, 160) || "the lab as it begins" });
      return made("li", {}, made("b", { text: name || "somebody" }), about, show,
        made("a", { className: "button", href: `${appRoot()}#${link}`, target: "_blank", rel: "noopener", text: "Open it" }));
    }));
  }

  async showLink(link, how) {
    const done = await this.act(how, link), words = this.notices?.get("act") ?? "";
    this.notice("", "act"); // what was wrong stands beside the box
    this.find(".link-form .wrong").textContent = done ? "" : words;
    if (done) this.find("#room-links").close();
  }

  showState(state) {
    this.running = state === "running";
    this.find("#toggle").textContent = this.running ? "Pause" : "Play";
  }

  // ---- hands and keys

  listen() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { act, run, open, lesson } = button.dataset;
      if (act) this.command(act);
      if (run) this.command(run);
      if (open) this.command(open);
      if (lesson) this.begin(button);
      if (event.detail > 0 && !button.closest("dialog")) button.blur(); // the space bar then plays, not presses again
    });
    const does = { results: () => this.results(), secret: () => this.copySecret(), theme: () => this.changeTheme(), full: () => this.changeFull(), elsewhere: () => { this.find("#room-settings").close(); location.hash = ""; }, delete: (button) => this.remove(button) };
    for (const [name, action] of Object.entries(does)) this.find(`#${name}`).addEventListener("click", ({ currentTarget }) => action(currentTarget));
    this.find("#room-settings").addEventListener("close", () => {
      const button = this.find("#delete");
      delete button.dataset.sure;
      button.textContent = "Delete the room and all answers";
      this.tell("");
    });
    this.find(".door-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.useDoor();
    });
    this.find(".link-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.showLink(this.find("#own-link").value.trim(), event.submitter?.value ?? "show");
    });
    this.find("#room-steer").addEventListener("toggle", () => { this.orders.run = this.made?.meta?.run ?? null; this.orders.ask(); });
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || !this.all) return;
      if (document.querySelector("dialog[open]")) return;
      const name = TEACHER_KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!name || (event.key === " " && event.target.closest("button, a"))) return;
      event.preventDefault();
      if (!event.repeat) this.command(name);
    });
  }
}

wearTheme();
new TeacherPage(document.querySelector(".room"));
