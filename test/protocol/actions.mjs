// Everything that may happen next in a state. One action is one request to the store, or one local step; a pause is an
// interleaving, and a crash is a process that is never scheduled again.

import { addCloser } from "./closer.mjs";
import { addCollector } from "./collector.mjs";
import { addCompactor } from "./compactor.mjs";
import { addCoordinator } from "./coordinator.mjs";
import { addExecutor } from "./executor.mjs";
import { addFlusher } from "./flusher.mjs";
import { addKeeper } from "./keeper.mjs";
import { addLoader } from "./loader.mjs";
import { addOpener } from "./opener.mjs";
import { addReader } from "./reader.mjs";
import { addRestorer } from "./restorer.mjs";
import { addSnapshot } from "./snapshot.mjs";
import { cloneProcess, plants } from "./state.mjs";
import { applyLate, describeRequest } from "./store.mjs";
import { addCrash, addWriter } from "./writer.mjs";

const rolesOf = {
  W: [addOpener, addWriter, addFlusher, addLoader, addCloser, addRestorer, addCrash],
  C: [addCompactor],
  D: [addCoordinator],
  E: [addExecutor],
  G: [addCollector],
  K: [addKeeper],
  R: [addReader],
  S: [addSnapshot],
};

function acting(next, name) {
  next.processes[name] = cloneProcess(next.processes[name]);
  return next.processes[name];
}

/** @returns {{ label: string, apply: (state: object) => void }[]} */
export function actionsOf(state, config) {
  const actions = [];
  const push = (label, apply) => actions.push({ label, apply });
  for (const name in state.processes) {
    const add = (label, apply) =>
      push(`${name} ${label}`, (next) => apply(next, acting(next, name)));
    const role = { state, config, name, self: state.processes[name], add };
    for (const addActions of rolesOf[name[0]]) addActions(role);
  }
  state.inFlight.forEach((request, index) => {
    push(`late: ${describeRequest(request)} lands`, (next) => {
      applyLate(next, next.inFlight.splice(index, 1)[0]);
    });
  });
  if (state.faults.tick) {
    push("time passes (half a retention)", (next) => {
      next.faults.tick--;
      next.now++;
    });
  }
  if (config.deletesManifests && state.faults.deletion) addManifestDeletions(state, config, push);
  if (config.deletesJobStates && state.faults.deletion) addJobStateDeletions(state, push);
  if (config.usesHint) addHints(state, config, push);
  return actions;
}

/** Manifests are kept for the retention, and always while a checkpoint names them. */
function addManifestDeletions(state, config, push) {
  const { newest } = state.truth;
  const named = plants(config, "refresh-deleted") ? ["number"] : ["number", "refreshed"];
  const pinned =
    state.manifests[newest]?.checkpoints.flatMap((each) => named.map((name) => each[name])) ?? [];
  for (const number of Object.keys(state.manifests).map(Number)) {
    const isOld =
      state.storedAt[number] <= state.now - 2 || plants(config, "retention-floor-violated");
    if (number >= newest || !isOld || pinned.includes(number)) continue;
    push(`collector deletes manifest ${number}`, (next) => {
      delete next.manifests[number];
      next.faults.deletion--;
    });
  }
}

function addJobStateDeletions(state, push) {
  for (const number of Object.keys(state.jobStates).map(Number)) {
    if (number >= state.truth.jobStates.newest) continue;
    push(`collector deletes job state ${number}`, (next) => {
      delete next.jobStates[number];
      next.faults.deletion--;
    });
  }
}

/** The hint is put only after a commit is confirmed. */
function addHints(state, config, push) {
  const early = plants(config, "hint-before-confirmation");
  for (const name in state.processes) {
    const { step, hintPut, confirming, knownNumber } = state.processes[name];
    if (hintPut || !(step === "done" || (early && confirming))) continue;
    const number = step === "done" ? knownNumber : knownNumber + 1;
    push(`${name} puts the hint ${number}`, (next) => {
      const process = acting(next, name);
      process.hintPut = true;
      const manifest = step === "done" ? process.known : next.manifests[number];
      next.hint = { number, manifest, storedAt: next.now };
    });
  }
}
