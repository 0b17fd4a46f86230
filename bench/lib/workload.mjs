/** The rows that every engine is given: the same keys and values in the same order. */

const keyCount = 1 << 18;
const keyBytes = 20;
const valueCount = 1 << 10;

/**
 * `rowAt(i)`: the row of write `i`. Keys are 20 bytes ("user" and 16 digits) in a scattered order that repeats after
 * 262,144 rows; values are bytes that do not compress.
 */
export function workload({ valueBytes }) {
  const keys = Array.from({ length: keyCount }, (_, i) => keyOf(i));
  const noise = new Noise(1);
  const values = Array.from({ length: valueCount }, () => noise.bytes(valueBytes));
  return {
    keyCount,
    rowBytes: keyBytes + valueBytes,
    keyAt: (i) => keys[i % keyCount],
    valueAt: (i) => values[i % valueCount],
    rowAt: (i) => ({ key: keys[i % keyCount], value: values[i % valueCount] }),
  };
}

/** An odd factor permutes the numbers below a power of two; a second one spreads them over 16 digits. */
function keyOf(i) {
  const scattered = (Math.imul(i, 0x9e3779b1) >>> 0) % keyCount;
  const digits = String(scattered * 34_359_738_337).padStart(16, "0");
  return Buffer.from(`user${digits}`);
}

/** xorshift32 (Marsaglia), so that each run has the same bytes. */
class Noise {
  #state;

  constructor(seed) {
    this.#state = seed;
  }

  bytes(length) {
    const bytes = Buffer.alloc(length);
    for (let i = 0; i < length; i++) {
      this.#state ^= this.#state << 13;
      this.#state ^= this.#state >>> 17;
      this.#state ^= this.#state << 5;
      bytes[i] = this.#state & 0xff;
    }
    return bytes;
  }
}
