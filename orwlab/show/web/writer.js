// The page on which a lesson is written: its text, and beside it what a class will see.
//
// The server reads the text while one types; it alone knows what a lesson may say. What is typed is kept in the browser.

const WRITER_LARGEST = 65536; // characters of a lesson, and bytes of a file
const WRITER_PAUSE = 400; // ms without a key, after which the text is read
const WRITER_TYPED = 5000; // characters that browsers put in as typed, and take out again, without a pause
const WRITER_AGAIN = 2500; // ms, after which one asks again who did not answer

// ---- the box

/** A text area with numbered lines. Tab and Enter indent; what a button puts in, the browser's own undo takes out. */
class LessonBox {
  constructor(element, changed) {
    this.box = element.querySelector("textarea");
    this.gutter = element.querySelector(".writer-lines div");
    this.changed = changed;
    this.leaving = false; // Escape was pressed: Tab leads on
    this.box.addEventListener("input", () => this.entered());
    this.box.addEventListener("scroll", () => { this.gutter.style.transform = `translateY(${-this.box.scrollTop}px)`; });
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("focus", () => { this.leaving = false; });
  }

  get text() { return this.box.value; }

  set text(text) {
    this.box.value = text;
    this.box.scrollTop = 0;
    this.entered();
  }

  entered() {
    const lines = this.text.split("\n").length;
    if (lines !== this.lines) {
      this.lines = lines;
      this.gutter.querySelector("pre").textContent = Array.from({ length: lines }, (_, k) => k + 1).join("\n");
    }
    this.changed();
  }

  key(event) {
    const { leaving } = this;
    this.leaving = event.key === "Escape";
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.isComposing) return;
    if (event.key === "Tab" && !leaving) this.indent();
    else if (event.key !== "Enter" || !this.goOn()) return;
    event.preventDefault();
  }

  /** Two spaces; before each line, where several are selected. */
  indent() {
    const { selectionStart: from, selectionEnd: to } = this.box;
    if (!this.text.slice(from, to).includes("\n")) return this.put("  ", from, to);
    const start = this.text.lastIndexOf("\n", from - 1) + 1;
    const moved = this.text.slice(start, to).replace(/^(?=.)/gm, "  ");
    this.put(moved, start, to);
    this.box.setSelectionRange(start, start + moved.length);
  }

  /** A new line that begins below the one above it. Returns whether there was anything to indent. */
  goOn() {
    const { selectionStart: from, selectionEnd: to } = this.box;
    const above = this.text.slice(this.text.lastIndexOf("\n", from - 1) + 1, from);
    const [space] = /^ *(- (?=\w+:))?/.exec(above);
    if (space) this.put(`\n${" ".repeat(space.length)}`, from, to);
    return space.length > 0;
  }

  /** As if it had been typed in the place of what stands between two places. */
  put(text, from, to) {
    this.box.focus();
    this.box.setSelectionRange(from, to);
    if (text.length < WRITER_TYPED && document.execCommand("insertText", false, text)) return;
    this.box.setRangeText(text, from, to, "end");
    this.entered();
  }

  /** Selects a line, or a part of the text, and brings it into sight. */
  select(from, to) {
    this.box.focus();
    this.box.setSelectionRange(from, to);
    const above = this.text.slice(0, from).split("\n").length - 1;
    this.box.scrollTop = above * parseFloat(getComputedStyle(this.box).lineHeight) - this.box.clientHeight / 3;
    this.box.scrollLeft = 0;
    this.box.scrollIntoView({ block: "nearest" });
  }

  goTo(line) {
    const lines = this.text.split("\n"), k = Math.min(line, lines.length) - 1;
    const from = lines.slice(0, k).reduce((length, one) => length + one.length + 1, 0);
    this.select(from, from + lines[k].length);
  }

  /** Marks the line that is wrong; 0 for none. */
  mark(line) {
    const mark = this.gutter.querySelector("i");
    mark.hidden = !line;
    mark.style.setProperty("--line", Math.min(line, this.lines) - 1);
  }

  /** A scene after the last one that there is, indented like the others; its title is selected. */
  add(scene) {
    const { at, indent, head } = placeOfScene(this.text);
    const block = scene.trimEnd().replace(/^(?=.)/gm, " ".repeat(indent));
    const before = at && this.text[at - 1] !== "\n" ? "\n" : "";
    this.put(`${before}${head}${block}\n`, at, at);
    const title = at + before.length + head.length + block.indexOf("title: ") + 7;
    this.select(title, this.text.indexOf("\n", title));
  }
}

/** Where in a lesson's text a further scene goes: the place, how far it is indented, and what has to stand before it. */
function placeOfScene(text) {
  const lines = text.split("\n"), head = lines.findIndex((line) => /^scenes:/.test(line));
  if (head < 0) return { at: text.length, indent: 2, head: "scenes:\n" };
  let end = lines.findIndex((line, k) => k > head && /^[^\s#-]/.test(line)); // another name of the lesson's own
  if (end < 0) end = lines.length;
  while (end > head + 1 && /^(#|\s*$)/.test(lines[end - 1])) end -= 1; // what stands above that name is its
  const first = lines.slice(head + 1, end).find((line) => /^ *- /.test(line));
  const at = lines.slice(0, end).join("\n").length + (end < lines.length ? 1 : 0);
  return { at, indent: first ? first.indexOf("-") : 2, head: "" };
}

// ---- what it becomes

/** A lesson as its class will see it, with the answers, which only the teacher sees. */
class LessonView {
  /** `usual`: the alpha of a link that names none. */
  constructor(element, usual) {
    this.element = element;
    this.usual = usual;
    this.heading = made("div");
    this.scenes = []; // {text, element, widget}
    this.list = made("ol");
    element.append(this.heading, this.list);
  }

  show(lesson) {
    const { title, about, notes, minutes, scores, scenes } = lesson;
    const facts = [counted(minutes, "minute"), counted(scenes.length, "scene"), ...(scores ? ["guesses earn points"] : [])];
    this.heading.replaceChildren(made("h3", { text: title }), made("p", { className: "help", text: facts.join(" · ") }),
      ...(about ? [made("p", { text: about })] : []), ...(notes ? [made("p", { className: "writer-why", text: `For you: ${notes}` })] : []));
    scenes.forEach((scene, k) => this.showScene(scene, k));
    for (const { element, widget } of this.scenes.splice(scenes.length)) {
      widget?.destroy();
      element.remove();
    }
  }

  /** A scene that says what it said stays as it is: somebody may be trying its question. */
  showScene(scene, k) {
    const text = JSON.stringify(scene), before = this.scenes[k];
    if (before?.text === text) return;
    before?.widget?.destroy();
    const element = made("li"), now = { text, element, widget: null };
    if (before) before.element.replaceWith(element);
    else this.list.append(element);
    this.scenes[k] = now;
    const open = made("a", { href: `../#${behindHash(scene.link)}`, target: "_blank", rel: "noopener", text: "open" },
      made("span", { className: "lab-said", text: ` “${scene.title}” in the Live lab, in a new tab` }));
    element.append(made("header", {}, made("h4", { text: `${k + 1}. ${scene.title}` }), open));
    if (scene.say) element.append(made("p", { text: scene.say }));
    if (scene.ask) now.widget = this.showAsk(scene, element);
    const run = scene.rounds ? `Runs ${counted(scene.rounds, "round")}.` : "Nothing runs: one looks at it as it is.";
    element.append(made("p", { className: "help", text: scene.ask ? run : `${run} Nothing is asked.` }));
    if (scene.ask) element.append(made("p", { className: "writer-answer" }, ...answerOf(scene.ask)));
    if (scene.why) element.append(made("p", {}, made("b", { text: "Why: " }), scene.why));
  }

  showAsk({ ask, link, rounds }, element) {
    const box = made("div", { className: "writer-ask" }), { answer, goal, ...plain } = ask;
    element.append(box);
    if (ask.kind !== "place") {
      const told = { ...plain, alphas: alphasOfLink(link, this.usual), curve: 33, rounds };
      return askWidget(box, told, { value: null, changed() {}, stage: null });
    }
    box.append(made("p", { className: "writer-prompt", text: ask.prompt }),
      made("p", { className: "help", text: "Asked on the picture: everybody points at a place." }));
    return null;
  }
}

const behindHash = (link) => link.slice(link.lastIndexOf("#") + 1);

/** The alphas of a link's lanes, after all changes that it tells of. */
function alphasOfLink(link, usual) {
  const said = new URLSearchParams(behindHash(link).replaceAll("+", "%2B"));
  const found = { alpha: said.get("alpha") ?? String(usual), others: said.get("others") ?? "" };
  for (const change of (said.get("log") ?? "").split(";")) {
    const [, name, value] = change.split(":");
    if (Object.hasOwn(found, name)) found[name] = decodeURIComponent(value);
  }
  return [found.alpha, ...found.others.split(",").filter(Boolean)].map(Number);
}

/** What is right, as the file has it: the parts of a paragraph. */
function answerOf({ kind, options, goal, answer, of, by }) {
  const later = "; worked out in the room";
  const said = (words, more = "") => [made("b", { text: `Answer: ${words}` }), more];
  const poll = [made("b", { text: "No answer:" }), " this is a poll."];
  if (kind === "choose") return answer === null ? poll : said(`${letterOf(answer - 1)}. ${options[answer - 1]}`);
  if (kind === "curve") return said(`the ${READING_WORDS[of]} of the run`, ", as it comes out in the room");
  if (kind === "order") return said(`by ${READING_WORDS[by]}, least first`, later);
  if (goal) return said(`the α whose exact limit has ${READING_WORDS[goal.reading]} ${minus(String(goal.value))}`, later);
  if (answer === null) return poll;
  if (kind === "alpha") return said(alphaText(answer));
  if (answer === "peak") return said("where the exact limit is densest", later);
  if (answer === "first_to_die") return said("the mode that exact rounds empty first", later);
  const [x, y] = answer.map((place) => minus(String(place)));
  return said(`x ${x}, y ${y}`);
}

// ---- the page

class WriterPage {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`#writer-${name}`);
    this.template = this.find("template").content.textContent;
    this.view = new LessonView(root.querySelector(".writer-lesson"), Number(root.dataset.alpha));
    this.old = root.querySelector(".writer-old");
    this.box = new LessonBox(root.querySelector(".writer-box"), () => this.changed());
    this.saved = ""; // what is also somewhere else: in a file, or among the lessons that come along
    this.wrongAt = null; // the text that has been refused
    this.listen();
    this.start();
    root.writer = this; // for tests and the browser's console
  }

  /** What was here before; and then the lesson that the address asks for. */
  start() {
    const before = this.remembered() ?? { text: this.template, saved: this.template };
    this.take(before.text, before.saved);
    const wanted = new URLSearchParams(location.search).get("lesson");
    if (wanted === null) return;
    history.replaceState(null, "", location.pathname); // asked for once, not again whenever the page is loaded
    this.begin(wanted);
  }

  listen() {
    const press = {
      begin: () => this.begin(this.find("names").value), go: () => this.box.goTo(this.line), open: () => this.open(),
      save: () => this.save(), load: () => this.find("file").click(), copy: () => this.copy(), again: () => this.again(),
    };
    for (const [name, does] of Object.entries(press)) this.find(name).addEventListener("click", does);
    this.find("file").addEventListener("change", ({ target }) => {
      if (target.files[0]) this.load(target.files[0]);
      target.value = ""; // the same file once more is a change, too
    });
    this.find("handout").addEventListener("submit", (event) => {
      if (this.wrongAt !== this.box.text) return;
      event.preventDefault();
      this.say("There is no handout while something in the text is wrong.");
    });
    this.listenToMenu(this.root.querySelector(".writer-add"));
    this.listenToFiles(this.box.box);
    addEventListener("beforeunload", (event) => { if (this.forgetful && this.unsaved) event.preventDefault(); });
  }

  listenToMenu(menu) {
    menu.addEventListener("click", ({ target }) => {
      const { scene } = target.closest("button")?.dataset ?? {};
      if (!scene) return;
      menu.open = false;
      this.box.add(scene);
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !menu.open) return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
    document.addEventListener("click", ({ target }) => { if (!menu.contains(target)) menu.open = false; });
  }

  /** A file may be dropped onto the box; a text that is dropped goes where it is dropped. */
  listenToFiles(box) {
    const holds = ({ dataTransfer }) => [...dataTransfer.types].includes("Files");
    box.addEventListener("dragover", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      box.classList.add("writer-over");
    });
    box.addEventListener("dragleave", () => box.classList.remove("writer-over"));
    box.addEventListener("drop", (event) => {
      box.classList.remove("writer-over");
      if (!holds(event)) return;
      event.preventDefault();
      if (event.dataTransfer.files[0]) this.load(event.dataTransfer.files[0]);
    });
  }

  // ---- the text is read

  get unsaved() { return this.box.text !== this.saved; }

  changed() {
    this.remember();
    if (this.find("said").textContent) this.say("");
    this.find("status").setAttribute("aria-busy", "true"); // it speaks of what stood there before
    this.readIn(WRITER_PAUSE);
  }

  readIn(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.read(), wait);
  }

  async read() {
    const { text } = this.box;
    if (text.length > WRITER_LARGEST) {
      return this.wrong(`the lesson has ${text.length} characters; allowed: at most ${WRITER_LARGEST}.`);
    }
    try {
      const { lesson, error } = await askServer("classroom/check", { text });
      if (text !== this.box.text) return; // about what stands there no more
      if (error) this.wrong(error);
      else this.right(lesson);
    } catch (error) {
      if (text !== this.box.text) return;
      this.status(error.message);
      this.find("go").hidden = true;
      if (error.status === 0 || error.status === 429) this.readIn(WRITER_AGAIN);
    }
  }

  right(lesson) {
    this.wrongAt = null;
    this.show(0, `Reads without errors: ${counted(lesson.scenes.length, "scene")}, ${counted(lesson.minutes, "minute")}.`);
    this.view.show(lesson);
    this.seen = true;
  }

  /** What is wrong, in the server's words; what was last right stays beside it. */
  wrong(sentence) {
    this.wrongAt = this.box.text;
    this.show(Number(/^line (\d+):/.exec(sentence)?.[1] ?? 0), sentence.replace(/^./, (letter) => letter.toUpperCase()));
  }

  show(line, sentence) {
    const wrong = this.wrongAt !== null;
    this.line = line;
    this.status(sentence);
    this.root.classList.toggle("writer-wrong", wrong);
    this.old.hidden = !wrong;
    this.old.textContent = this.seen ? "As it last read without errors." : "Nothing yet: something in the text is wrong.";
    this.box.box.setAttribute("aria-invalid", String(wrong));
    this.box.mark(line);
    const go = this.find("go"), words = `Go to line ${line}`;
    go.hidden = !line;
    if (go.textContent !== words) go.textContent = words;
  }

  status(sentence) {
    const status = this.find("status");
    status.setAttribute("aria-busy", "false");
    if (status.textContent !== sentence) status.textContent = sentence;
  }

  /** What became of a button. */
  say(sentence) {
    this.find("said").textContent = sentence;
  }

  // ---- another text

  take(text, saved = text) {
    this.saved = saved;
    this.box.text = text;
  }

  /** Begins with a lesson that comes along, or with the template where the name is empty. */
  async begin(name) {
    const known = [...this.find("names").options].map((option) => option.value);
    if (!known.includes(name)) {
      return this.say(`lesson is “${name.slice(0, 80)}”; allowed: one of ${known.filter(Boolean).join(", ")}.`);
    }
    this.find("names").value = name;
    let text = this.template;
    if (name) {
      try {
        const response = await fetch(`${appRoot()}classroom/lessons/${encodeURIComponent(name)}.yaml`);
        if (!response.ok) throw new Error(String(response.status));
        text = await response.text();
      } catch {
        return this.say("The server does not answer. Nothing is lost; try again.");
      }
    }
    if (!this.unsaved || await this.sure("Begin with another text? It takes the place of yours.", "Begin with it")) this.take(text);
  }

  async again() {
    if (!(await this.sure("Start again? What you have written is taken away.", "Start again"))) return;
    this.find("names").value = "";
    this.take(this.template);
  }

  async load(file) {
    if (file.size > WRITER_LARGEST) {
      return this.say(`${file.name} has ${Math.ceil(file.size / 1024)} kB; allowed: at most ${WRITER_LARGEST / 1024} kB.`);
    }
    let text;
    try {
      text = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch {
      return this.say(`${file.name} cannot be read; allowed: a file of text, as UTF-8.`);
    }
    if (this.unsaved && !(await this.sure(`Load ${file.name}? It takes the place of what you have written.`, "Load it"))) return;
    this.take(text.replace(/\r\n?/g, "\n"));
    this.say(`Loaded ${file.name}.`);
  }

  /** Whether somebody wants what would take their text away. */
  sure(question, words) {
    const dialog = this.find("sure");
    dialog.querySelector("h2").textContent = question;
    dialog.querySelector("p").textContent = this.unsaved ? "It is in no file yet." : "It is also in a file, or came along with the Classroom.";
    dialog.querySelector("[value=yes]").textContent = words;
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((told) => {
      dialog.addEventListener("close", () => {
        if (dialog.returnValue === "save") this.save();
        told(["yes", "save"].includes(dialog.returnValue));
      }, { once: true });
    });
  }

  // ---- what is kept of it

  /** This tab's own text, or what was written last in any. */
  remembered() {
    let kept = Kept.read("writer");
    try {
      kept = JSON.parse(sessionStorage.getItem("orwlab.writer")) ?? kept;
    } catch {
      // a browser may keep nothing
    }
    return typeof kept?.text === "string" ? { text: kept.text, saved: String(kept.saved ?? "") } : null;
  }

  remember() {
    const now = { text: this.box.text, saved: this.saved };
    Kept.write("writer", now);
    try {
      sessionStorage.setItem("orwlab.writer", JSON.stringify(now));
    } catch {
      // the same
    }
    this.forgetful = Kept.read("writer")?.text !== this.box.text;
    this.root.classList.toggle("writer-forgetful", this.forgetful);
  }

  /** A file's name: the title, as file systems like it. */
  get name() {
    const [, title = ""] = /^title:(.*)$/m.exec(this.box.text) ?? [];
    return title.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 60) || "lesson";
  }

  save() {
    const address = URL.createObjectURL(new Blob([this.box.text], { type: "application/yaml" }));
    made("a", { href: address, download: `${this.name}.yaml` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    this.saved = this.box.text;
    this.remember();
    this.say(`Saved as ${this.name}.yaml.`);
  }

  async copy() {
    try {
      await navigator.clipboard.writeText(this.box.text);
      this.say("Copied.");
    } catch {
      this.box.box.select();
      this.say("Copy it with Ctrl + C: this browser does not let the page do it.");
    }
  }

  // ---- a room

  async open() {
    const button = this.find("open");
    button.disabled = true;
    this.say("Opening a room …");
    try {
      const { code, secret } = await askServer("classroom/rooms", { text: this.box.text });
      location.href = `${appRoot()}classroom#${code}.${secret}`;
    } catch (error) {
      if (error.status === 400) this.wrong(error.message);
      this.say(error.status === 400 ? "No room was opened: something in the text is wrong." : error.message);
    }
    button.disabled = false;
  }
}

wearTheme();
new WriterPage(document.querySelector("#lab > .writer"));
