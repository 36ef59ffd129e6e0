// Connects the stage to a kernel, through anywidget. createStage comes before this text: see view.py.
//
// Kernel -> browser: {kind: "frame", value}, where parts of the value that did not change are null.
// Browser -> kernel: {kind, view, visible, ...}: "hello" (send me the newest picture), "seen" (visible changed),
// "acknowledge" (seq was painted), "command" (a key was pressed in the stage), "gone".

function renderInJupyter({ model, el }) {
  el.classList.add("orw-jupyter");
  el.style.setProperty("--orw-height", `${model.get("height")}px`);
  el.innerHTML = '<div class="orw-stage"></div><p class="orw-notice" role="status"></p>';
  const [root, notice] = el.children;
  const view = crypto.getRandomValues(new Uint32Array(2)).join("-");
  let inside = true; // the part of the window that is on show
  const visible = () => inside && !document.hidden;
  const tell = (kind, more = {}) => model.send({ kind, view, visible: visible(), ...more });

  const stage = createStage(root, {
    acknowledge: async (run, seq) => { tell("acknowledge", { seq }); return true; },
    wake: () => tell("hello"),
    stateChanged: () => {},
    command: (name) => (name === "present" ? present() : tell("command", { name })),
  });
  const present = () => (document.fullscreenElement ? document.exitFullscreen() : el.requestFullscreen());

  let value = model.get("first");
  const show = () => stage.receive(value);
  const onMessage = (message) => {
    if (message.kind !== "frame") return;
    const news = Object.entries(message.value).filter(([, part]) => part !== null);
    value = { ...value, ...Object.fromEntries(news) };
    show();
  };
  const onNotice = () => { notice.textContent = model.get("notice"); };
  const onSeen = () => tell("seen");
  const stopKey = (event) => event.stopPropagation(); // Jupyter's own shortcuts listen further up
  const observer = new IntersectionObserver((entries) => {
    const now = entries[entries.length - 1].isIntersecting;
    if (now !== inside) { inside = now; onSeen(); }
  });

  model.on("msg:custom", onMessage);
  model.on("change:notice", onNotice);
  document.addEventListener("visibilitychange", onSeen);
  for (const kind of ["keydown", "keypress", "keyup"]) el.addEventListener(kind, stopKey);
  observer.observe(el);
  onNotice();
  show();
  tell("hello");

  return () => {
    tell("gone");
    observer.disconnect();
    document.removeEventListener("visibilitychange", onSeen);
    model.off("msg:custom", onMessage);
    model.off("change:notice", onNotice);
    stage.destroy();
  };
}

export default { render: renderInJupyter };
