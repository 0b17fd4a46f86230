// Closing the log of an older epoch: a fence is created at its first free id at or above where replay starts.
// The create is the judge, the listing only a guess.

import { plants, walKey, walName } from "./state.mjs";
import { create, fenceRequest } from "./store.mjs";

function closeLog(process, epoch, endId) {
  process.logEnds[epoch] = endId;
  process.openLogs.shift();
  process.fenceId = null;
  process.fenceWave = null;
  process.step = process.openLogs.length ? "list" : "replay";
}

/** The listing: where to try first. A log that ends in a fence already is closed. */
export function firstUnfencedId({ config }, next, process) {
  const epoch = process.openLogs[0];
  const { walStart } = process.known;
  const bounded = epoch === walStart.epoch && !plants(config, "fence-below-replay-start");
  let id = bounded ? walStart.id : 0;
  const at = () => next.wal[walKey(epoch, id)];
  // A real listing cannot tell a fence from a record; fences are then met by the creates.
  while (at() && (config.ignoresFoundFences || !at().fence)) id++;
  if (at()) {
    closeLog(process, epoch, id);
    return;
  }
  process.step = "fence";
  if (config.fencesInParallel) startWave(config, process, id);
  else process.fenceId = id;
}

export function addFences(role) {
  if (role.self.fenceWave) addWave(role);
  else addSingleFence(role);
}

function addSingleFence({ config, self, state, add }) {
  const epoch = self.openLogs[0];
  addFenceRequest({ config, state, add }, walKey(epoch, self.fenceId), {
    onAnswer: (process, isFence) => {
      if (isFence && !(config.ignoresFoundFences && isFence === "found")) {
        closeLog(process, epoch, process.fenceId);
      } else process.fenceId++;
    },
    onConflict: (process) => {
      if (plants(config, "conflict-taken-for-exists")) process.fenceId++;
    },
  });
}

function startWave(config, process, fromId) {
  process.fenceWave = { fromId, answers: Array(config.fencesInParallel).fill("none") };
}

/** Several fences at once, answered in any order: it is enough that every id up to the first fence is taken. */
function addWave({ config, self, state, add }) {
  const epoch = self.openLogs[0];
  const { fromId, answers } = self.fenceWave;
  answers.forEach((answer, index) => {
    if (answer !== "none") return;
    addFenceRequest({ config, state, add }, walKey(epoch, fromId + index), {
      inState: (next, process) => settleWave(config, next, process, epoch),
      onAnswer: (process, isFence) => {
        const mine = isFence === "created";
        const counts = plants(config, "own-fence-ends-the-log") ? mine : isFence;
        process.fenceWave.answers[index] = counts ? "fence" : "record";
      },
      onConflict: () => {},
    });
  });
}

function settleWave(config, next, process, epoch) {
  const { fromId, answers } = process.fenceWave;
  const first = answers.indexOf("fence");
  const unsure = answers.indexOf("none");
  const decided =
    first >= 0 &&
    (unsure < 0 || first < unsure || plants(config, "first-answered-fence-ends-the-log"));
  if (decided) {
    // Nobody waits for the other fences of the wave; they may land at any time, or never.
    answers.forEach((answer, index) => {
      if (answer === "none") next.inFlight.push(fenceRequest(walKey(epoch, fromId + index)));
    });
    closeLog(process, epoch, fromId + first);
  } else if (unsure < 0) startWave(config, process, fromId + answers.length);
}

function addFenceRequest({ config, state, add }, key, { inState, onAnswer, onConflict }) {
  const request = fenceRequest(key);
  add(`creates fence ${walName(key)}`, (next, process) => {
    const result = create(next, request);
    onAnswer(process, result === "created" ? "created" : next.wal[key].fence && "found");
    inState?.(next, process);
  });
  // After a lost reply, a time-out or a 409 the same id is tried again.
  if (state.faults.lost) {
    add(`creates fence ${walName(key)}, reply lost`, (next) => {
      next.faults.lost--;
      create(next, request);
    });
  }
  if (state.faults.late) {
    add(`creates fence ${walName(key)}, times out, still in flight`, (next) => {
      next.faults.late--;
      next.inFlight.push(request);
    });
  }
  if (state.faults.conflict) {
    add(`creates fence ${walName(key)}: 409`, (next, process) => {
      next.faults.conflict--;
      onConflict(process, config);
    });
  }
}
