// The noise that particles begin from: torch's generator and its normal numbers, so that a seed means the same picture.

const N = 624, M = 397;

/** The Mersenne Twister of torch.Generator, seeded as it seeds. */
export class Twister {
  constructor(seed) {
    const state = new Uint32Array(N);
    state[0] = seed >>> 0;
    for (let k = 1; k < N; k++) {
      const before = state[k - 1] ^ (state[k - 1] >>> 30);
      state[k] = Math.imul(1812433253, before) + k;
    }
    Object.assign(this, { state, next: N });
  }

  /** Goes on where another one is. */
  follow(other) {
    this.state.set(other.state);
    this.next = other.next;
  }

  /** 32 random bits. */
  bits() {
    if (this.next === N) this._turn();
    let y = this.state[this.next++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  _turn() {
    const { state } = this;
    for (let k = 0; k < N; k++) {
      const y = (state[k] & 0x80000000) | (state[(k + 1) % N] & 0x7fffffff);
      state[k] = state[(k + M) % N] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.next = 0;
  }

  /** A number of [0, 1) with 24 bits, as torch draws float32. */
  share() {
    return (this.bits() & 0xffffff) / 0x1000000;
  }
}

/** `count` >= 16 normal numbers as `torch.randn` draws them on a CPU. */
export function normals(seed, count) {
  return drawNormals(new Twister(seed), new Float64Array(count));
}

/** Fills `z`, of 16 at least, with normal numbers: Box and Muller's way, eight pairs at a time. */
export function drawNormals(twister, z) {
  const count = z.length;
  for (let k = 0; k < count; k++) z[k] = twister.share();
  for (let k = 0; k + 15 < count; k += 16) paired(z, k);
  if (count % 16) { // the last sixteen are drawn anew
    for (let k = count - 16; k < count; k++) z[k] = twister.share();
    paired(z, count - 16);
  }
  return z;
}

function paired(z, start) {
  for (let k = start; k < start + 8; k++) {
    const radius = Math.sqrt(-2 * Math.log(1 - z[k])), angle = 2 * Math.PI * z[k + 8];
    z[k] = radius * Math.cos(angle);
    z[k + 8] = radius * Math.sin(angle);
  }
}
