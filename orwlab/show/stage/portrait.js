// A stage as one picture, its words included, and what it shows as tables. Everything is made in the browser.

/** A canvas with what an element shows: its canvases, boxes and words. `scale`: pixels for one of the page's. */
export async function portraitOf(root, scale = 1) {
  const frame = root.getBoundingClientRect();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(frame.width * scale);
  canvas.height = Math.round(frame.height * scale);
  const ctx = canvas.getContext("2d");
  ctx.scale(scale, scale);
  ctx.translate(-frame.left, -frame.top);
  ctx.fillStyle = behindOf(root);
  ctx.fillRect(frame.left, frame.top, frame.width, frame.height);
  await paintElement(ctx, root);
  return canvas;
}

/** The first background behind an element that one cannot see through. */
function behindOf(element) {
  for (let node = element; node; node = node.parentElement) {
    const { backgroundColor } = getComputedStyle(node);
    if (opacityOf(backgroundColor) > 0.5) return backgroundColor;
  }
  return "#ffffff";
}

function opacityOf(color) {
  const parts = color.match(/[\d.]+/g) ?? [];
  return parts.length < 3 ? 0 : Number(parts[3] ?? 1);
}

async function paintElement(ctx, element) {
  const style = getComputedStyle(element), box = element.getBoundingClientRect();
  const unseen = style.display === "none" || style.visibility === "hidden" || style.opacity === "0" ||
    style.clipPath.startsWith("inset(50%") || (!box.width && !box.height);
  if (unseen) return;
  if (element.tagName === "CANVAS") return void ctx.drawImage(element, box.left, box.top, box.width, box.height);
  if (element.tagName.toLowerCase() === "svg") return paintSvg(ctx, element, box);
  paintBox(ctx, style, box);
  const clipped = style.overflowX !== "visible";
  if (clipped) {
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left, box.top, box.width, box.height);
    ctx.clip();
  }
  for (const node of element.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) paintText(ctx, node, style);
    else if (node.nodeType === Node.ELEMENT_NODE) await paintElement(ctx, node);
  }
  if (clipped) ctx.restore();
}

function paintBox(ctx, style, box) {
  const radius = Math.min(parseFloat(style.borderTopLeftRadius) * (style.borderTopLeftRadius.endsWith("%") ? box.width / 100 : 1) || 0,
    box.width / 2, box.height / 2);
  const outline = (inset) => {
    ctx.beginPath();
    ctx.roundRect(box.left + inset, box.top + inset, box.width - 2 * inset, box.height - 2 * inset, Math.max(0, radius - inset));
  };
  const colors = style.backgroundImage.startsWith("linear-gradient") ? style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? [] : [];
  if (colors.length > 1) {
    const ramp = ctx.createLinearGradient(box.left, 0, box.right, 0);
    colors.forEach((color, k) => ramp.addColorStop(k / (colors.length - 1), color));
    ctx.fillStyle = ramp;
    outline(0);
    ctx.fill();
  } else if (opacityOf(style.backgroundColor) > 0) {
    ctx.fillStyle = style.backgroundColor;
    outline(0);
    ctx.fill();
  }
  const widths = ["Top", "Right", "Bottom", "Left"].map((side) => parseFloat(style[`border${side}Width`]));
  if (widths.every((width) => width > 0 && width === widths[0])) {
    ctx.strokeStyle = style.borderTopColor;
    ctx.lineWidth = widths[0];
    outline(widths[0] / 2);
    ctx.stroke();
  } else {
    const edges = [[box.left, box.top, box.width, widths[0]], [box.right - widths[1], box.top, widths[1], box.height],
      [box.left, box.bottom - widths[2], box.width, widths[2]], [box.left, box.top, widths[3], box.height]];
    ["Top", "Right", "Bottom", "Left"].forEach((side, k) => {
      ctx.fillStyle = style[`border${side}Color`];
      if (widths[k] > 0) ctx.fillRect(...edges[k]);
    });
  }
}

/** Word by word, each where the page has it: lines break where they break there. */
function paintText(ctx, node, style) {
  const range = document.createRange();
  ctx.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
  ctx.fillStyle = style.color;
  ctx.textAlign = "left";
  ctx.textBaseline = "alphabetic";
  const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = ctx.measureText("x");
  for (const word of node.textContent.matchAll(/\S+/g)) {
    range.setStart(node, word.index);
    range.setEnd(node, word.index + word[0].length);
    const [box] = range.getClientRects();
    if (box?.width) ctx.fillText(word[0], box.left, box.top + (box.height - up - down) / 2 + up);
  }
}

async function paintSvg(ctx, element, box) {
  const copy = element.cloneNode(true);
  const parts = [element, ...element.querySelectorAll("*")], copies = [copy, ...copy.querySelectorAll("*")];
  parts.forEach((part, k) => { // an image knows nothing of the page's style
    const { fill, stroke, strokeWidth, strokeDasharray, color } = getComputedStyle(part);
    copies[k].setAttribute("style", `fill:${fill};stroke:${stroke};stroke-width:${strokeWidth};stroke-dasharray:${strokeDasharray};color:${color}`);
  });
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", box.width);
  copy.setAttribute("height", box.height);
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(copy))}`;
  await image.decode();
  ctx.drawImage(image, box.left, box.top, box.width, box.height);
}

const quotedCell = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const rowsOf = (rows) => `${rows.map((row) => row.map((cell) => quotedCell(String(cell))).join(",")).join("\r\n")}\r\n`;
const short = (value) => String(Number(value.toPrecision(7))); // they travelled in 32 bits

/** The curves of a frame as CSV: a row for each lane, quantity and round. */
export function curvesCsv(frame) {
  const rows = [["lane", "quantity", "round", "value"]];
  for (const panel of frame.panels) {
    for (const { name, lanes } of panel.lines) {
      const quantity = panel.lines.length > 1 ? name : panel.title;
      lanes.forEach(({ ys }, k) => ys.forEach((y, i) => {
        if (y > panel.floor) rows.push([frame.lanes[k].label, quantity, panel.xs[i], short(panel.log ? 10 ** y : y)]);
      }));
    }
  }
  return rowsOf(rows);
}

/** The particles of a frame as CSV: a row each. */
export function particlesCsv(frame) {
  const { count, n, arrays: { x } } = frame, rows = [["lane", "particle", "x", "y"]];
  for (let k = 0; k < count; k++) {
    for (let i = 0; i < n; i++) {
      const at = 2 * (k * n + i);
      rows.push([frame.lanes[k].label, i + 1, short(x.data[at]), short(x.data[at + 1])]);
    }
  }
  return rowsOf(rows);
}
