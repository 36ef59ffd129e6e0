// Sharing and keeping: a link, for a class with controls locked or hidden; pictures, tables, a film, a replay, a cell.

const LOOK = { width: 1200, height: 640 }; // CSS pixels of the stage that pictures are taken of, whatever the window is
const FILM = { width: 720, height: 420, frames: 40 };
const SAYS = { busy: "Making it …", copied: "Copied.", done: "Done: it is among your downloads." };

class Keep {
  /** ask(question) -> promise of the server's answer, see keeping.py. */
  constructor(lab, memory, recorder, ask) {
    Object.assign(this, { lab, memory, recorder, ask });
    this.dialog = lab.find("#lab-keep");
    this.find = (selector) => this.dialog.querySelector(selector);
    this.dialog.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-keep]");
      if (button) this.keep(button.dataset.keep);
    });
    this.dialog.addEventListener("input", () => this.showLink());
    this.find("[type=file]").addEventListener("change", ({ target }) => this.read(target.files[0]));
    lab.root.addEventListener("dragover", (event) => { if (hasFile(event)) event.preventDefault(); });
    lab.root.addEventListener("drop", (event) => {
      if (!hasFile(event)) return;
      event.preventDefault();
      const [file] = event.dataTransfer.files;
      if (file && isTable(file)) this.lab.own.bring(file);
      else this.read(file);
    });
  }

  open() {
    this.status("");
    for (const part of this.dialog.querySelectorAll("[data-part]")) {
      const { part: name } = part.dataset, { lock, hide, say } = this.memory.teacher;
      part.value = name === "say" ? say : hide.includes(name) ? "hide" : lock.includes(name) ? "lock" : "";
    }
    this.showLink();
    this.dialog.showModal();
  }

  /** What the dialog says about the class. */
  teacher() {
    const parts = [...this.dialog.querySelectorAll("[data-part]")];
    const with_ = (what) => parts.filter((part) => part.value === what && part.dataset.part !== "say").map((part) => part.dataset.part);
    return { lock: with_("lock"), hide: with_("hide"), say: this.find("[data-part=say]").value.trim() };
  }

  showLink() {
    const many = this.find(".keep-many"), there = this.lab.inPocket(this.memory.hash(this.teacher()));
    this.find("#keep-link").value = this.memory.address(this.teacher());
    many.hidden = !there;
    many.querySelector("a").href = there;
  }

  status(text) {
    this.find(".keep-status").textContent = text;
  }

  async keep(what) {
    if (this.busy) return;
    this.busy = true;
    this.status(SAYS.busy);
    try {
      this.status((await this[what]()) ?? SAYS.done);
    } catch (error) {
      this.status(error.message || "That did not work. Please try again.");
    }
    this.busy = false;
  }

  // ---- what there is to keep

  async link() {
    const box = this.find("#keep-link");
    this.showLink();
    try {
      await navigator.clipboard.writeText(box.value);
      return SAYS.copied;
    } catch {
      box.select();
      return "Copy it with Ctrl + C: this browser does not let the page do it.";
    }
  }

  async png() {
    const { value, seeking } = this.lab.stage, canvas = await this.portrait(value, LOOK, 2, seeking.t);
    download(await blobOf(canvas), this.name("png"));
  }

  async gif() {
    const { entries } = this.recorder, film = `${Date.now()}-${Math.random()}`;
    if (entries.length < 2) throw new Error("There is nothing to film yet: let it run for some rounds first.");
    const last = entries.length - 1, count = Math.min(FILM.frames, entries.length);
    for (let k = 0; k < count; k++) {
      this.status(`Making the film: picture ${k + 1} of ${count}`);
      const canvas = await this.portrait(entries[Math.round((k * last) / (count - 1))], FILM, 1);
      await this.answer({ what: "picture", film, data: canvas.toDataURL("image/png") });
    }
    this.status("Making the film: putting it together");
    const { data } = await this.answer({ what: "gif", film });
    download(await (await fetch(data)).blob(), this.name("gif"));
  }

  async curves() {
    download(csv(curvesCsv(this.lab.stage.frame)), this.name("csv", "curves"));
  }

  async samples() {
    download(csv(particlesCsv(this.lab.stage.frame)), this.name("csv", "samples"));
  }

  async replay() {
    if (!this.recorder.entries.length) throw new Error("There is nothing to replay yet.");
    const { text, place } = await this.answer({ what: "replay", title: this.title(), note: this.lab.describe(), revealed: this.lab.controls.revealed.value });
    const pictures = JSON.stringify(this.recorder.pack()).replaceAll("<", "\\u003c");
    download(new Blob([text.replace(place, () => pictures)], { type: "text/html" }), this.name("html"));
  }

  async cell() {
    const { text } = await this.answer({ what: "cell", story: this.story(), mode: this.lab.inForce.mode, measured: this.lab.inForce.measured });
    const box = this.find("#keep-cell");
    box.value = text;
    box.hidden = false;
    try {
      await navigator.clipboard.writeText(text);
      return "Copied. Paste it into a notebook: it prints the numbers that you see.";
    } catch {
      box.select();
      return "Copy it into a notebook: it prints the numbers that you see.";
    }
  }

  async state() {
    const text = JSON.stringify({ orwlab: 1, link: this.memory.link(this.teacher()) }, null, 1);
    download(new Blob([text], { type: "application/json" }), this.name("json"));
  }

  /** A state file that somebody chose or dropped. */
  async read(file) {
    if (!file) return;
    try {
      if (file.size > 1e6) throw new Error("it is larger than 1 MB");
      const given = JSON.parse(await file.text());
      if (given?.orwlab !== 1 || typeof given.link !== "string") throw new Error("it is no state of this lab");
      this.dialog.close();
      this.memory.visit(`#${given.link}`);
    } catch (error) {
      const why = error instanceof SyntaxError ? "it is no state of this lab" : error.message;
      const words = `“${file.name.slice(0, 60)}” cannot be opened: ${why}.`;
      if (this.dialog.open) this.status(words);
      else this.lab.refuse(words);
    }
  }

  // ---- how

  story() {
    const { scene, log } = this.lab.told;
    return { scene, log, round: this.lab.round ?? 0 };
  }

  async answer(question) {
    const answer = await this.ask(question);
    if (answer?.error) throw new Error(answer.error);
    return answer;
  }

  title() {
    return `${this.lab.controls.target.words} · ${this.lab.controls.reward.words}`;
  }

  name(ending, what = "") {
    return ["orwlab", what, ownWords(this.lab.inForce.target), `round-${this.lab.round ?? 0}`].filter(Boolean).join("-").replaceAll(/[^\w-]+/g, "_").slice(0, 80) + `.${ending}`;
  }

  /** A picture of a value, by a stage of its own that nobody sees; at another flow time than its own if t says so. */
  async portrait(value, { width, height }, scale, t = null) {
    const holder = document.createElement("div"), root = document.createElement("div");
    holder.setAttribute("aria-hidden", "true");
    holder.className = "lab-portrait";
    holder.style.cssText = `position:fixed;left:-20000px;top:0;width:${width}px;--orw-height:${height}px`;
    root.className = "orw-stage";
    holder.append(root);
    this.lab.root.append(holder);
    try {
      const stage = createStage(root, {});
      stage.reduced = { matches: true }; // everything at once where it belongs
      stage.configure({ ...this.lab.options(), present: false });
      stage.seek(t);
      stage.receive(value);
      stage.tick(performance.now());
      const { camera } = this.lab.stage;
      if (camera.free) {
        stage.camera.look(camera.goal, true);
        stage.looked();
        stage.tick(performance.now());
      }
      const canvas = await portraitOf(root, scale);
      stage.destroy();
      return canvas;
    } finally {
      holder.remove();
    }
  }
}

const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const csv = (text) => new Blob(["\ufeff", text], { type: "text/csv" }); // the mark tells spreadsheets that it is UTF-8
const blobOf = (canvas) => new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });

function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
