// The line between a page of the Classroom and the server: questions by POST, events by a stream that is opened again
// whenever it breaks. The token travels in a header: no address and no log ever holds it.

const SILENT_FOR = 25000; // ms without a word, even the one that says “there”, until a line counts as broken
const AGAIN_AFTER = [500, 1000, 2000, 4000]; // ms

/** The app's own address, whatever prefix a proxy puts before it. */
const appRoot = () => location.pathname.replace(/^(.*)\/(classroom|join)(\/[^/]*)?\/?$/, "$1/");

/** The server's answer. An Error with a sentence if there is none; its `status` is 0 where nobody answered. */
async function askServer(path, body, token = "") {
  let response;
  try {
    response = await fetch(appRoot() + path, {
      method: "POST", body: JSON.stringify(body), cache: "no-store",
      headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    });
  } catch {
    throw withStatus("The server does not answer. Nothing is lost; try again.", 0);
  }
  if (response.ok && response.headers.get("Content-Type")?.startsWith("text/csv")) return response.blob();
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) throw withStatus(answer?.error ?? "The server does not answer as it should; try again.", response.status);
  return answer;
}

function withStatus(text, status) {
  return Object.assign(new Error(text), { status });
}

class RoomLine {
  /**
   * room(all, mine): the room has changed. picture(parts): a picture, or what of it is new. lost(yes): whether the line is
   * broken just now. refused(sentence, gone): it will not be opened again; `gone`: nor could another one be.
   */
  constructor(code, token, { room, picture, lost, refused }) {
    Object.assign(this, { code, token, room, picture, lost, refused });
    this.failures = 0;
    this.heardAt = Date.now();
    this.watch = setInterval(() => { if (Date.now() - this.heardAt > SILENT_FOR) this.begin(); }, 5000);
    this.seen = () => { if (!document.hidden && Date.now() - this.heardAt > 12000) this.begin(); }; // a phone has woken up
    document.addEventListener("visibilitychange", this.seen);
    this.begin();
  }

  close() {
    this.closed = true;
    clearInterval(this.watch);
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.ending?.abort();
  }

  /** Opens the line anew; the old one, if there is one, ends. */
  begin() {
    this.ending?.abort();
    clearTimeout(this.timer);
    this.heardAt = Date.now();
    if (!this.closed) this.listen((this.ending = new AbortController()));
  }

  async listen(ending) {
    try {
      const response = await fetch(`${appRoot()}classroom/events?code=${encodeURIComponent(this.code)}`, {
        headers: { Authorization: `Bearer ${this.token}` }, signal: ending.signal, cache: "no-store",
      });
      if ([403, 404].includes(response.status)) {
        const { error } = await response.json().catch(() => ({}));
        this.close();
        return this.refused(error ?? "This room cannot be entered any more.", true);
      }
      if (!response.ok) throw new Error(String(response.status));
      await this.read(response.body.getReader(), ending);
    } catch {
      // a broken line: below it is opened again
    }
    if (ending.signal.aborted || this.closed) return;
    this.lost(true);
    this.timer = setTimeout(() => this.begin(), AGAIN_AFTER[Math.min(this.failures++, AGAIN_AFTER.length - 1)]);
  }

  async read(reader, ending) {
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || ending.signal.aborted) return;
      this.heardAt = Date.now();
      text += decoder.decode(value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop();
      for (const event of events) this.take(event);
    }
  }

  take(event) {
    const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
    if (!name) return;
    this.failures = 0;
    this.lost(false);
    const said = JSON.parse(data);
    if (name === "crowded") { // opened anew, it would end another one in turn
      this.close();
      return this.refused("This room is open in too many windows here. Close some, then come in again.", false);
    }
    try {
      if (name === "picture") this.picture(said);
      else this.room(said.all, said.mine);
    } catch (error) {
      console.error(error); // a fault of the page is none of the line
    }
  }
}

/** What a browser keeps, where it may keep anything. */
const Kept = {
  read(name, otherwise = null) {
    try {
      return JSON.parse(localStorage.getItem(`orwlab.${name}`)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  write(name, value) {
    try {
      if (value === null) localStorage.removeItem(`orwlab.${name}`);
      else localStorage.setItem(`orwlab.${name}`, JSON.stringify(value));
    } catch {
      // a browser may keep nothing
    }
  },
};
