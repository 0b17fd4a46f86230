// The object store: every request is atomic, and listing is consistent. Nothing but the hint is ever overwritten.

import { seriesOfRequest } from "./series.mjs";
import { sstsOf, walKey, walName } from "./state.mjs";

/** Of a series of numbered objects: a manifest, or a state of jobs. */
export const numberedRequest = (kind, number, object) => ({ kind, number, object });

export const fenceRequest = (key) => ({ kind: "wal", key, object: Object.freeze({ fence: true }) });

/** `tables` are the loads among the writes of `value`: the record names their SSTs, not their rows. */
export const recordRequest = (key, token, { value, tables }) => ({
  kind: "wal",
  key,
  object: Object.freeze({ fence: false, token, value, tables }),
});

/** Create-only: `If-None-Match: *`. */
export function create(state, request) {
  if (request.kind === "wal") {
    if (state.wal[request.key]) return "exists";
    state.wal[request.key] = request.object;
    return "created";
  }
  if (seriesOfRequest(request).objectsOf(state)[request.number]) return "exists";
  storeNumbered(state, request);
  return "created";
}

/** What a store that ignores the condition would do. */
export function overwrite(state, request) {
  storeNumbered(state, request);
  return "created";
}

function storeNumbered(state, request) {
  const { number, object } = request;
  const { objectsOf, truthOf, kind } = seriesOfRequest(request);
  const truth = truthOf(state);
  objectsOf(state)[number] = object;
  if (kind === "manifest") state.storedAt[number] = state.now;
  // A create far below the newest number, in a range that was deleted, is a stray and no history.
  if (number === truth.newest + 1) {
    truth.newest = number;
    truth.history[number] = object.token;
    if (truth.wereNamed) {
      truth.wereNamed = [...new Set([...truth.wereNamed, ...sstsOf(object)])];
    }
  }
}

/** `name` is "sst/<id>" or "wal/<epoch>.<id>". */
export function deleteObject(state, name) {
  const [kind, id] = name.split("/");
  if (kind === "sst") delete state.ssts[id];
  else delete state.wal[walKey(...id.split(".").map(Number))];
}

/** Not a create: it takes the place of what is there. */
export function putRunList(state, { number, content }) {
  state.runLists[number] = content;
}

/** A request that its sender no longer waits for is applied after all. */
export function applyLate(state, request) {
  if (request.kind === "delete") deleteObject(state, request.name);
  else if (request.kind === "run list") putRunList(state, request);
  else create(state, request);
}

export const describeRequest = ({ kind, number, key, object, name }) =>
  kind === "wal"
    ? `${object.fence ? "fence" : "wal"} ${walName(key)}`
    : kind === "delete"
      ? `delete of ${name}`
      : `${kind} ${number}`;

export const highestNumber = (manifests) => Math.max(0, ...Object.keys(manifests).map(Number));
