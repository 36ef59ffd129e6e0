// Both flows from the same noise: what it costs to pair their ends as the noise pairs them.

import { trajectory } from "./field.js";
import { assignmentW2 } from "./measure.js";
import { normals } from "./twister.js";

const PAIRS = 256;
const SEED_OF_PAIRS = 11;
const STEPS_OF_PAIRS = 8;

/**
 * The coupled cost `E|x1 - y1|^2` of a state in the plane, x1 and y1 the ends of its flow and of the reference's from the
 * same noise, and `paired`: the least cost of pairing those very points. A generator that stops after every step, and
 * answers {coupled, paired}. `paired <= coupled` holds for any points: the noise's pairing is one of all there are.
 */
export function* coupling({ velocity, reference }) {
  const noise = normals(SEED_OF_PAIRS, 2 * PAIRS), ends = [];
  for (const field of [velocity, reference.velocity]) {
    let x = noise;
    for (let k = 0; k < STEPS_OF_PAIRS; k++) {
      x = trajectory(field, x, [k / STEPS_OF_PAIRS, (k + 1) / STEPS_OF_PAIRS], 1).at(-1);
      yield null;
    }
    ends.push(x);
  }
  const [x, y] = ends;
  return { coupled: x.reduce((sum, value, k) => sum + (value - y[k]) ** 2, 0) / PAIRS, paired: assignmentW2(x, y) };
}
