// The bar below a picture: the rounds so far on one axis, flow time on the other. No server is needed for either.
//
//   const player = new Player(element, stage, recorder, {left: () => {...}});   // the stage shows what the bar says

import { FlowTime } from "./flow_time.js";

const RATE = 12; // pictures a second when the rounds play
const BY_KEY = 20; // steps of flow time from 0 to 1, by keys
const MOMENTS = Array.from({ length: 201 }, (_, k) => k / 200); // where flow time stops when it plays
// the keys beside each other; what Shift makes of them differs between keyboards
const BAR_KEYS = { ",": ["step", -1], ".": ["step", 1], "<": ["move", -1], ";": ["move", -1], ">": ["move", 1], ":": ["move", 1] };
const PLAY = { rounds: "Play the rounds so far", flow: "Play flow time: noise becomes data" };

/**
 * A host that has a present to go back to is told when somebody begins to look back, and by `left` when they let it go:
 * by the button “Live”, or by Escape. One that can go on from an earlier round is told by `resumed(round)` that somebody
 * wants that. `flows`: flow time has its place in the bar also when there is no flow to be seen.
 */
export class Player {
  constructor(element, stage, recorder, { begun = null, left = null, resumed = null, flows = false } = {}) {
    Object.assign(this, { element, stage, recorder, begun, left, resumed, flows });
    this.place = 0;
    this.on = this.playing = false;
    element.classList.add("orw-player");
    element.setAttribute("role", "group");
    element.setAttribute("aria-label", "Rounds so far");
    element.innerHTML = `<div class="orw-axis orw-rounds"><button type="button" class="orw-play" aria-label="${PLAY.rounds}"></button>
      <label><span>round</span><input type="range" min="0" max="0" step="1" value="0"></label><output></output></div>
      <div class="orw-axis orw-times"><button type="button" class="orw-play-flow" aria-label="${PLAY.flow}"></button>
      <label><span>flow time t</span><input type="range" min="0" max="1" step="0.01" value="1"></label><output></output></div>
      <div class="orw-ways"><button type="button" class="orw-from" title="Forget what came after this round, and go on from it" hidden>From here</button>
      <button type="button" class="orw-live" title="You are looking back, and the run waits: back to the newest round" hidden>Live</button></div>`;
    const find = (selector) => element.querySelector(selector);
    [this.times, this.ways, this.from, this.live] = [".orw-times", ".orw-ways", ".orw-from", ".orw-live"].map(find);
    [this.button, this.range, this.output] = ["button", "input", "output"].map((name) => find(`.orw-rounds ${name}`));
    [this.flowButton, this.flowRange, this.flowOutput] = ["button", "input", "output"].map((name) => find(`.orw-times ${name}`));
    this.live.hidden = !left;
    this.from.hidden = !resumed;
    this.ways.hidden = !left && !resumed;
    const seen = () => this.t;
    this.flow = new FlowTime({ places: MOMENTS, moved: (t) => this.seek(t), get value() { return seen(); } }, seen, (playing) => {
      showPlaying(this.flowButton, playing, PLAY.flow);
    });
    this.from.addEventListener("click", () => this.resumed(this.recorder.entries[this.place].round));
    this.button.addEventListener("click", () => (this.playing ? this.pause() : this.play()));
    this.range.addEventListener("input", () => { this.pause(); this.show(Number(this.range.value)); });
    this.flowButton.addEventListener("click", () => this.flow.toggle());
    this.flowRange.addEventListener("input", () => { this.flow.stop(); this.seek(Number(this.flowRange.value)); });
    this.live.addEventListener("click", () => this.leave());
    element.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.left && this.on) {
        event.stopPropagation();
        this.leave();
      }
    });
    this.refresh();
  }

  /** The flow time on show. */
  get t() {
    return this.stage.seeking.t ?? this.stage.frame?.time ?? 1;
  }

  /** Whether flow time can be moved in the picture on show. */
  get flowing() {
    return Boolean(this.recorder.entries[this.place]?.flow);
  }

  /** The recorder, or what is on show, has changed. */
  refresh() {
    const { entries } = this.recorder, last = Math.max(0, entries.length - 1);
    this.place = this.on ? Math.min(this.place, last) : last;
    const round = entries[this.place]?.round ?? 0, t = this.t;
    const now = [last, this.place, round, t, this.on, this.flowing].join();
    if (now === this.shown) return;
    this.shown = now;
    this.range.max = last;
    showValue(this.range, this.output, this.place, round.toLocaleString("en"), `round ${round}`, last ? this.place / last : 0);
    showValue(this.flowRange, this.flowOutput, t, t.toFixed(2), `t = ${t.toFixed(2)}`, t);
    this.range.disabled = this.button.disabled = entries.length < 2;
    const flows = entries.some(({ flow }) => flow);
    this.times.hidden = !flows && !this.flows;
    this.flowRange.disabled = this.flowButton.disabled = this.on ? !this.flowing : !flows;
    this.live.disabled = !this.on;
    this.from.disabled = !this.on || this.place === last;
    this.element.classList.toggle("orw-back", this.on);
  }

  begin() {
    this.on = true;
    if (this.recorder.entries.length > 1) this.recorder.settle();
    this.stage.seek(this.t); // all rounds are seen at this flow time
    this.begun?.();
  }

  show(place) {
    if (!this.recorder.entries.length) return;
    if (!this.on) this.begin();
    this.place = Math.min(this.recorder.entries.length - 1, Math.max(0, place));
    this.stage.receive(this.recorder.entries[this.place]);
    this.refresh();
  }

  /** The same round at another flow time. */
  seek(t) {
    if (!this.on && this.recorder.entries.some(({ flow }) => flow)) this.show(Infinity);
    if (!this.on || !this.flowing) return;
    this.stage.seek(t);
    this.refresh();
  }

  /** Does what a key asks for. Returns whether it did. */
  key({ key }) {
    const [action, way] = BAR_KEYS[key] ?? [];
    if (action === "step" && this.recorder.entries.length > 1) {
      this.pause();
      this.show(this.place + way);
    } else if (action === "move") {
      this.flow.stop();
      this.seek(Math.min(1, Math.max(0, (Math.round(this.t * BY_KEY) + way) / BY_KEY)));
    }
    return action !== undefined;
  }

  play() {
    if (this.recorder.entries.length < 2) return;
    this.playing = true;
    showPlaying(this.button, true, PLAY.rounds);
    if (!this.on || this.place === this.recorder.entries.length - 1) this.show(0);
    this.timer = setInterval(() => {
      if (!this.element.isConnected || this.place >= this.recorder.entries.length - 1) return this.pause();
      this.show(this.place + 1);
    }, 1000 / RATE);
  }

  pause() {
    clearInterval(this.timer);
    this.playing = false;
    showPlaying(this.button, false, PLAY.rounds);
  }

  /** Back to the present. */
  leave() {
    this.pause();
    this.flow.stop();
    this.on = false;
    this.stage.seek(null);
    this.refresh();
    this.left?.();
  }
}

function showPlaying(button, playing, words) {
  button.classList.toggle("orw-playing", playing);
  button.setAttribute("aria-label", playing ? "Pause" : words);
}

function showValue(range, output, value, text, words, part) {
  range.value = value;
  range.setAttribute("aria-valuetext", words);
  range.style.setProperty("--filled", `${100 * part}%`);
  output.textContent = text;
}
