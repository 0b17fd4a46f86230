/** What the process holds: of what is collected, and of what lies beside the heap. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect;

/** Bytes that are in use, once what nobody uses has been collected. It takes as long as that does. */
export async function bytesInUse() {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc");
  }
  // Twice, and a turn in between: array buffers are given back after the collection that found them unused.
  for (let i = 0; i < 2; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
