// Connects the stage to a kernel, through anywidget. createStage and nameSliders come before this text: see view.py.
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
  const tell = (kind, more = {}) => {
    try {
      model.send({ kind, view, visible: visible(), ...more });
    } catch {
      // the widget was closed, or its kernel has gone: there is nobody to tell
    }
  };

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
  const onNotice = () => { notice.textContent = model.get("notice"); };
  const onSeen = () => tell("seen");
  const onFullscreen = () => stage.configure({ present: document.fullscreenElement === el });
  // Jupyter's own shortcuts (r, s, arrows: change, move or delete cells) listen further up; Ctrl+S is still theirs
  const stopKey = (event) => { if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation(); };
  const observer = new IntersectionObserver((entries) => {
    const now = entries[entries.length - 1].isIntersecting;
    if (now !== inside) { inside = now; onSeen(); }
  });

  model.on("msg:custom", onMessage);
  model.on("change:notice", onNotice);
  document.addEventListener("visibilitychange", onSeen);
  for (const kind of ["keydown", "keypress", "keyup"]) el.addEventListener(kind, stopKey);
  el.addEventListener("fullscreenchange", onFullscreen);
  observer.observe(el);
  onNotice();
  show();
  tell("hello");
  const forget = nameSliders(el);

  return () => {
    tell("gone");
    forget();
    observer.disconnect();
    document.removeEventListener("visibilitychange", onSeen);
    model.off("msg:custom", onMessage);
    model.off("change:notice", onNotice);
    stage.destroy();
  };
}

export default { render: renderInJupyter };
