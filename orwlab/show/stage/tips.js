// Explanations that appear on hover, on keyboard focus and on a tap, and short advice over the picture.

const LINGER = 150; // ms that an explanation stays when the pointer leaves, so that one can move onto it
const RESTING = 6000; // ms that an explanation stays below a pointer that does not move
const ADVICE = 2600; // ms

/** What an element's `explain()` returns, {title, text}, is shown beside it. */
export class Tips {
  constructor(root, signal) {
    this.root = root;
    this.box = make("div", "orw-tip");
    this.box.setAttribute("role", "tooltip");
    this.box.hidden = true;
    this.box.append(make("strong"), " ", make("span"));
    this.advice = make("div", "orw-advice");
    this.advice.setAttribute("aria-hidden", "true"); // the picture's label says it to those who do not see it
    root.append(this.box);
    this.at = null;
    const holder = (event) => {
      let node = event.target;
      while (node && node !== root && !node.explain) node = node.parentElement;
      return node?.explain ? node : null;
    };
    let last = null; // where the pointer was: what comes to lie under a resting one does not explain itself
    const moved = ({ clientX, clientY }) => {
      const same = last?.[0] === clientX && last?.[1] === clientY;
      last = [clientX, clientY];
      return !same;
    };
    root.addEventListener("pointermove", moved);
    root.addEventListener("pointerover", (event) => {
      if (event.pointerType === "touch" || !moved(event)) return;
      if (this.box.contains(event.target)) return clearTimeout(this.leaving);
      const found = holder(event);
      if (!found) return this.leave();
      this.show(found);
      this.resting = setTimeout(() => this.hide(), RESTING);
    });
    root.addEventListener("pointerleave", () => {
      last = null;
      this.leave();
    });
    root.addEventListener("focusin", (event) => {
      const found = holder(event);
      if (found) this.show(found);
      else this.hide();
    });
    root.addEventListener("focusout", () => this.hide());
    root.addEventListener("click", (event) => { // fingers, also where a tap does not focus a button
      const found = holder(event);
      if (found) this.show(found);
      else if (!this.box.contains(event.target)) this.hide();
    });
    // who starts the run or moves on does not read any more
    document.addEventListener("keydown", ({ key }) => { if (key === "Escape" || key === " ") this.hide(); }, { signal, capture: true });
    document.addEventListener("scroll", () => this.hide(), { signal, capture: true, passive: true });
  }

  show(element) {
    clearTimeout(this.leaving);
    clearTimeout(this.resting);
    const { title, text } = element.explain();
    if (!text) return this.hide();
    this.at = element;
    setText(this.box.children[0], title);
    setText(this.box.children[1], text);
    this.box.hidden = false;
    const frame = this.root.getBoundingClientRect(), target = element.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.box;
    const left = Math.min(frame.width - offsetWidth - 2, Math.max(2, target.left - frame.left));
    const below = target.bottom - frame.top + 6, above = target.top - frame.top - offsetHeight - 6;
    const fits = frame.top + below + offsetHeight <= Math.min(innerHeight, frame.bottom) || above + frame.top < 0;
    this.box.style.left = `${left}px`;
    this.box.style.top = `${fits ? below : above}px`;
  }

  leave() {
    clearTimeout(this.leaving);
    if (this.at && !this.at.contains(document.activeElement)) this.leaving = setTimeout(() => this.hide(), LINGER);
  }

  hide() {
    clearTimeout(this.leaving);
    clearTimeout(this.resting);
    this.box.hidden = true;
    this.at = null;
  }

  /** A sentence over the picture that goes away by itself. */
  advise(text) {
    setText(this.advice, text);
    this.advice.dataset.on = "";
    clearTimeout(this.advising);
    this.advising = setTimeout(() => { delete this.advice.dataset.on; }, ADVICE);
  }
}

/** Whether fingers are what one points with: then there is no wheel and no hovering. */
export const isCoarse = () => matchMedia("(pointer: coarse)").matches;

let named = 0;
export const newId = () => `orw-${++named}-${Math.floor(1e6 * performance.now()).toString(36)}`;

export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Sets a text only where it differs: writing it again would lay the page out again. */
export function setText(element, text) {
  if (element.said !== text) element.textContent = element.said = text;
}

/** A name that can be focused and explains itself; the explanation is also there for screen readers. */
export function term(name, hint, holder) {
  const button = make("button", "orw-term", name);
  button.type = "button";
  if (hint) {
    const said = make("span", "", hint);
    said.hidden = true;
    said.id = newId();
    button.setAttribute("aria-describedby", said.id);
    holder.append(said);
  }
  return button;
}

/** Puts an element where a box of the layout is. */
export function putAt(element, { x, y, w, h }) {
  Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
}
