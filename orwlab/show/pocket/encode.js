// Messages for the stage: stage/frames.py in the browser. The layout is described there, stage/decode.js reads it.

const STEPS = 65535; // of a quantised array between its limits

/** An array sent in 16 bits: values outside [low, high] are clipped. */
export const quantised = (values, shape, low, high) => ({ values, shape, low, high, type: "uint16" });

/** Numbers, sent as float32. */
export const numbers32 = (values, shape) => ({ values, shape, type: "float32" });

/** Whole numbers from 0 to 255. */
export const bytes8 = (values, shape) => ({ values, shape, type: "uint8" });

/** One message as base64 text: `meta` is anything JSON can hold, `arrays` name -> one of the three above. */
export function encodeFrame(meta, arrays) {
  const described = [], parts = [];
  for (const [name, array] of Object.entries(arrays)) {
    const { values, shape, type, low, high } = array;
    for (let k = 0; k < values.length; k++) {
      if (!Number.isFinite(values[k])) throw new Error(`array '${name}' holds NaN or infinite values; allowed: finite values`);
    }
    if (type === "uint16") {
      if (!(low < high) || !Number.isFinite(high - low)) throw new Error(`limits of '${name}' are ${low}, ${high}; allowed: finite, low < high`);
      described.push({ name, shape, type, low, high });
      parts.push(stepped(values, low, high));
    } else {
      described.push({ name, shape, type });
      parts.push(type === "uint8" ? Uint8Array.from(values) : Float32Array.from(values));
    }
  }
  let header = new TextEncoder().encode(JSON.stringify({ meta, arrays: described }));
  const padding = -header.length & 3;
  const sizes = parts.map((part) => (part.byteLength + 3) & ~3);
  const start = 8 + header.length + padding;
  const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, start));
  bytes.set([79, 82, 87, 49]); // "ORW1"
  new DataView(bytes.buffer).setUint32(4, header.length + padding, true);
  bytes.set(header, 8);
  bytes.fill(32, 8 + header.length, start);
  let at = start;
  parts.forEach((part, k) => {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += sizes[k];
  });
  return base64Of(bytes);
}

function stepped(values, low, high) {
  const steps = new Uint16Array(values.length), scale = STEPS / (high - low);
  for (let k = 0; k < values.length; k++) steps[k] = Math.round((Math.min(high, Math.max(low, values[k])) - low) * scale);
  return steps;
}

function base64Of(bytes) {
  if (bytes.toBase64) return bytes.toBase64(); // newer browsers: several times faster
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) text += String.fromCharCode.apply(null, bytes.subarray(k, k + 8192));
  return btoa(text);
}
