// What a coordinator publishes: a job that is done, against exactly its inputs, with the floor that the jobs which stay
// leave it, and first the list of its run, where that has an object of its own.

import { addCommit } from "./commit.mjs";
import { sweptUpTo } from "./retired.mjs";
import { indexOf, mintedNumber, plants, sstsOf } from "./state.mjs";
import { putRunList } from "./store.mjs";

const sstNames = (ids) => ids.map((id) => `sst/${id}`);

/** Exactly its inputs: the front of L0, and runs one after another. */
function areThere(manifest, { l0, runs }) {
  const from = manifest.runs.findIndex((run) => `${run}` === `${runs[0]}`);
  const found = from < 0 ? [] : manifest.runs.slice(from, from + runs.length);
  return `${manifest.l0.slice(0, l0.length)}` === `${l0}` && `${found}` === `${runs}`;
}

/** Its inputs are there; and no sweep can have deleted its outputs, where that is asked. */
export function isPublishable(config, manifest, job) {
  if (!areThere(manifest, job) && !plants(config, "inputs-not-looked-at")) return false;
  if (!config.refusesBelowFloors) return true;
  const named = sstsOf(manifest);
  const limit = sweptUpTo(config, manifest);
  return job.outputs.every((id) => named.includes(id) || mintedNumber(id) > limit);
}

/** What it holds depends on the manifest that it is built for: built again, it has another id. */
export function addRunList({ config, name, state, self, add }, { end }) {
  const { job, knownNumber, lastMinted } = self;
  const number = plants(config, "run-list-under-the-jobs-id")
    ? job.id
    : lastMinted * 10 + indexOf(name);
  const request = { kind: "run list", number, content: `for ${knownNumber}` };
  add(`PUTs run list ${number}`, (next, process) => {
    putRunList(next, request);
    process.runList = request;
    process.step = "publish";
  });
  if (state.faults.late) {
    add(`PUTs run list ${number}, times out, still in flight`, (next, process) => {
      next.faults.late--;
      next.inFlight.push(request);
      end(next, process);
    });
  }
}

export function addPublish(role, { end, becomeFenced }) {
  addCommit(role, {
    transition: (manifest, process) => publish(role, manifest, process),
    onWin: (_next, process) => {
      process.step = "remove";
    },
    onFenced: becomeFenced,
    onInapplicable: end,
  });
}

/** Just below the least job that stays, or the last id that it minted: a job never has outputs below its own id. */
export function floorAfter(config, { lastId, compactorFloor }, { job, jobs, lastMinted }) {
  const staying = jobs.known.jobs.map(({ id }) => id).filter((id) => id !== job?.id);
  const isRaised = !staying.length || plants(config, "floor-past-a-job");
  const floor = isRaised ? lastMinted : Math.min(...staying) - 1;
  return {
    lastId: Math.max(lastId, lastMinted),
    compactorFloor: Math.max(compactorFloor, floor),
  };
}

function publish({ config }, manifest, process) {
  const { job } = process;
  if (!isPublishable(config, manifest, job)) return null;
  const from = Math.max(
    0,
    manifest.runs.findIndex((run) => `${run}` === `${job.runs[0]}`),
  );
  const forgets = plants(config, "retired-in-a-later-commit");
  const gone = forgets ? [] : sstsOf(job).filter((id) => !job.outputs.includes(id));
  const minted = job.outputs.map(mintedNumber);
  return {
    ...manifest,
    l0: manifest.l0.filter((id) => !job.l0.includes(id)),
    runs: manifest.runs
      .toSpliced(from, 0, job.outputs)
      .filter((run) => !job.runs.some((input) => `${input}` === `${run}`)),
    retired: [...manifest.retired, ...sstNames(gone)],
    ...(process.runList && {
      runLists: { ...manifest.runLists, [process.runList.number]: process.runList.content },
    }),
    ...floorAfter(config, { ...manifest, lastId: Math.max(manifest.lastId, ...minted) }, process),
  };
}
