// Run by test_frames.py, which writes frames with Python and names their folder in ORWLAB_FRAMES.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";

import { Camera, alike, limited, moved, zoomed } from "../orwlab/show/stage/camera.js";
import { contourSegments, refined } from "../orwlab/show/stage/contours.js";
import { decodeFrame } from "../orwlab/show/stage/decode.js";
import { arrowScale } from "../orwlab/show/stage/draw.js";
import { readFlow, seenAt, weightsAt } from "../orwlab/show/stage/flow.js";
import { rangeOf, roundEnd, ticksOf } from "../orwlab/show/stage/axes.js";
import { commandOf } from "../orwlab/show/stage/input.js";
import { isNarrow, layoutOf } from "../orwlab/show/stage/layout.js";
import { readExact, readFrame, readScene } from "../orwlab/show/stage/message.js";
import { Glide, Pace } from "../orwlab/show/stage/motion.js";
import { formsOf, niceTicks, said, tickLabel } from "../orwlab/show/stage/numerals.js";
import { drawCurves } from "../orwlab/show/stage/panels.js";
import { pictureAt, seenIn } from "../orwlab/show/stage/glimpse.js";
import { modeName, modePlaces } from "../orwlab/show/stage/modes.js";
import { Room } from "../orwlab/show/stage/places.js";
import { THEMES } from "../orwlab/show/stage/theme.js";
import { particleAt } from "../orwlab/show/stage/tracing.js";
import { summaryOf } from "../orwlab/show/stage/words.js";

const read = (name) => readFileSync(join(process.env.ORWLAB_FRAMES, name), "utf8");
const close = (a, b, within = 1e-9) => assert.ok(Math.abs(a - b) <= within, `${a} is not ${b}`);

/** A message with this header and these arrays of numbers, as frames.py packs it. */
function pack(meta, arrays) {
  const described = Object.entries(arrays).map(([name, { shape }]) => ({ name, type: "float32", shape }));
  const header = new TextEncoder().encode(JSON.stringify({ meta, arrays: described }));
  const padded = Math.ceil(header.length / 4) * 4;
  const data = Float32Array.from(Object.values(arrays).flatMap(({ values }) => values));
  const bytes = new Uint8Array(8 + padded + data.byteLength).fill(32);
  bytes.set(new TextEncoder().encode("ORW1"));
  new DataView(bytes.buffer).setUint32(4, padded, true);
  bytes.set(header, 8);
  bytes.set(new Uint8Array(data.buffer), 8 + padded);
  return btoa(String.fromCharCode(...bytes));
}

const PLAIN = { view: [-5, 5, -5, 5], state: "running", round: 3 };
const POINTS = { x: { shape: [2, 2], values: [0, 0, 1, 1] } };

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
  assert.throws(() => decodeFrame(pack(PLAIN, { x: { shape: [1, 2], values: [0, NaN] } })), /not finite/);
  assert.throws(() => decodeFrame(pack(PLAIN, { x: { shape: [-1, 2], values: [0, 0] } })), /shape/);
});

test("the lab's message holds what Python put into it, lane by lane", () => {
  const frame = readFrame(read("lab.txt"));
  assert.equal(frame.count, 2);
  assert.deepEqual(frame.lanes.map(({ label }) => label), ["α = 0.3", "α = 1"]);
  assert.equal(frame.lanes[1].banner.title, "It has collapsed.");
  assert.deepEqual(frame.lanes[0].numbers.map(({ key, exact, spread }) => [key, exact, spread]),
    [["reward", "0.67", "±0.012"], ["ess", null, null]]);
  assert.deepEqual(frame.numbers.map(({ value }) => value), ["12"]);
  assert.equal(frame.time, 0.5);
  assert.equal(frame.mode, "both");
  const [reward, distance] = frame.panels;
  assert.deepEqual(reward.lines[0].lanes.map(({ value }) => value), ["0.25", "0.50"]);
  assert.deepEqual([...reward.lines[0].lanes[1].ys], [0, 0.5]);
  assert.deepEqual([reward.exact[0].label, reward.exact[1]], ["exact limit 0.67", null]);
  assert.deepEqual(distance.lines.map(({ name }) => name), ["W₂²", "bound"]);
  close(distance.lines[1].lanes[0].ys[1], 9, 1e-5); // log10 of 1e9
  assert.ok(distance.lines[0].lanes[0].ys[0] < distance.floor); // a distance of zero is left out
  assert.deepEqual([...distance.xs], [10, 12]);
  assert.deepEqual(frame.arrays.paths.shape, [2, 3, 4, 2]);
  assert.deepEqual([...frame.arrays.mode_mass_exact.data].map((v) => Math.round(100 * v) / 100), [0.25, 0.75, -1, -1]);
  const summary = summaryOf(frame);
  assert.match(summary, /^Running, round 12\. Flow time 0\.50\. α = 0\.3: Mean reward 0\.25 \(exact limit 0\.67\)\./);
  assert.match(summary, /α = 1: Mean reward 0\.50\. It has collapsed\./);
  assert.doesNotMatch(summaryOf(frame, new Set(["It has collapsed. Try a larger α."])), /collapsed/); // told before
});

test("messages that do not fit together are refused before anything is drawn", () => {
  assert.equal(readFrame(pack(PLAIN, POINTS)).count, 1);
  const refused = [
    [PLAIN, {}], [{ ...PLAIN, view: undefined }, POINTS], [{ ...PLAIN, view: [1, 1, 0, 2] }, POINTS],
    [PLAIN, { x: { shape: [5, 1, 2], values: Array(10).fill(0) } }],
    [{ ...PLAIN, lanes: [{}, {}] }, POINTS],
    [{ ...PLAIN, curves: [{ series: "reward" }] }, POINTS],
    [{ ...PLAIN, curves: [{ series: "r" }] }, { ...POINTS, rounds: { shape: [2], values: [0, 1] }, r: { shape: [3], values: [1, 2, 3] } }],
    [PLAIN, { ...POINTS, arrows: { shape: [1, 2, 3], values: Array(6).fill(0) } }],
    [PLAIN, { ...POINTS, mode_mass: { shape: [2, 2], values: Array(4).fill(0) } }],
  ];
  for (const [meta, arrays] of refused) assert.throws(() => readFrame(pack(meta, arrays)), Error, JSON.stringify(meta));
  assert.throws(() => readScene(pack(PLAIN, POINTS)), /scene/);
});

test("the exact limits come with their contours where the density is", () => {
  const [lane, none] = readExact(read("exact.txt"));
  assert.equal(none, null);
  assert.equal(lane.resolved, true);
  assert.equal(lane.contours.length, 2);
  for (const segments of lane.contours) {
    for (let i = 0; i < segments.length; i += 2) {
      // a Gaussian around (1.5, -1), not around (-1, 1.5): rows are y
      close(Math.hypot(segments[i] - 1.5, segments[i + 1] + 1), lane.contours[0] === segments ? 1.517 : 0.832, 0.06);
    }
  }
});

test("the contour of a cone is a circle", () => {
  const n = 81, centre = 40, radius = 23.4;
  const cone = new Float32Array(n * n);
  for (let j = 0; j < n; j++) for (let i = 0; i < n; i++) cone[j * n + i] = -Math.hypot(i - centre, j - centre);
  const segments = contourSegments(cone, n, n, -radius);
  let length = 0;
  for (let k = 0; k < segments.length; k += 4) {
    const [x0, y0, x1, y1] = segments.slice(k, k + 4);
    assert.ok(Math.abs(Math.hypot(x0 - centre, y0 - centre) - radius) < 0.02);
    length += Math.hypot(x1 - x0, y1 - y0);
  }
  assert.ok(Math.abs(length - 2 * Math.PI * radius) < 0.01 * 2 * Math.PI * radius); // closed, and nothing twice
});

test("a finer grid goes through the values, and is exact for quadratics inside", () => {
  const rows = 7, columns = 9, f = (x, y) => 1 + 2 * x - y + 0.3 * x * x - 0.2 * x * y + 0.1 * y * y;
  const coarse = Float32Array.from({ length: rows * columns }, (_, k) => f(k % columns, Math.floor(k / columns)));
  const fine = refined(coarse, rows, columns, 3);
  assert.deepEqual([fine.rows, fine.columns], [19, 25]);
  for (let j = 0; j < fine.rows; j++) {
    for (let i = 0; i < fine.columns; i++) {
      const x = i / 3, y = j / 3, inside = x >= 1 && x <= columns - 2 && y >= 1 && y <= rows - 2;
      if (inside || (i % 3 === 0 && j % 3 === 0)) close(fine.values[j * fine.columns + i], f(x, y), 1e-4);
    }
  }
});

test("ticks are round numbers inside the limits", () => {
  assert.deepEqual(niceTicks(-5, 5, 5).ticks, [-4, -2, 0, 2, 4]);
  for (const [low, high] of [[-7.5, 7.5], [0.34, 0.41], [0, 12345], [-1e-3, 2e-3]]) {
    const { ticks, step } = niceTicks(low, high, 5);
    assert.ok(ticks.length >= 2 && ticks.length <= 11);
    assert.ok(ticks.every((t) => t >= low - 1e-6 * step && t <= high + 1e-6 * step));
    assert.match((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(6), /^(1|2|5)\.0+$/);
  }
  assert.deepEqual([tickLabel(-1e-17, 0.5), tickLabel(-2, 1), tickLabel(0.25, 0.05)], ["0.0", "−2", "0.25"]);
});

const SIZES = [[330, 700], [366, 700], [390, 844], [520, 700], [619, 700], [640, 480], [735, 520], [768, 900], [799, 600],
  [820, 480], [935, 510], [1100, 400], [1240, 510], [1500, 870], [1880, 1000], [2400, 1000], [1000, 1000]];

test("the parts of the picture are inside it and do not overlap, from a phone to a projector", () => {
  for (const [width, given] of SIZES) {
    for (const lanes of [1, 2, 3, 4]) {
      for (const present of [false, true]) {
        for (const [panels, session, lane] of [[4, 2, 6], [2, 2, 2], [3, 0, 8], [0, 0, 0]]) {
          const wish = { lanes, present, panels, session, lane };
          const layout = layoutOf(width, given, wish);
          const { plots, heads, numbers, height } = layout, name = `${width} x ${given} ${JSON.stringify(wish)}`;
          assert.equal(layout.narrow, isNarrow(width, lanes));
          if (!layout.narrow) assert.equal(height, given);
          assert.equal(plots.length, lanes);
          assert.ok(layout.small >= 13, name);
          for (const plot of plots) assert.equal(plot.w, plot.h);
          assert.ok(plots[0].w >= (lanes === 1 ? 180 : 110), `${name}: ${plots[0].w}`);
          const boxes = [...plots, ...heads, numbers, ...layout.panels.flatMap(({ head, body }) => [head, body])];
          for (const b of boxes.filter(({ w, h }) => w && h)) {
            assert.ok(b.w > 0 && b.h > 0 && b.x >= 0 && b.y >= 0 && b.x + b.w <= width + 1 && b.y + b.h <= height + 1,
              `${name}: ${JSON.stringify(b)}`);
          }
          boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => assert.ok(
            a.x + a.w <= b.x + 1 || b.x + b.w <= a.x + 1 || a.y + a.h <= b.y + 1 || b.y + b.h <= a.y + 1,
            `${name}: ${JSON.stringify(a)} ${JSON.stringify(b)}`)));
          for (const { body } of layout.panels) assert.ok(body.h >= 4.5 * layout.size && body.w >= 9 * layout.size, name);
        }
      }
    }
  }
});

test("two lanes are beside each other on a wide picture, four of them two by two on a square one", () => {
  const columns = (width, height, lanes) => layoutOf(width, height, { lanes, panels: 4 }).columns;
  assert.equal(columns(1500, 700, 2), 2);
  assert.equal(columns(1000, 950, 4), 2);
  assert.equal(columns(1700, 560, 4), 4);
  assert.equal(columns(366, 700, 1), 1);
  assert.equal(columns(366, 700, 4), 2);
});

test("zooming keeps the point under the pointer where it is", () => {
  const camera = [-5, 5, -4, 6];
  for (const [factor, fx, fy] of [[1.3, 0.2, 0.9], [0.4, 0.5, 0.1], [8, 1, 0]]) {
    const next = zoomed(camera, factor, fx, fy);
    close(next[0] + fx * (next[1] - next[0]), -5 + 10 * fx);
    close(next[2] + fy * (next[3] - next[2]), -4 + 10 * fy);
    close(next[1] - next[0], 10 / factor);
    assert.ok(alike(zoomed(next, 1 / factor, fx, fy), camera));
  }
  assert.deepEqual(moved(camera, 0.1, -0.2), [-4, 6, -6, 4]);
});

test("nobody can get lost", () => {
  const home = [-5, 5, -5, 5];
  for (const camera of [zoomed(home, 1e6), zoomed(home, 1e-6), moved(home, 90, -90), zoomed(moved(home, 3, 0), 400)]) {
    const [x0, x1, y0, y1] = limited(camera, home);
    assert.ok(x1 - x0 > 0.1 && x1 - x0 <= 40.001);
    close(x1 - x0, y1 - y0, 1e-6);
    assert.ok(Math.abs(x0 + x1) <= 10.001 && Math.abs(y0 + y1) <= 10.001); // its middle is over the home square
  }
  assert.deepEqual(limited([-1, 2, -2, 1], home).map((c) => Math.round(1e6 * c) / 1e6), [-1, 2, -2, 1]);
});

test("the camera glides, follows the frames until somebody zooms, and comes home", () => {
  const camera = new Camera([-5, 5, -5, 5]);
  camera.follow([-10, 10, -10, 10]);
  const widths = [];
  for (let k = 0; k < 200 && !camera.settled; k++) {
    camera.step(16);
    widths.push(camera.now[1] - camera.now[0]);
  }
  assert.ok(camera.settled && widths.every((w, k) => k === 0 || w >= widths[k - 1]) && widths[0] < 13);
  camera.look([0, 2, 0, 2], true);
  camera.follow([-20, 20, -20, 20]);
  assert.deepEqual(camera.goal, [0, 2, 0, 2]);
  camera.goHome();
  camera.step(16, true);
  assert.deepEqual(camera.now, [-20, 20, -20, 20]);
});

test("what moves starts where it is drawn, ends where the newest frame has it, and never jumps", () => {
  const glide = new Glide();
  glide.aim(Float32Array.of(0, 0, 1, 1));
  assert.deepEqual([...glide.now], [0, 0, 1, 1]); // the first frame is there at once
  const drawn = glide.now;
  glide.aim(Float32Array.of(2, 4, 1, 1));
  glide.go(0.5);
  assert.deepEqual([...glide.now], [1, 2, 1, 1]);
  glide.aim(Float32Array.of(0, 0, 0, 0)); // the next one comes early
  assert.deepEqual([...glide.now], [1, 2, 1, 1]);
  glide.go(1);
  assert.deepEqual([...glide.now], [0, 0, 0, 0]);
  assert.equal(glide.now, drawn); // one array for ever
  glide.aim(Float32Array.of(5, 5, 5, 5));
  glide.go(1);
  glide.aim(Float32Array.of(5, 5, 5, 5, 9, 9, 9, 9), 2); // a second lane starts from the first
  assert.deepEqual([...glide.now], [5, 5, 5, 5, 5, 5, 5, 5]);
});

test("the pace follows the frames and forgets pauses", () => {
  const pace = new Pace();
  for (let k = 0; k < 60; k++) pace.arrived(1000 + 100 * k);
  close(pace.interval, 110, 2);
  pace.arrived(60000);
  close(pace.interval, 110, 2);
  close(pace.part(60055), 0.5, 0.02);
  assert.equal(pace.part(99999), 1);
});

const panelOf = (log, series, exact = [null], baseline = null) => ({
  log, span: 0.5, floor: log ? -90 : -Infinity, exact, baseline,
  lines: series.map((lanes) => ({ lanes: lanes.map((ys) => ({ ys })) })),
});

test("a panel shows all its lines and marks, noise small, and one line far above does not flatten the others", () => {
  const linear = rangeOf(panelOf(false, [[[0.1, 0.2], [0.4, 0.3]]], [{ value: 0.7 }, null], { value: 0 }), 150, 13);
  assert.ok(linear.low <= 0 && linear.high >= 0.7 && linear.high < 1.1);
  const still = rangeOf(panelOf(false, [[[0.4, 0.401]]]), 150, 13);
  assert.ok(still.high - still.low >= 0.5);
  const near = rangeOf(panelOf(true, [[[-99, 0.5]], [[0, 9]]]), 150, 13);
  assert.ok(near.high < 3 && near.far.has(1)); // nine decades above: named at the edge
  const far = rangeOf(panelOf(true, [[[-99, 0.5]], [[66, 66]]]), 150, 13);
  assert.ok(far.high < 5);
  for (const height of [70, 85, 110, 150, 400]) { // the words of the highest line fit above it, wherever the axis ends
    for (const [bottom, top] of [[0.52, 3.86], [0.1, 0.98], [-0.4, 0.21], [2.9, 3.1]]) {
      const { low, high } = rangeOf(panelOf(false, [[[bottom, top]]], [{ value: top }, null], { value: bottom }), height, 12);
      assert.ok(((high - top) / (high - low)) * height >= 1.3 * 12, `${top} in ${height} pixels`);
    }
  }
  const empty = rangeOf(panelOf(true, [[[]]]), 150, 13);
  assert.ok(Number.isFinite(empty.low) && empty.high > empty.low);
  for (const last of [0, 3, 50, 51, 699, 701, 1234, 98765]) assert.ok(roundEnd(last) >= Math.max(50, last) && roundEnd(last) <= Math.max(50, 2 * last));
});

test("the lines that belong together have most of a logarithmic panel, wherever the bound is", () => {
  const run = (first, last) => Array.from({ length: 20 }, (_, i) => Math.log10(first + (last - first) * (i / 19)));
  for (const bound of [2.6, 4, 13, 240]) {
    for (const height of [80, 130, 300]) {
      const lines = [[run(0.5, 3)], [run(0.5, 3.3)], [run(0.1, 0.6)], [[bound - 1, bound]]];
      const { low, high, far } = rangeOf(panelOf(true, lines, [{ value: 3.4 }]), height, 13);
      assert.deepEqual([...far], [3]);
      assert.ok((Math.log10(3.4) - Math.log10(0.1)) / (high - low) >= 0.6, `bound 1e${bound}, height ${height}: ${low} to ${high}`);
    }
  }
  const close = rangeOf(panelOf(true, [[[0, 0.5]], [[0, 0.6]], [[-1, -0.2]], [[0.3, 0.8]]]), 130, 13);
  assert.equal(close.far.size, 0); // a line among the others is drawn
  assert.equal(rangeOf(panelOf(false, [[[0, 1e12]]]), 130, 13).far.size, 0);
  const mark = { value: 1e-9 }, low = rangeOf(panelOf(true, [[[0, 0.5]]], [mark]), 130, 13);
  assert.ok(low.outside.has(mark) && low.low > -1);
});

test("no value can make an axis without height or without ticks", () => {
  for (const value of [0, 1e-9, -1e-9, 5, -3e30, 1e38, 123456.7]) {
    for (const log of [false, true]) {
      const panel = panelOf(log, [[[value, value]]], [{ value: Math.max(value, 1e-300) }]);
      const range = rangeOf(panel, 120, 13), ticks = ticksOf(panel, range, 120, 13);
      assert.ok(range.low < range.high && ticks.length <= 30, `${value}: ${JSON.stringify(range)}`);
      for (const [, label] of ticks) assert.ok(label.length <= 16, label);
    }
  }
});

test("large and tiny numbers are written as powers of ten", () => {
  assert.deepEqual([0, 5e11, 1e12, -1.5e12].map((t) => tickLabel(t, 5e11, 1.5e12)), ["0", "5·10¹¹", "10¹²", "−1.5·10¹²"]);
  assert.deepEqual([tickLabel(2e-9, 1e-9), tickLabel(400000, 200000), tickLabel(1e6, 2e5)], ["2·10⁻⁹", "4·10⁵", "10⁶"]);
  assert.deepEqual([said(0.0004, true), said(3.456, true), said(0.0421, true), said(1.2e14, true), said(0, true)],
    ["4.0·10⁻⁴", "3.5", "0.042", "1.2·10¹⁴", "0"]);
  assert.deepEqual([said(-0.004, false), said(-1.5, false), said(-2e6, false)], ["0.00", "−1.50", "−2.0·10⁶"]);
});

test("words find room beside their line, not on a curve, and not on each other", () => {
  const room = new Room({ x: 10, y: 0, w: 200, h: 100 });
  room.line(10, 40, 210, 40);
  room.line(150, 10, 210, 30); // a curve above it, at the right
  const one = room.beside(40, 60, 13);
  assert.ok(one.x + 60 > 190 && one.y > 40); // below, at the right
  const two = room.beside(40, 60, 13);
  assert.ok(two.x + 60 <= one.x || two.y + 13 <= 40);
  assert.equal(room.beside(40, 250, 13), null);
  const narrow = new Room({ x: 0, y: 0, w: 100, h: 60 });
  for (const y of [20, 30, 40]) narrow.line(0, y, 100, y);
  assert.deepEqual(narrow.beside(30, 40, 13).over, true); // only the line itself is in the way
  for (const y of [24, 36]) narrow.line(0, y, 100, y);
  assert.equal(narrow.beside(30, 40, 13), null);
  room.box(10, 0, 200, 100);
  assert.equal(room.beside(40, 60, 13), null);
});

/** A canvas that keeps the words written on it, each once, with their box. */
function writing(written) {
  const state = { textAlign: "left", measureText: (text) => ({ width: 7 * text.length }) };
  state.fillText = (text, x, y) => {
    const left = x - (state.textAlign === "right" ? 7 * text.length : state.textAlign === "center" ? 3.5 * text.length : 0);
    written.push({ text, left, right: left + 7 * text.length, top: y - 6, bottom: y + 6 });
  };
  return new Proxy(state, { get: (target, name) => (name in target ? target[name] : () => {}) });
}

test("the words of a limit that is close to the reference's line cover neither each other nor the lines", () => {
  const layout = { small: 13, size: 15, present: false, lanes: 1 }, body = { x: 0, y: 0, w: 200, h: 160 };
  for (const [limit, reference] of [[3.78, 3.86], [3.86, 3.78], [3.8, 3.8]]) {
    const ys = [reference, 0.5 * (limit + reference), limit], written = [];
    const panel = { ...panelOf(false, [[ys]], [{ value: limit, label: "exact limit 3.78" }], { value: reference, label: "reference 3.86" }),
      xs: [0, 50, 100], span: 1.2 };
    panel.lines[0].name = "diversity";
    drawCurves(writing(written), body, layout, THEMES.light, panel, ["#000"], []);
    const [one, other] = ["exact", "reference"].map((word) => written.find(({ text }) => text.includes(word) || text === "3.78" || text === "3.86"));
    const apart = one.right <= other.left || other.right <= one.left || one.bottom <= other.top || other.bottom <= one.top;
    assert.ok(apart, `${JSON.stringify(one)} on ${JSON.stringify(other)}`);
  }
});

test("each mode has its number beside it, and no two numbers are at one place", () => {
  const places = modePlaces({ centres: [[3, 0], [0, 3], [-3, 0], [0, -3]], spreads: [0.3, 0.3, 0.3, 0.3] });
  places.forEach(([x, y], k) => close(Math.hypot(x, y), 3.72, 1e-9, k)); // outwards, by 2.4 spreads
  assert.ok(places[0][0] > 3.7 && places[3][1] < -3.7);
  const rings = modePlaces({ centres: [[0, 0], [0, 0], [0, 0]], spreads: [1 / Math.SQRT2, Math.SQRT2, 3 / Math.SQRT2] });
  rings.forEach(([x, y], k) => { close(x, 0); close(y, k + 1); }); // on the ring of this radius
  assert.deepEqual(modePlaces({ centres: [[1, 2]] }), []); // a single mode needs none
  assert.deepEqual(modePlaces({}), []);
});

test("the particle nearest to the pointer is found, and none from afar", () => {
  const plot = { w: 100, h: 100 }, view = [-5, 5, -5, 5], xy = Float32Array.of(9, 9, 0, 0, 0.3, 0, 2, 2, 4, -4);
  const at = (x, y, more = {}) => particleAt({ x, y }, plot, view, xy, more.first ?? 0, more.n ?? 5, more.finger);
  assert.equal(at(50, 50), 1);
  assert.equal(at(53, 50), 2);
  assert.equal(at(70, 39), 3); // nine pixels below it
  assert.equal(at(70, 45), null);
  assert.equal(at(70, 45, { finger: true }), 3);
  assert.equal(at(70, 30, { first: 3, n: 2 }), 0); // numbered within its lane
});

test("a fast arrow is as long as the lattice is wide", () => {
  const data = [];
  for (let j = 0; j < 5; j++) for (let i = 0; i < 5; i++) data.push(2 * i, 2 * j, 4, 3); // spacing 2, speed 5
  close(5 * arrowScale({ data: Float32Array.from(data), shape: [1, 25, 4] }), 0.92 * 2, 1e-6);
  assert.ok(Number.isFinite(arrowScale({ data: new Float32Array(16), shape: [1, 4, 4] }))); // standing still
});

test("keys mean what they should, and belong to what has the focus", () => {
  const event = (key, target = null, more = {}) => ({ key, target: { closest: (list) => (list.split(", ").includes(target) ? {} : null) }, ...more });
  const expected = { " ": "toggle", s: "step", S: "step", r: "reset", p: "present", z: "undo", e: "mode_next", t: "target_next",
    w: "reward_next", f: "flow", 1: "move_1", 2: "move_2", 3: "move_3", 4: "move_4", 5: null, ArrowLeft: "alpha_down", ArrowRight: "alpha_up", ArrowUp: "tau_up", ArrowDown: "tau_down", x: null, Tab: null };
  for (const [key, name] of Object.entries(expected)) assert.equal(commandOf(event(key)), name);
  assert.equal(commandOf(event("s", "input")), null); // somebody is typing
  assert.equal(commandOf(event(" ", "button")), null); // the space bar presses it
  assert.equal(commandOf(event("s", "button")), "step");
  assert.equal(commandOf(event("r", null, { ctrlKey: true })), null); // the browser's reload
  assert.equal(commandOf(event(" ", null, { defaultPrevented: true })), null); // somebody else took it
  for (const key of [" ", "z", "1"]) assert.equal(commandOf(event(key, null, { repeat: true })), null); // held down
  assert.equal(commandOf(event("ArrowLeft", null, { repeat: true })), "alpha_down");
});

test("words and lines are legible on their ground, in light and in dark", () => {
  const rgb = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255);
  const luminance = (color) => {
    const [r, g, b] = rgb(color).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((p, q) => p - q);
    return (high + 0.05) / (low + 0.05);
  };
  for (const theme of Object.values(THEMES)) {
    for (const color of [theme.text, theme.muted, theme.exact, ...theme.lanes, ...theme.series]) {
      assert.ok(contrast(color, theme.panel) >= 4.5, `${color} on ${theme.panel}: ${contrast(color, theme.panel)}`);
    }
    assert.equal(new Set([...theme.lanes, theme.exact]).size, 5);
  }
});

// Machado, Oliveira and Fernandes 2009, for people who see no green, or no red; linear RGB
const BLINDNESS = {
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
};

test("no two lanes look alike to people who see no green or no red", () => {
  const linear = (color) => [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
  const times = (matrix, v) => matrix.map((row) => Math.min(1, Math.max(0, row.reduce((sum, m, i) => sum + m * v[i], 0))));
  const lab = (rgb) => { // CIE 1976, D65
    const [x, y, z] = times([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]], rgb)
      .map((c, i) => c / [0.95047, 1, 1.08883][i]).map((c) => (c > 0.008856 ? Math.cbrt(c) : 7.787 * c + 16 / 116));
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  };
  for (const theme of Object.values(THEMES)) {
    for (const matrix of Object.values(BLINDNESS)) {
      for (const colors of [theme.lanes, theme.dots]) {
        const seen = colors.map((color) => lab(times(matrix, linear(color))));
        seen.forEach((a, i) => seen.slice(i + 1).forEach((b, j) => {
          const apart = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
          assert.ok(apart >= 25, `${colors[i]} and ${colors[i + 1 + j]}: ${apart}`); // Okabe and Ito's green and pink: 15
        }));
      }
    }
  }
});

test("a value with a power of ten has a form in fewer digits", () => {
  assert.deepEqual(formsOf("1.5·10¹²"), ["1.5·10¹²", "2·10¹²"]);
  assert.deepEqual(formsOf("−4.4·10⁻⁹"), ["−4.4·10⁻⁹", "−4·10⁻⁹"]);
  for (const text of ["0.40", "–", "10¹⁴", "−22.00", "59 %"]) assert.deepEqual(formsOf(text), [text]);
});

test("between known flow times particles go ways that are exact for parabolas and through every place that is known", () => {
  for (const times of [2, 3, 4, 9]) {
    for (let k = 0; k < times; k++) weightsAt(k / (times - 1), times).forEach((w, j) => close(w, j === k ? 1 : 0, 1e-12));
    for (const t of [0, 0.013, 0.3, 0.5, 0.77, 0.999, 1]) {
      const weights = weightsAt(t, times), at = (f) => weights.reduce((sum, w, k) => sum + w * f(k / (times - 1)), 0);
      close(at(() => 1), 1, 1e-12);
      close(at((s) => s), t, 1e-12);
      if (times > 2) close(at((s) => s * s - 3 * s), t * t - 3 * t, 1e-12);
    }
  }
  close(weightsAt(-4, 5)[0], 1); // somebody's file may ask for anything
  close(weightsAt(7, 5)[4], 1);
});

test("a frame is seen at another flow time, lane by lane, and its end is the frame's own", () => {
  const [lanes, times, n] = [2, 3, 2];
  const place = (lane, time, k, axis) => 100 * lane + 10 * time + k + 0.5 * axis;
  const values = [];
  for (let lane = 0; lane < lanes; lane++) for (let time = 0; time < times; time++) for (let k = 0; k < n; k++) values.push(place(lane, time, k, 0), place(lane, time, k, 1));
  const flow = readFlow(pack({}, { flow: { shape: [lanes, times, n, 2], values } }));
  const x = Array.from({ length: 12 }, (_, i) => 1000 + i); // 3 particles a lane: one more than the flow has
  const lanesOf = [{ alpha: 1, round: 3 }, { alpha: 2, round: 3 }];
  const frame = (t) => readFrame(pack({ ...PLAIN, t, lanes: lanesOf }, {
    x: { shape: [2, 3, 2], values: x }, arrows: { shape: [2, 1, 4], values: [0, 0, 1, 1, 0, 0, 1, 1] }, paths: { shape: [2, 1, 2, 2], values: Array(8).fill(1) },
  }));
  const half = seenAt(frame(1), flow, 0.5);
  assert.deepEqual([half.n, half.time, half.count], [2, 0.5, 2]);
  assert.deepEqual([...half.arrays.x.data], [10, 10.5, 11, 11.5, 110, 110.5, 111, 111.5]);
  assert.equal(half.arrays.arrows, undefined);
  assert.ok(half.arrays.paths);
  assert.deepEqual([...seenAt(frame(1), flow, 1).arrays.x.data], [1000, 1001, 1002, 1003, 1006, 1007, 1008, 1009]);
  assert.deepEqual([...seenAt(frame(0.2), flow, 1).arrays.x.data], [20, 20.5, 21, 21.5, 120, 120.5, 121, 121.5]);
});

test("what is no flow is refused", () => {
  for (const shape of [[1, 3, 2], [1, 1, 2, 2], [1, 3, 0, 2], [1, 3, 2, 3], [0, 3, 2, 2]]) {
    const values = Array(shape.reduce((product, one) => product * one, 1)).fill(0);
    assert.throws(() => readFlow(pack({}, { flow: { shape, values } })), /shape of flow/);
  }
  assert.throws(() => readFlow(pack({}, { x: { shape: [1], values: [0] } })), /shape of flow/);
});

test("a picture between four others is blended from them, and beyond all of them it is that at the edge", () => {
  // two by two pictures of one row and two pixels: ink from left to right in the first pixel, upwards in the second
  const pictures = {
    view: [-1, 1, -1, 1], shape: [2, 2, 1, 2], kinds: ["a", "b"],
    levels: Uint8Array.from([0, 0, 255, 0, 0, 255, 255, 255]), odds: Uint8Array.from([255, 0, 51, 204, 255, 0, 51, 204]),
  };
  const rounded = (values) => Array.from(values, (value) => Number(value.toFixed(4)));
  assert.deepEqual(rounded(pictureAt(pictures, -1, -1).levels), [0, 0]);
  assert.deepEqual(rounded(pictureAt(pictures, 1, 1).levels), [1, 1]);
  assert.deepEqual(rounded(pictureAt(pictures, 0, -0.5).levels), [0.5, 0.25]);
  assert.deepEqual(rounded(pictureAt(pictures, 90, -90).levels), [1, 0]);
  assert.deepEqual(seenIn(pictures, pictureAt(pictures, 1, 0)), { kind: "b", percent: 80 });
  assert.deepEqual(seenIn(pictures, pictureAt(pictures, -1, 0)), { kind: "a", percent: 99 });
});

test("a mode is called by its number where it has no other name", () => {
  assert.equal(modeName({ names: ["0", "1"] }, 1), "1");
  assert.equal(modeName({}, 1), "2");
  assert.equal(modeName(null, 0), "1");
});
