/** The file of a compaction thread: a store behind a port, the user's functions from their module, and jobs that the main thread sends. */
import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../common/clock.js";
import { systemRandom } from "../common/random.js";
import { BridgedStore } from "./bridged-store.js";
import { packError } from "./crossing-errors.js";
import { loadFunctions } from "./functions-module.js";
import { type FromJobs, type ThreadData, type ToJobs, threadProduct } from "./job-messages.js";
import { JobThread } from "./job-thread.js";
import { SliceRunner } from "./slice-runner.js";

// Null where the file was started as a program.
const port = parentPort;
if (port !== null) {
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
