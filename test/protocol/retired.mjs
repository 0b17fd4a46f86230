// A collector that takes off what it deleted: it drops expired checkpoints by a commit first, deletes what is retired and
// named by no checkpoint, and then takes exactly that off the list by a commit. A list that has grown long it moves into
// an object; the commit that takes some of that off brings the rest back, and then the object is deleted.

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
          deleteObject(next, name);
          process.gone.push(name);
        });
      }
      if (self.lists.length && plants(config, "list-deleted-before-the-commit"))
        addListDelete(role);
      if (!self.doomed.length || plants(config, "taken-off-before-it-is-deleted")) addTakeOff(role);
      return;
    case "delete-lists":
      addListDelete(role);
  }
}

function addListDelete({ self, add }) {
  add(`deletes ${self.lists[0]}`, (next, process) => {
    deleteObject(next, `sst/${idOf(process.lists.shift())}`);
    if (!process.lists.length && process.step === "delete-lists") end(next, process);
  });
}

function end(_next, process) {
  process.passCount++;
  Object.assign(process, {
    step: "idle",
    doomed: null,
    gone: null,
    list: null,
    lists: null,
    expired: null,
  });
}

function begin({ config, name }, next, process) {
  const manifest = takeNewest(manifests, next, process);
  const byOwnClock = plants(config, "checkpoint-judged-by-own-clock");
  // Where the manifest of the last refresh is gone, nothing tells the age.
  const isOld = ({ expires, refreshed }) => expires || byOwnClock || !next.manifests[refreshed];
  const expired = manifest.checkpoints.filter(isOld);
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
  } else judge(next, process);
}

/** Decides what goes, and which lists of retired objects are opened for it. */
function judge(next, process) {
  const manifest = process.known;
  const pinned = manifest.checkpoints.map(({ number }) => next.manifests[number]);
  const spared = new Set(
    [manifest, ...pinned].flatMap((at) => sstsOf(at)).map((id) => `sst/${id}`),
  );
  process.doomed = [];
  process.lists = [];
  for (const name of manifest.retired) {
    const names = isList(name) ? next.truth.lists[idOf(name)] : [name];
    const free = names.filter((each) => !spared.has(each));
    process.doomed.push(...free);
    if (isList(name) && free.length) process.lists.push(name);
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
    onWin: (next, process) => judge(next, process),
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
    transition: (manifest, { gone, doomed, lists }, state) => {
      const left = manifest.retired.flatMap((name) =>
        lists.includes(name) ? state.truth.lists[idOf(name)] : [name],
      );
      const retired = left.filter((name) => !gone.includes(name) && !doomed.includes(name));
      return { ...manifest, retired };
    },
    onWin: (next, process) => {
      process.step = "delete-lists";
      if (!process.lists.length) end(next, process);
    },
  });
}

/** A stored object that the manifest stopped naming is on its retired list, so that it is deleted some day. */
export function checkNothingForgotten(state, manifest) {
  const { wereNamed, lists } = state.truth;
  if (!wereNamed) return;
  const known = new Set(manifest.retired);
  for (const name of manifest.retired) {
    if (!isList(name)) continue;
    if (state.ssts[idOf(name)] === undefined) violate(`the manifest names deleted ${name}`);
    for (const each of lists[idOf(name)]) known.add(each);
  }
  const named = new Set(sstsOf(manifest));
  for (const id in state.ssts) {
    if (!wereNamed.includes(Number(id)) || named.has(Number(id)) || known.has(`sst/${id}`))
      continue;
    violate(`sst ${id} is stored, no longer named, and on no list`);
  }
}
