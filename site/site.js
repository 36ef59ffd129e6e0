// Draws the figures of a notebook's page with the one local copy of plotly, each when it comes near the window.
// Until then, and without scripts, a committed picture stands in its place.
const here = document.currentScript.src;
let plotly = null;

function loaded() {
  plotly ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", here).href;
    script.onload = resolve;
    document.head.append(script);
  });
  return plotly;
}

async function draw(place) {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  const words = place.querySelector("img")?.alt ?? "";
  await loaded();
  const plot = document.createElement("div");
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", words);
  const panels = Object.keys(layout).filter((name) => name.startsWith("xaxis")).length;
  if (panels > 1) plot.style.minWidth = `${Math.min(180 * panels, 560)}px`; // on a phone they scroll
  place.replaceChildren(plot);
  const fitting = { ...layout, width: undefined, autosize: true };
  await window.Plotly.newPlot(plot, data, fitting, { responsive: true, displaylogo: false });
  place.classList.add("drawn");
  reach();
}

const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      draw(target);
    }
  },
  { rootMargin: "600px" },
);
for (const place of document.querySelectorAll(".orw-figure")) watcher.observe(place);

// The start page has the lab itself where there is room for it; on a phone a frame would be a second thing to scroll.
const pocket = document.querySelector(".orw-pocket");
if (pocket && matchMedia("(min-width: 64rem)").matches) {
  const frame = document.createElement("iframe");
  frame.src = pocket.dataset.page;
  frame.title = "The Pocket lab";
  pocket.replaceChildren(frame);
}

// What scrolls by itself can be reached with the keys.
function reach() {
  for (const box of document.querySelectorAll("article :is(pre, .formula, table, .orw-figure)")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
reach();
addEventListener("resize", reach);
