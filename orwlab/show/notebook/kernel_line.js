/** A view's line to its kernel: tells it what happens here and whether anybody sees it, until `end`. */
function kernelLine(model, el, notice) {
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
  const onNotice = () => { notice.textContent = model.get("notice"); };
  const onSeen = () => tell("seen");
  const observer = new IntersectionObserver((entries) => {
    const now = entries[entries.length - 1].isIntersecting;
    if (now !== inside) { inside = now; onSeen(); }
  });
  let end = () => {};

  /** Says hello; `onMessage` is given what the kernel says from now on. */
  const begin = (onMessage) => {
    model.on("msg:custom", onMessage);
    model.on("change:notice", onNotice);
    document.addEventListener("visibilitychange", onSeen);
    observer.observe(el);
    onNotice();
    tell("hello");
    const forget = nameSliders(el);
    end = () => {
      tell("gone");
      forget();
      observer.disconnect();
      document.removeEventListener("visibilitychange", onSeen);
      model.off("msg:custom", onMessage);
      model.off("change:notice", onNotice);
    };
  };
  return { tell, begin, end: () => end() };
}
