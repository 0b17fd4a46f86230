/** Keys of 16 bytes in the order of their numbers, made fast enough for tens of millions of them. */

const prefix = Buffer.from("user");
const digits = 12;

export const keyBytes = prefix.length + digits;

/** `write(key, i)` makes `key` that of row `i`: "user" and twelve digits, which `rows` spread over all there are. */
export function orderedKeys(rows) {
  const step = Math.floor(10 ** digits / rows);
  function write(key, i) {
    const number = i * step;
    const high = Math.floor(number / 1e6);
    writeDigits(key, prefix.length, high);
    writeDigits(key, prefix.length + digits / 2, number - high * 1e6);
    return key;
  }
  const empty = () => {
    const key = Buffer.allocUnsafe(keyBytes);
    prefix.copy(key);
    return key;
  };
  return { empty, write, keyAt: (i) => write(empty(), i) };
}

/** Six digits, of a number that is small enough for the processor's own division. */
function writeDigits(key, at, number) {
  let rest = number | 0;
  for (let i = at + digits / 2 - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0;
    key[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
}
