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

// Where legends and labels leave no room for what they are about, a figure is as wide as it needs, and scrolls.
const WIDTHS = [640, 760, 900];

async function draw(place) {
  const { data, layout } = JSON.parse(place.querySelector("script").textContent);
  const words = place.querySelector("img")?.alt ?? "";
  await loaded();
  const plot = document.createElement("div");
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", words);
  place.querySelector("script").remove();
  place.prepend(plot); // the picture stays for paper
  const fitting = { ...layout, width: undefined, autosize: true };
  await window.Plotly.newPlot(plot, data, fitting, { responsive: true, displaylogo: false });
  await fit(plot);
  place.classList.add("drawn");
  reach();
}

async function fit(plot) {
  let best = 0;
  let least = clashes(plot);
  for (const width of WIDTHS.filter((width) => width > plot.clientWidth)) {
    if (least === 0) break;
    plot.style.minWidth = `${width}px`;
    await window.Plotly.Plots.resize(plot);
    const found = clashes(plot);
    if (found < least) [best, least] = [width, found];
  }
  const chosen = best ? `${best}px` : "";
  if (plot.style.minWidth === chosen) return;
  plot.style.minWidth = chosen;
  await window.Plotly.Plots.resize(plot);
}

// How many texts of a figure leave it or lie over each other.
function clashes(plot) {
  const frame = plot.getBoundingClientRect();
  const boxes = [...plot.querySelectorAll("svg text")]
    .map((text) => text.getBoundingClientRect())
    .filter((box) => box.width > 0 && box.height > 0);
  const outside = boxes.filter((box) => box.left < frame.left - 1 || box.right > frame.right + 8).length;
  const over = boxes.map((one, k) =>
    boxes.slice(k + 1).filter((other) => {
      const width = Math.min(one.right, other.right) - Math.max(one.left, other.left);
      const height = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
      return width > 3 && height > 3;
    }).length,
  );
  return outside + over.reduce((sum, n) => sum + n, 0);
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

// The start page has the lab itself where it fits with its controls beside the stage; the frame is as tall as the lab, so
// that the page alone scrolls. Where there is less room, as on a phone, the lab keeps Play and alpha at the window's edge
// while one scrolls, which it cannot do in such a frame: there a picture leads to it. The picture stays until it is there.
const TALL = [300, 12000]; // pixels that a lab may say it needs
const pocket = document.querySelector(".orw-pocket");
if (pocket && matchMedia("(min-width: 80em)").matches) {
  const frame = document.createElement("iframe");
  frame.src = pocket.dataset.page;
  frame.name = "orwlab-whole"; // asks it to tell its height
  frame.title = "The Pocket lab";
  frame.className = "waiting";
  frame.allow = "fullscreen *; clipboard-write *"; // also from a disk, where it is of another origin
  frame.addEventListener("load", () => {
    const picture = pocket.querySelector("a"); // from now on it is for paper
    if (picture) picture.hidden = true;
    frame.className = "";
  });
  addEventListener("message", ({ source, data }) => {
    if (source !== frame.contentWindow || data?.about !== "height" || document.fullscreenElement) return;
    const { height } = data;
    if (Number.isFinite(height) && TALL[0] <= height && height <= TALL[1]) frame.style.height = `${height}px`;
  });
  pocket.append(frame);
}

// On paper stand the pictures, also those that nobody has scrolled to. Not every browser waits for them when it prints: they
// come when there is nothing else to do, half a megabyte of a notebook's.
function fetched() {
  for (const picture of document.querySelectorAll(":is(.orw-figure, .orw-still) img[loading=lazy]")) picture.loading = "eager";
}
addEventListener("beforeprint", fetched);
addEventListener("load", () => {
  if (!navigator.connection?.saveData) (window.requestIdleCallback ?? setTimeout)(fetched);
});

// What scrolls by itself can be reached with the keys.
function reach() {
  for (const box of document.querySelectorAll("article :is(pre, .formula, table, .orw-figure, .orw-box)")) {
    const wide = box.scrollWidth > box.clientWidth + 1;
    if (wide) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    box.classList.toggle("wide", wide); // the style sheet says so below pictures
  }
}
reach();
addEventListener("resize", reach);
