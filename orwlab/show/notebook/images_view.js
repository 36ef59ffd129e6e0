// Connects the grids to a kernel, through anywidget. createGrids and kernelLine come before this text: see images.py.
//
// Kernel -> browser: {kind: "frame", value}, {kind: "path", ask, value}.
// Browser -> kernel: {kind, view, visible, ...}: "hello" (send me everything), "seen" (visible changed), "acknowledge"
// (seq was painted), "command" (a key), "path" (of an image; ask is its number), "gone".

const ANSWER_PATIENCE = 60000; // ms

const GRID_KEYS = { " ": "toggle", s: "step", r: "reset" };

function renderImages({ model, el }) {
  el.classList.add("orw-jupyter");
  el.innerHTML = '<div class="orw-grids" tabindex="-1"></div><p class="orw-notice" role="status"></p>';
  const [root, notice] = el.children;
  const { tell, begin, end } = kernelLine(model, el, notice);
  const asked = new Map(); // number -> what waits for the answer
  let count = 0;
  const grids = createGrids(root, {
    path: (lane, k) => new Promise((answer, fail) => {
      const ask = ++count;
      asked.set(ask, answer);
      tell("path", { lane, k, ask });
      setTimeout(() => { if (asked.delete(ask)) fail(new Error("late")); }, ANSWER_PATIENCE);
    }),
  });
  const onMessage = (message) => {
    if (message.kind === "frame") {
      grids.receive(message.value);
      tell("acknowledge", { seq: message.value.seq });
    } else if (message.kind === "path") {
      asked.get(message.ask)?.(message.value);
      asked.delete(message.ask);
    }
  };
  // Jupyter's own shortcuts (r, s: change or save cells) listen further up; those with Ctrl are still theirs
  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const button = event.target.closest("button, [role=gridcell]");
    const command = GRID_KEYS[event.key.toLowerCase()];
    if (event.type !== "keydown" || event.repeat || !command || (event.key === " " && button)) return;
    event.preventDefault();
    tell("command", { name: command });
  };
  for (const kind of ["keydown", "keypress", "keyup"]) el.addEventListener(kind, onKey);
  grids.receive(model.get("first"));
  begin(onMessage);

  return () => {
    end();
    grids.destroy();
  };
}

export default { render: renderImages };
