/** The file of a compaction thread: a store behind a port, the user's functions from their module, and jobs that the main thread sends. */
import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../common/clock.js";
import { systemRandom } from "../common/random.js";
import { BridgedStore } from "./bridged-store.js";
import { packError } from "./crossing-errors.js";
import { loadFunctions } from "./functions-module.js";
import { type FromJobs, type ThreadData, type ToJobs, threadProduct } from "./job-messages.js";
import { JobThread } from "./job-thread.js";
import { SliceRunner } from "./slice-runner.js";

/** Niceness above that of the process: on a busy machine the thread still has a quarter of what the main thread has. */
const niceness = 5;
const nicenessMax = 19;

// Null where the file was started as a program.
const port = parentPort;
if (port !== null) {
  giveWay();
  const post = (message: FromJobs): void => port.postMessage(message);
  const { storePort, storeId, functions, rangesInFlight } = workerData as ThreadData;
  // Writers add some while the thread runs, and none ever goes.
  let operatorNames: readonly string[] = [];
  try {
    const given = functions === undefined ? undefined : await loadFunctions(functions);
    const store = new BridgedStore(storePort, storeId);
    const jobs = new JobThread(
      port,
      new SliceRunner({
        ...{ store, clock: systemClock, random: systemRandom, rangesInFlight, ...given },
        get operatorNames() {
          return operatorNames;
        },
      }),
    );
    port.on("message", (message: ToJobs) => {
      if (message.type === "job") ({ operatorNames } = message);
      jobs.take(message);
    });
    post({ type: "ready", product: threadProduct });
  } catch (error) {
    post({ type: "refused", error: packError(error) });
  }
}

/**
 * The main thread goes first where there are too few processors: it waited for one for ten ms and more while a merge had it. Linux has a
 * niceness for each thread; elsewhere this would be that of the process.
 */
function giveWay(): void {
  if (process.platform !== "linux") return;
  try {
    setPriority(Math.min(getPriority() + niceness, nicenessMax));
  } catch {
    // A sandbox may refuse it.
  }
}
