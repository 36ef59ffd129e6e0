// Particles, written straight into the pixels of a plot. Thousands of calls to the canvas a painting would cost ten
// times as much where no graphics card helps, and a classroom's laptops are such machines.

const PHASES = 4; // places within a pixel, along each axis: slow particles creep instead of hopping

/**
 * The stamps of one colour: a dot with a thin rim, which keeps yellow legible on white and blue on black.
 *
 * -> {side, phases}: for each place within a pixel, side x side pixels as pairs (colour times opacity without green,
 * green times opacity, 256 - opacity), as `stampAll` needs them.
 */
export function makeStamps(color, rim, radius, ratio, opacity = 0.9) {
  const reach = radius * ratio + 1, side = Math.ceil(2 * reach) + 2;
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const phases = [];
  for (let k = 0; k < PHASES * PHASES; k++) {
    const x = side / 2 + ((k % PHASES) + 0.5) / PHASES - 0.5, y = side / 2 + (Math.floor(k / PHASES) + 0.5) / PHASES - 0.5;
    context.clearRect(0, 0, side, side);
    context.beginPath();
    context.arc(x, y, radius * ratio, 0, 2 * Math.PI);
    context.fillStyle = color;
    context.globalAlpha = opacity;
    context.fill();
    context.lineWidth = Math.min(0.6, 0.22 * radius) * ratio;
    context.strokeStyle = rim;
    context.stroke();
    phases.push(premultiplied(context.getImageData(0, 0, side, side).data));
  }
  return { side, phases };
}

function premultiplied(rgba) {
  const parts = new Uint32Array((3 * rgba.length) / 4);
  for (let i = 0, k = 0; i < rgba.length; i += 4, k += 3) {
    const a = Math.round((rgba[i + 3] * 256) / 255);
    parts[k] = (rgba[i] + rgba[i + 2] * 65536) * a; // pixels are little-endian: red is the lowest byte
    parts[k + 1] = rgba[i + 1] * 256 * a;
    parts[k + 2] = 256 - a;
  }
  return parts;
}

/**
 * Stamps particles [first, last) of `xy` (x0, y0, x1, y1, ...) into `pixels` (Uint32Array, width x height). `view` is
 * the camera [x0, x1, y0, y1]; a label chooses the stamps. Returns how many particles are in view.
 */
export function stampAll(pixels, width, height, [x0, x1, y0, y1], xy, first, last, labels, stamps) {
  const sx = width / (x1 - x0), sy = height / (y1 - y0), kinds = stamps.length;
  let visible = 0;
  for (let p = first; p < last; p++) {
    const x = (xy[2 * p] - x0) * sx, y = (y1 - xy[2 * p + 1]) * sy;
    if (!(x >= 0 && x < width && y >= 0 && y < height)) continue;
    visible++;
    const { side, phases } = stamps[(labels?.[p - first] ?? 0) % kinds];
    const column = Math.floor(x), row = Math.floor(y), half = side >> 1;
    const parts = phases[Math.floor((y - row) * PHASES) * PHASES + Math.floor((x - column) * PHASES)];
    const left = column - half, top = row - half;
    const from = Math.max(0, -left), to = Math.min(side, width - left);
    for (let j = Math.max(0, -top), end = Math.min(side, height - top); j < end; j++) {
      let at = (top + j) * width + left + from, k = 3 * (j * side + from);
      for (let i = from; i < to; i++, at++, k += 3) {
        const rest = parts[k + 2];
        if (rest === 256) continue;
        const under = pixels[at];
        const redBlue = (parts[k] + (under & 0xff00ff) * rest) >>> 8, green = (parts[k + 1] + (under & 0xff00) * rest) >>> 8;
        pixels[at] = (0xff000000 | (redBlue & 0xff00ff) | (green & 0xff00)) >>> 0;
      }
    }
  }
  return visible;
}
