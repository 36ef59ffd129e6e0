// Run by test_frames.py, which writes frames with Python and names their folder in ORWLAB_FRAMES.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { contourSegments } from "../orwlab/show/stage/contours.js";
import { decodeFrame } from "../orwlab/show/stage/decode.js";
import { layoutOf, niceTicks } from "../orwlab/show/stage/draw.js";

const read = (name) => readFileSync(join(process.env.ORWLAB_FRAMES, name), "utf8");

test("a frame made by Python decodes to the same header and numbers", () => {
  const expected = JSON.parse(read("expected.json"));
  const { meta, arrays } = decodeFrame(read("frame.txt"));
  assert.deepEqual(meta, expected.meta);
  assert.deepEqual(Object.keys(arrays), Object.keys(expected.arrays));
  for (const [name, { shape, values }] of Object.entries(expected.arrays)) {
    assert.deepEqual(arrays[name].shape, shape);
    assert.equal(arrays[name].data.length, values.length);
    values.forEach((value, i) => assert.ok(
      Math.abs(arrays[name].data[i] - value) <= 1e-6 * (1 + Math.abs(value)), `${name}[${i}]`));
  }
});

test("what is not a whole frame is refused", () => {
  const frame = read("frame.txt");
  assert.throws(() => decodeFrame(btoa("something else")), /not a frame/);
  assert.throws(() => decodeFrame(btoa(atob(frame).slice(0, -40))), /ends inside array/);
  assert.throws(() => decodeFrame("no base64 !"));
});

test("the contour of a cone is a circle", () => {
  const n = 81, middle = 40, radius = 23.4;
  const cone = new Float32Array(n * n);
  for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) cone[j * n + i] = -Math.hypot(i - middle, j - middle);
  const segments = contourSegments(cone, n, n, -radius);
  let length = 0;
  for (let k = 0; k < segments.length; k += 4) {
    const [x0, y0, x1, y1] = segments.slice(k, k + 4);
    assert.ok(Math.abs(Math.hypot(x0 - middle, y0 - middle) - radius) < 0.02);
    length += Math.hypot(x1 - x0, y1 - y0);
  }
  assert.ok(Math.abs(length - 2 * Math.PI * radius) < 0.01 * 2 * Math.PI * radius); // closed, and nothing twice
});

test("ticks are round numbers inside the limits", () => {
  assert.deepEqual(niceTicks(-5, 5, 5).ticks, [-4, -2, 0, 2, 4]);
  for (const [low, high] of [[-7.5, 7.5], [0.34, 0.41], [0, 12345], [-1e-3, 2e-3]]) {
    const { ticks, step } = niceTicks(low, high, 5);
    assert.ok(ticks.length >= 2 && ticks.length <= 11);
    assert.ok(ticks.every((t) => t >= low - 1e-6 * step && t <= high + 1e-6 * step));
    assert.match((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(6), /^(1|2|5)\.0+$/);
  }
});

test("the parts of the picture are inside it and do not overlap, from a phone to a projector", () => {
  for (const [width, height] of [[320, 480], [362, 560], [700, 870], [760, 600], [935, 510], [1500, 870], [2400, 1000]]) {
    const { plot, tiles, panels } = layoutOf(width, height);
    assert.equal(plot.w, plot.h);
    const boxes = [plot, ...tiles, ...panels];
    for (const b of boxes) {
      assert.ok(b.w > 0 && b.h > 0 && b.x >= 0 && b.y >= 0 && b.x + b.w <= width + 1 && b.y + b.h <= height + 1,
        `${width} x ${height}: ${JSON.stringify(b)}`);
    }
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => assert.ok(
      a.x + a.w <= b.x + 1 || b.x + b.w <= a.x + 1 || a.y + a.h <= b.y + 1 || b.y + b.h <= a.y + 1,
      `${width} x ${height}: ${JSON.stringify(a)} ${JSON.stringify(b)}`)));
  }
});
