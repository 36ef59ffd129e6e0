// Connects the stage to a kernel, through anywidget. createStage and kernelLine come before this text: see view.py.
//
// Kernel -> browser: {kind: "frame", value}, where parts of the value that did not change are null.
// Browser -> kernel: {kind, view, visible, ...}: "hello" (send me the newest picture), "seen" (visible changed),
// "acknowledge" (seq was painted), "command" (a key was pressed in the stage), "gone".

function renderInJupyter({ model, el }) {
  el.classList.add("orw-jupyter");
  el.style.setProperty("--orw-height", `${model.get("height")}px`);
  el.innerHTML = '<div class="orw-stage"></div><p class="orw-notice" role="status"></p>';
  const [root, notice] = el.children;
  const { tell, begin, end } = kernelLine(model, el, notice);

  const stage = createStage(root, {
    acknowledge: async (run, seq) => { tell("acknowledge", { seq }); return true; },
    wake: () => tell("hello"),
    stateChanged: () => {},
    command: (name) => (name === "present" ? present() : tell("command", { name })),
  });
  stage.configure({ revealed: true }); // the true reward, if there is one, stands in the cell above
  const present = () => {
    const change = document.fullscreenElement ? document.exitFullscreen() : el.requestFullscreen?.();
    change?.catch(() => {}); // some hosts do not allow it
  };

  let value = model.get("first");
  const show = () => stage.receive(value);
  const onMessage = (message) => {
    if (message.kind !== "frame") return;
    const news = Object.entries(message.value).filter(([, part]) => part !== null);
    value = { ...value, ...Object.fromEntries(news) };
    show();
  };
  const onFullscreen = () => stage.configure({ present: document.fullscreenElement === el });
  // Jupyter's own shortcuts (r, s, arrows: change, move or delete cells) listen further up; Ctrl+S is still theirs
  const stopKey = (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); };

  for (const kind of ["keydown", "keypress", "keyup"]) el.addEventListener(kind, stopKey);
  el.addEventListener("fullscreenchange", onFullscreen);
  show();
  begin(onMessage);

  return () => {
    end();
    stage.destroy();
  };
}

export default { render: renderInJupyter };
