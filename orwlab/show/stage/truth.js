// A true reward beside the proxy that is paid for: until somebody reveals it, nothing of it is shown or told.

const SECRET = "truth"; // of its number, its curve and its ground
const kept = new WeakMap(); // frame -> what may be shown of it

/** A frame without what has not been revealed; itself where there is nothing of that. */
export function unrevealed(frame) {
  const open = (numbers) => numbers.filter(({ key }) => key !== SECRET);
  const panels = frame.panels.filter(({ lines }) => lines[0].series !== SECRET);
  if (panels.length === frame.panels.length && frame.lanes.every(({ numbers }) => open(numbers).length === numbers.length)) return frame;
  if (!kept.has(frame)) {
    kept.set(frame, { ...frame, panels, lanes: frame.lanes.map((lane) => ({ ...lane, numbers: open(lane.numbers) })) });
  }
  return kept.get(frame);
}

/**
 * The name of the ground that is drawn: the reward's where the true one is wanted and is not there, or not revealed, and
 * where pictures are wanted and the plane has none.
 */
export function groundOf(scene, { background, revealed }) {
  if (background === "pictures") return scene?.pictures ? background : "reward";
  return background === SECRET && !(revealed && scene?.[SECRET]) ? "reward" : background;
}
