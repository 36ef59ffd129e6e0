// Draws the figures of a notebook's page with the one local copy of plotly, each when it comes near the window.
// Until then, and without scripts, a committed picture stands in its place.
const here = document.currentScript.src;
const drawn = document.querySelector(".orw-plotly") && new Promise((resolve) => {
  const script = document.createElement("script");
  script.src = new URL("plotly.min.js", here).href;
  script.onload = resolve;
  document.head.append(script);
});
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    const figure = JSON.parse(entry.target.querySelector("script").textContent);
    const layout = { ...figure.layout, width: undefined, autosize: true };
    drawn.then(() => (entry.target.replaceChildren(), window.Plotly.newPlot(entry.target, figure.data, layout, { responsive: true, displaylogo: false })));
  }
}, { rootMargin: "600px" });
for (const place of document.querySelectorAll(".orw-plotly")) watcher.observe(place);
