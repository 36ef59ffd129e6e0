/** Gives the sliders beside the stage a name and their value in words, which ipywidgets does not tell screen readers. */
function nameSliders(el) {
  let bar = null;
  const name = () => {
    for (const slider of bar.querySelectorAll(".widget-slider")) {
      const handle = slider.querySelector("[role=slider]"), words = slider.querySelector(".widget-readout")?.textContent;
      const label = slider.querySelector(".widget-label")?.textContent ?? "";
      if (handle && handle.getAttribute("aria-label") !== label) handle.setAttribute("aria-label", label);
      if (handle && words && handle.getAttribute("aria-valuetext") !== words) handle.setAttribute("aria-valuetext", words);
    }
  };
  const observer = new MutationObserver(name);
  const changes = { childList: true, subtree: true, characterData: true, attributeFilter: ["aria-valuetext"] };
  const search = setInterval(() => { // the widgets are put together in no particular order
    bar = el.closest(".orw-live")?.querySelector(".orw-bar");
    if (!bar) return;
    clearInterval(search);
    observer.observe(bar, changes);
    name();
  }, 200);
  return () => { clearInterval(search); observer.disconnect(); };
}
