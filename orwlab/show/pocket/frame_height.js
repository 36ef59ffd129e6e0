// In a frame as tall as the page in it, nothing scrolls but the page around. That one asks for it by the frame's name, see
// `pocket_page.py`, and is told the height: where the two come from a disk it cannot look itself.

/** Tells the page around how tall `main` is, now and whenever that changes; nothing while the stage fills the screen. */
export function tellHeight(main) {
  const { classList } = document.documentElement;
  if (!classList.contains("whole")) return;
  const tell = () => {
    if (document.fullscreenElement || classList.contains("lab-presents")) return;
    window.parent.postMessage({ about: "height", height: Math.ceil(main.getBoundingClientRect().height) }, "*"); // no secret
  };
  new ResizeObserver(tell).observe(main);
  document.addEventListener("fullscreenchange", tell);
  tell();
}
