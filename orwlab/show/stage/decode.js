// Decodes the frames that frames.py makes; the layout is described there.
// This is the only place in the browser that knows it.

const MAGIC = "ORW1";

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64); // newer browsers: several times faster
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** base64 text -> {meta, arrays: {name: {data, shape, low, high}}}; throws an Error on anything that is not a frame. */
export function decodeFrame(base64) {
  const bytes = bytesOf(base64);
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) throw new Error("not a frame");
  const view = new DataView(bytes.buffer);
  let offset = 8 + view.getUint32(4, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, offset)));
  const arrays = {};
  for (const { name, type, shape, low, high } of header.arrays) {
    if (!shape.every((n) => Number.isInteger(n) && n >= 0)) throw new Error(`shape of array ${name}`);
    const count = shape.reduce((product, n) => product * n, 1);
    const size = count * { uint16: 2, uint8: 1, float32: 4 }[type];
    if (offset + size > bytes.length) throw new Error(`frame ends inside array ${name}`);
    let data;
    if (type === "uint8") {
      data = bytes.slice(offset, offset + size);
    } else if (type === "float32") {
      // Typed arrays use the machine's byte order; every browser's machine is little-endian, as the frames are.
      data = new Float32Array(bytes.buffer, offset, count);
      if (!data.every(Number.isFinite)) throw new Error(`array ${name} is not finite`);
    } else {
      if (!(low < high)) throw new Error(`limits of array ${name}`);
      const steps = new Uint16Array(bytes.buffer, offset, count);
      const scale = (high - low) / 65535;
      data = new Float32Array(count);
      for (let i = 0; i < count; i++) data[i] = low + steps[i] * scale;
    }
    arrays[name] = { data, shape, low, high };
    offset += size + ((4 - (size % 4)) % 4);
  }
  return { meta: header.meta, arrays };
}
