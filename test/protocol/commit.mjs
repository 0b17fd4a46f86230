// The commit loop of every role: a pure transition is applied to the newest known manifest, and the result is
// created under the next number; a conflict applies the same transition to the newer manifest.

import { violate } from "./invariants.mjs";
import { manifests } from "./series.mjs";
import { freezeContent, isWriter, plants } from "./state.mjs";
import { create, highestNumber, numberedRequest, overwrite } from "./store.mjs";

/** A newer epoch of the role of this process: a writer's, or a coordinator's. Workers and others have none. */
export function isSuperseded(name, process, { writerEpoch, compactorEpoch }) {
  if (isWriter(name)) return process.epoch > 0 && writerEpoch > process.epoch;
  return process.compactorEpoch > 0 && compactorEpoch > process.compactorEpoch;
}

/**
 * Adds the requests that the commit may make now.
 *
 * `plan.transition(manifest, process, state)` gives the changed manifest, or null when it no longer applies.
 * `onWin`, `onFenced` and `onInapplicable` take the state and the process; `beforeSend` and `afterSend` the process.
 * `plan.series` is the series of manifests unless it is said.
 */
export function addCommit(role, plan) {
  const { state, config, name, self, add } = role;
  const { transition, onWin, onFenced, onInapplicable, beforeSend, afterSend } = plan;
  const { series = manifests } = plan;
  const { kind, cursorOf, objectsOf, truthOf } = series;
  const known = cursorOf(self);
  const number = known.knownNumber + 1;
  const tokenOf = (at) => name + at.commitCount;
  const isOld = (next, at) => config.ageRule && next.now - at.newestSince >= 1;

  function win(next, process, won) {
    const at = cursorOf(process);
    const told = truthOf(next).history[won];
    if (told !== tokenOf(at)) violate(`fork: ${name} believes in ${kind} ${won}, which is ${told}`);
    at.knownNumber = won;
    at.known = objectsOf(next)[won];
    at.outcomeUnknown = false;
    at.commitCount++;
    at.newestSince = next.now;
    onWin(next, process);
  }

  // Somebody's object stands at the number: mine, of a newer epoch of my role, or just newer.
  function take(next, process, found) {
    const at = cursorOf(process);
    const object = objectsOf(next)[found];
    at.outcomeUnknown = false;
    if (object.token === tokenOf(at) && !plants(config, "own-token-ignored")) {
      if (isOld(next, at) && !plants(config, "only-own-reply-confirmed")) at.confirming = true;
      else win(next, process, found);
      return;
    }
    // What is found at an old age may be another sleeper's stray, whose creation time is young.
    if (isOld(next, at) && config.confirmsOldNews) {
      at.confirming = true;
      return;
    }
    at.knownNumber = found;
    at.known = object;
    // That a number exists does not prove that it is the newest: the age goes on from its own creation time.
    at.newestSince = plants(config, "exists-renews-the-age")
      ? next.now
      : Math.max(at.newestSince, object.createdAt);
    if (isSuperseded(name, process, object) && !plants(config, "newer-epoch-ignored")) {
      onFenced(next, process);
    } else if (!transition(object, process, next)) onInapplicable?.(next, process);
  }

  if (known.confirming) {
    add(`lists ${kind}s to confirm ${number}`, (next, process) => {
      const at = cursorOf(process);
      at.confirming = false;
      const highest = highestNumber(objectsOf(next));
      const isMine = objectsOf(next)[number]?.token === tokenOf(at);
      if (highest === number && isMine) win(next, process, number);
      else {
        at.newestSince = next.now;
        take(next, process, highest);
      }
    });
    return;
  }
  if (known.outcomeUnknown) {
    add(`GETs ${kind} ${number} to learn the outcome`, (next, process) => {
      if (objectsOf(next)[number]) take(next, process, number);
      else cursorOf(process).outcomeUnknown = false; // the same commit goes to the same number again
    });
    return;
  }

  if (config.polls && !objectsOf(state)[number]) {
    add(`GETs ${kind} ${number}, which is absent`, (next, process) => {
      const at = cursorOf(process);
      if (isOld(next, at) && !plants(config, "absence-renews-the-age")) at.confirming = true;
      else at.newestSince = next.now;
    });
  }

  const send = (next, process, deliver) => {
    beforeSend?.(process);
    const at = cursorOf(process);
    const body = transition(at.known, process, next);
    const object = { ...body, token: tokenOf(at), createdAt: next.now };
    deliver(numberedRequest(kind, number, freezeContent(object)), at);
    afterSend?.(process);
  };
  add(`creates ${kind} ${number}`, (next, process) =>
    send(next, process, (request, at) => {
      const put = plants(config, "manifest-overwritten") ? overwrite : create;
      if (put(next, request) === "exists") take(next, process, number);
      else if (isOld(next, at) && !plants(config, "no-listing-after-sleep")) {
        at.confirming = true;
      } else win(next, process, number);
    }),
  );
  if (state.faults.lost) {
    add(`creates ${kind} ${number}, reply lost`, (next, process) =>
      send(next, process, (request, at) => {
        next.faults.lost--;
        create(next, request);
        at.outcomeUnknown = true;
      }),
    );
  }
  if (state.faults.late) {
    add(`creates ${kind} ${number}, times out, still in flight`, (next, process) =>
      send(next, process, (request, at) => {
        next.faults.late--;
        next.inFlight.push(request);
        at.outcomeUnknown = true;
      }),
    );
  }
}
