// Mouse, fingers and keys. The picture must never hold the page back: one finger scrolls the page, the wheel zooms only
// with Ctrl (which is what pinching a trackpad sends) or after a click into the picture, and Escape lets go of it.

import { moved, zoomed } from "./camera.js";
import { pictureAt, seenIn } from "./glimpse.js";
import { placesOf } from "./picture.js";
import { isCoarse } from "./tips.js";
import { particleAt } from "./tracing.js";

const COMMANDS = {
  " ": "toggle", s: "step", r: "reset", z: "undo", p: "present",
  e: "mode_next", t: "target_next", w: "reward_next", f: "flow", 1: "move_1", 2: "move_2", 3: "move_3", 4: "move_4",
  ArrowLeft: "alpha_down", ArrowRight: "alpha_up", ArrowDown: "tau_down", ArrowUp: "tau_up",
};
const REPEATED = ["step", "alpha_down", "alpha_up", "tau_down", "tau_up"]; // by holding the key down
const TWO_FINGERS = "Two fingers zoom and move the picture";
const TYPING = "input, textarea, select, [contenteditable=''], [contenteditable='true'], [role='textbox'], " +
  "[role='combobox'], [role='listbox'], [role='slider'], [role='spinbutton']";
const PRESSING = "button, a[href], summary, [role='button'], [role='tab'], [role='option'], [role='menuitem']";

/** The command that a key asks for, or null: also when the key belongs to what has the focus. */
export function commandOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.defaultPrevented) return null;
  const name = COMMANDS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!name || (event.repeat && !REPEATED.includes(name))) return null;
  const at = event.target;
  if (at?.closest?.(TYPING)) return null;
  if (at?.closest?.(PRESSING) && (event.key === " " || (event.key.startsWith("Arrow") && at.closest("[role='tab']")))) return null;
  return name;
}

/** For the keyboard: the next sample's way, and in words what it shows. */
function nextSample(stage) {
  const { tracing, frame, scene, words } = stage;
  tracing.next(frame.n);
  const [place] = placesOf(stage, tracing.wanted);
  if (!scene?.pictures || !place) return;
  const { kind, percent } = seenIn(scene.pictures, pictureAt(scene.pictures, ...place));
  words.tell(`Sample ${tracing.wanted + 1} of ${frame.n} shows ${kind}, for ${percent} %.`);
}

/** Listens to the picture; returns a function that stops it. */
export function attachInput(stage) {
  const { canvas, camera } = stage;
  const ending = new AbortController();
  const on = (target, name, listener, options = {}) =>
    target.addEventListener(name, listener, { ...options, signal: ending.signal });

  /** The plot at a place, with the place as fractions from its left and its lower edge. */
  const plotAt = (clientX, clientY, nearest) => {
    const frame = canvas.getBoundingClientRect();
    const x = clientX - frame.left, y = clientY - frame.top;
    const plots = stage.layout?.plots ?? [];
    const plot = plots.find((p) => x >= p.x && x <= p.x + p.w && y >= p.y && y <= p.y + p.h) ?? (nearest ? plots[0] : null);
    return plot && { plot, fx: (x - plot.x) / plot.w, fy: 1 - (y - plot.y) / plot.h };
  };
  const within = ({ clientX, clientY }) => {
    const frame = canvas.getBoundingClientRect();
    return { x: clientX - frame.left, y: clientY - frame.top };
  };
  const read = (event) => {
    if (stage.frame) stage.reading.look(event && within(event), stage.frame, stage.picture.areas);
  };
  /** The particle at a place has its way shown; none has where there is no particle. */
  const follow = (event) => {
    const { frame, layout, tracing } = stage, { x, y } = within(event), finger = event.pointerType === "touch";
    const lane = layout?.plots.findIndex((p) => x >= p.x && x <= p.x + p.w && y >= p.y && y <= p.y + p.h) ?? -1;
    if (!frame || lane < 0 || lane >= frame.count || !stage.options.samples) return tracing.want(null);
    const plot = layout.plots[lane], place = { x: x - plot.x, y: y - plot.y };
    tracing.want(particleAt(place, plot, camera.now, stage.positions, lane * frame.n, frame.n, finger), finger);
  };
  const look = (next, atOnce) => {
    camera.look(next, atOnce);
    stage.looked();
  };
  const home = () => {
    camera.goHome();
    stage.looked();
  };

  on(canvas, "wheel", (event) => {
    const place = plotAt(event.clientX, event.clientY);
    if (!place) return;
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) {
      stage.words.advise(isCoarse() ? TWO_FINGERS : "Ctrl + wheel zooms, or click into the picture first");
      return; // the page scrolls
    }
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    const speed = event.ctrlKey && Math.abs(event.deltaY) < 40 ? 0.012 : 0.0022; // a pinch on a trackpad is many small ones
    const factor = Math.exp(-speed * Math.max(-250, Math.min(250, lines * event.deltaY)));
    look(zoomed(camera.goal, factor, place.fx, place.fy));
  }, { passive: false });

  let drag = null;
  on(canvas, "pointerdown", (event) => {
    if (event.pointerType === "touch") { // a tap, or a finger that moves along the curve
      read(event);
      follow(event);
    }
    const place = event.pointerType !== "touch" && event.button === 0 && plotAt(event.clientX, event.clientY);
    if (!place) return;
    drag = { id: event.pointerId, x: event.clientX, y: event.clientY, side: place.plot.w, camera: camera.now, going: false };
  });
  on(canvas, "pointermove", (event) => {
    read(event);
    if (event.pointerType !== "touch") {
      if (!drag?.going) follow(event);
      const inside = plotAt(event.clientX, event.clientY);
      canvas.style.cursor = drag?.going ? "grabbing" : inside ? "grab" : "";
    }
    if (!drag || event.pointerId !== drag.id) return;
    const dx = event.clientX - drag.x, dy = event.clientY - drag.y;
    if (!drag.going && Math.hypot(dx, dy) < 4) return;
    if (!drag.going) canvas.setPointerCapture(drag.id);
    drag.going = true;
    look(moved(drag.camera, -dx / drag.side, dy / drag.side), true);
  });
  on(canvas, "pointerleave", (event) => {
    if (event.pointerType === "touch") return;
    read(null);
    stage.tracing.want(null);
  });
  on(canvas, "blur", () => stage.tracing.want(null));
  const drop = () => { drag = null; };
  on(canvas, "pointerup", drop);
  on(canvas, "pointercancel", drop);
  on(canvas, "dblclick", home);

  // Two fingers. Touch events and not pointer events: they alone can take over from the page in the middle of a gesture.
  let pinch = null, lone = null;
  const middle = ([a, b]) => ({
    x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2,
    apart: Math.max(12, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)),
  });
  on(canvas, "touchstart", (event) => {
    lone = event.touches.length === 1 ? { x: event.touches[0].clientX, y: event.touches[0].clientY } : null;
    if (event.touches.length !== 2) return;
    const start = middle(event.touches), place = plotAt(start.x, start.y, true);
    if (place) pinch = { ...start, ...place, camera: camera.now };
    event.preventDefault();
  }, { passive: false });
  on(canvas, "touchmove", (event) => {
    if (pinch && event.touches.length === 2) {
      event.preventDefault();
      const now = middle(event.touches), side = pinch.plot.w;
      const nearer = zoomed(pinch.camera, now.apart / pinch.apart, pinch.fx, pinch.fy);
      look(moved(nearer, (pinch.x - now.x) / side, (now.y - pinch.y) / side), true);
    } else if (lone && plotAt(lone.x, lone.y) &&
        Math.hypot(event.touches[0].clientX - lone.x, event.touches[0].clientY - lone.y) > 24) {
      stage.words.advise(TWO_FINGERS);
      lone = null;
    }
  }, { passive: false });
  const lift = (event) => { if (event.touches.length < 2) pinch = null; };
  on(canvas, "touchend", lift);
  on(canvas, "touchcancel", lift);

  on(stage.root, "keydown", (event) => {
    if (event.target === canvas && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      if (event.key === "+" || event.key === "=") look(zoomed(camera.goal, 1.3));
      else if (event.key === "-" || event.key === "_") look(zoomed(camera.goal, 1 / 1.3));
      else if (event.shiftKey && arrows) look(moved(camera.goal, 0.1 * arrows[0], 0.1 * arrows[1]));
      else if (event.key === "Escape") canvas.blur();
      else if (event.key === "0") home();
      else if (event.key === "n" && stage.frame && stage.options.samples && stage.tracing.possible) nextSample(stage);
      else return void stage.key(event);
      event.preventDefault();
    } else {
      stage.key(event);
    }
  });
  on(stage.words.home, "click", () => {
    home();
    canvas.focus({ preventScroll: true });
  });
  return () => ending.abort();
}
