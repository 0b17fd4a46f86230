// The commit loop of every role: a pure transition is applied to the newest known manifest, and the result is
// created under the next number; a conflict applies the same transition to the newer manifest.

import { violate } from "./invariants.mjs";
import { freezeManifest, isWriter, plants } from "./state.mjs";
import { create, highestNumber, manifestRequest, overwrite } from "./store.mjs";

/**
 * Adds the requests that the commit may make now.
 *
 * `plan.transition(manifest, process, state)` gives the changed manifest, or null when it no longer applies.
 * `onWin`, `onFenced` and `onInapplicable` take the state and the process; `beforeSend` and `afterSend` the process.
 */
export function addCommit(role, plan) {
  const { state, config, name, self, add } = role;
  const { transition, onWin, onFenced, onInapplicable, beforeSend, afterSend } = plan;
  const number = self.knownNumber + 1;
  const tokenOf = (process) => name + process.commitCount;
  const isOld = (next, process) => config.ageRule && next.now - process.newestSince >= 1;

  function win(next, process, won) {
    const told = next.truth.history[won];
    if (told !== tokenOf(process)) violate(`fork: ${name} believes in ${won}, which is ${told}`);
    process.knownNumber = won;
    process.known = next.manifests[won];
    process.outcomeUnknown = false;
    process.commitCount++;
    process.newestSince = next.now;
    onWin(next, process);
  }

  // Somebody's manifest stands at the number: mine, of a newer epoch of my role, or just newer.
  function take(next, process, found) {
    const manifest = next.manifests[found];
    process.outcomeUnknown = false;
    if (manifest.token === tokenOf(process) && !plants(config, "own-token-ignored")) {
      if (isOld(next, process) && !plants(config, "only-own-reply-confirmed")) {
        process.confirming = true;
      } else win(next, process, found);
      return;
    }
    // What is found at an old age may be another sleeper's stray, whose creation time is young.
    if (isOld(next, process) && config.confirmsOldNews) {
      process.confirming = true;
      return;
    }
    process.knownNumber = found;
    process.known = manifest;
    // That a number exists does not prove that it is the newest: the age goes on from its own creation time.
    process.newestSince = plants(config, "exists-renews-the-age")
      ? next.now
      : Math.max(process.newestSince, manifest.createdAt);
    if (
      isWriter(name) &&
      process.epoch &&
      manifest.writerEpoch > process.epoch &&
      !plants(config, "newer-epoch-ignored")
    ) {
      onFenced(next, process);
    } else if (!transition(manifest, process, next)) onInapplicable?.(next, process);
  }

  if (self.confirming) {
    add(`lists manifests to confirm ${number}`, (next, process) => {
      process.confirming = false;
      const highest = highestNumber(next.manifests);
      const isMine = next.manifests[number]?.token === tokenOf(process);
      if (highest === number && isMine) win(next, process, number);
      else {
        process.newestSince = next.now;
        take(next, process, highest);
      }
    });
    return;
  }
  if (self.outcomeUnknown) {
    add(`GETs manifest ${number} to learn the outcome`, (next, process) => {
      if (next.manifests[number]) take(next, process, number);
      else process.outcomeUnknown = false; // the same commit goes to the same number again
    });
    return;
  }

  if (config.polls && !state.manifests[number]) {
    add(`GETs manifest ${number}, which is absent`, (next, process) => {
      if (isOld(next, process) && !plants(config, "absence-renews-the-age")) {
        process.confirming = true;
      } else process.newestSince = next.now;
    });
  }

  const send = (next, process, deliver) => {
    beforeSend?.(process);
    const body = transition(process.known, process, next);
    const manifest = { ...body, token: tokenOf(process), createdAt: next.now };
    deliver(manifestRequest(number, freezeManifest(manifest)));
    afterSend?.(process);
  };
  add(`creates manifest ${number}`, (next, process) =>
    send(next, process, (request) => {
      const put = plants(config, "manifest-overwritten") ? overwrite : create;
      if (put(next, request) === "exists") take(next, process, number);
      else if (isOld(next, process) && !plants(config, "no-listing-after-sleep")) {
        process.confirming = true;
      } else win(next, process, number);
    }),
  );
  if (state.faults.lost) {
    add(`creates manifest ${number}, reply lost`, (next, process) =>
      send(next, process, (request) => {
        next.faults.lost--;
        create(next, request);
        process.outcomeUnknown = true;
      }),
    );
  }
  if (state.faults.late) {
    add(`creates manifest ${number}, times out, still in flight`, (next, process) =>
      send(next, process, (request) => {
        next.faults.late--;
        next.inFlight.push(request);
        process.outcomeUnknown = true;
      }),
    );
  }
}
