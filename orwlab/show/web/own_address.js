// Called in the page's head. `path` is what the server knows of its address, without a slash at its end: what stands
// before it in the browser's is what a proxy has hidden.
(path) => {
  const here = location.pathname.replace(/\/$/, "");
  const root = location.origin + (path && here.endsWith(path) ? here.slice(0, -path.length) : here);
  if (!location.pathname.endsWith("/") && !path) document.querySelector("base").href = `${location.pathname}/`;
  let config;
  Object.defineProperty(window, "gradio_config", {
    configurable: true,
    get: () => config,
    set: (given) => { config = { ...given, root }; },
  });
  // without its scripts a page stays white, and nobody knows why
  const say = () => {
    document.body.innerHTML = '<p role="alert" style="max-width: 40em; margin: 4em auto; padding: 0 1em">' +
      "This page cannot load its own scripts. Load it again; if that does not help and it comes through a proxy, the " +
      "proxy has to pass on everything below this address.</p>";
  };
  addEventListener("error", ({ target }) => {
    if (target?.tagName !== "SCRIPT" || !target.src.includes("/assets/")) return;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", say);
    else say();
  }, true);
}
