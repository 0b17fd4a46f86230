// A collector that takes off what it deleted: it drops expired checkpoints by a commit first, deletes what is retired and
// named by no checkpoint, and then takes exactly that off the list by a commit. A list that has grown long it moves into
// an object, whose contents are deleted before it.

import { addCommit } from "./commit.mjs";
import { violate } from "./invariants.mjs";
import { manifests, takeNewest } from "./series.mjs";
import { indexOf, mintedNumber, plants, sstsOf } from "./state.mjs";
import { deleteObject } from "./store.mjs";

const idOf = (name) => Number(name.split("/")[1]);

const isList = (name) => name.startsWith("list/");

/** The floor of the roles of a world: what is at or below it and unnamed may be swept. */
export function sweptUpTo({ processes }, { writerFloor, compactorFloor }) {
  // The floor of a role that the world has nobody for is as high as can be.
  const has = (letters) => processes.some((name) => letters.includes(name[0]));
  return Math.min(
    has("W") ? writerFloor : Number.POSITIVE_INFINITY,
    has("CD") ? compactorFloor : Number.POSITIVE_INFINITY,
  );
}

export function addRetiredCollector(role) {
  const { config, state, self, add } = role;
  switch (self.step) {
    case "idle":
      if (self.passCount >= (config.collectorPasses ?? 1)) return;
      add(`reads manifest ${state.truth.newest}`, (next, process) => begin(role, next, process));
      return;
    case "drop":
      addDrop(role);
      return;
    case "upload-list":
      add(`uploads list ${self.list.id}`, (next, process) => {
        next.ssts[process.list.id] = 0;
        next.truth.lists[process.list.id] = process.list.names;
        process.step = "move";
      });
      return;
    case "move":
      addMove(role);
      return;
    case "delete":
      if (self.doomed.length) {
        add(`deletes ${self.doomed[0]}`, (next, process) => {
          const name = process.doomed.shift();
          deleteObject(next, isList(name) ? `sst/${idOf(name)}` : name);
          process.gone.push(name);
        });
      }
      if (!self.doomed.length || plants(config, "taken-off-before-it-is-deleted")) addTakeOff(role);
  }
}

function end(_next, process) {
  process.passCount++;
  Object.assign(process, { step: "idle", doomed: null, gone: null, list: null, expired: null });
}

function begin({ config, name }, next, process) {
  const manifest = takeNewest(manifests, next, process);
  const byOwnClock = plants(config, "checkpoint-judged-by-own-clock");
  const expired = manifest.checkpoints.filter(({ expires }) => expires || byOwnClock);
  process.expired = expired.map(({ id, refreshed }) => ({ id, refreshed }));
  process.gone = [];
  const movable = manifest.retired.filter((each) => !isList(each));
  if (expired.length) process.step = "drop";
  else if (config.movesLists && movable.length > 1) {
    const { lastId, writerFloor, compactorFloor } = manifest;
    const minted = Math.max(lastId, writerFloor, compactorFloor) + 1;
    process.list = { id: minted * 10 + 9, names: movable };
    process.step = "upload-list";
    if (indexOf(name)) process.list.id = minted * 10 + 4;
  } else judge(config, next, process);
}

/** Decides what goes: the contents of a list before the list, and the list only with all of them. */
function judge(config, next, process) {
  const manifest = process.known;
  const pinned = manifest.checkpoints.map(({ number }) => next.manifests[number]);
  const spared = new Set(
    [manifest, ...pinned].flatMap((at) => sstsOf(at)).map((id) => `sst/${id}`),
  );
  process.doomed = [];
  for (const name of manifest.retired) {
    if (!isList(name)) {
      if (!spared.has(name)) process.doomed.push(name);
      continue;
    }
    // One that is gone was emptied by another collector, which has yet to take it off.
    const isThere = next.ssts[idOf(name)] !== undefined;
    const names = isThere ? next.truth.lists[idOf(name)] : [];
    const free = names.filter((each) => !spared.has(each));
    process.doomed.push(...free);
    if (free.length === names.length || plants(config, "list-deleted-with-what-is-spared")) {
      process.doomed.push(name);
    }
  }
  process.step = "delete";
  if (!process.doomed.length) end(next, process);
}

function addDrop(role) {
  const isDropped = (process, { id, refreshed }) =>
    process.expired.some(
      (one) =>
        one.id === id &&
        (one.refreshed === refreshed || plants(role.config, "refreshed-checkpoint-dropped")),
    );
  addCommit(role, {
    transition: (manifest, process) => ({
      ...manifest,
      checkpoints: manifest.checkpoints.filter((each) => !isDropped(process, each)),
    }),
    onWin: (next, process) => judge(role.config, next, process),
  });
}

/** In place of exactly the entries, if they are all there and no sweep can have deleted the list. */
function addMove(role) {
  const { config } = role;
  addCommit(role, {
    transition: (manifest, { list }) => {
      const isSafe =
        mintedNumber(list.id) > sweptUpTo(config, manifest) ||
        plants(config, "list-below-the-floors");
      if (!isSafe || !list.names.every((name) => manifest.retired.includes(name))) return null;
      const left = manifest.retired.filter((name) => !list.names.includes(name));
      return { ...manifest, retired: [...left, `list/${list.id}`] };
    },
    onWin: end,
    onInapplicable: end,
  });
}

function addTakeOff(role) {
  addCommit(role, {
    transition: (manifest, { gone, doomed }) => ({
      ...manifest,
      retired: manifest.retired.filter((name) => !gone.includes(name) && !doomed.includes(name)),
    }),
    onWin: end,
  });
}

/** A stored object that the manifest stopped naming is on its retired list, so that it is deleted some day. */
export function checkNothingForgotten(state, manifest) {
  const { wereNamed, lists } = state.truth;
  if (!wereNamed) return;
  const known = new Set(manifest.retired);
  for (const name of manifest.retired) {
    if (!isList(name) || state.ssts[idOf(name)] === undefined) continue;
    for (const each of lists[idOf(name)]) known.add(each);
  }
  const named = new Set(sstsOf(manifest));
  for (const id in state.ssts) {
    if (!wereNamed.includes(Number(id)) || named.has(Number(id)) || known.has(`sst/${id}`))
      continue;
    violate(`sst ${id} is stored, no longer named, and on no list`);
  }
}
