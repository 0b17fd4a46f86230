// One thread of run.mjs: it checks one scenario after the other, as they are asked of it.

import { parentPort } from "node:worker_threads";
import { search, walk } from "./checker.mjs";
import { scenarios } from "./scenarios.mjs";

const walkMsMax = 2000;
/** What a planted scenario may take longer: it ends with the violation, and a busy machine is no reason not to find it. */
const plantedFactor = 6;

parentPort.on("message", ({ index, msMax, statesMax }) => {
  const { config, kind } = scenarios[index];
  const { isWalked } = config;
  const searchMsMax = isWalked ? walkMsMax : kind === "planted" ? plantedFactor * msMax : msMax;
  const found = search(config, { msMax: searchMsMax, statesMax });
  const isBounded = found.result === "bounded";
  const walked = isBounded
    ? walk(config, {
        msMax: isWalked ? msMax : Math.min(msMax, walkMsMax),
        seed: index + 1,
        ...(isWalked && { stepsMax: 400 }),
      })
    : undefined;
  parentPort.postMessage({ index, found, walked });
});
