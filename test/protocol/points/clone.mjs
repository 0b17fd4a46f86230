// A clone: pins on the parent and on every owner whose objects the checkpoint names, then the clone's first manifest. An
// attempt never uses the pins of another; one that has won drops them, and one that has lost drops its own.

import { violate } from "../invariants.mjs";
import { freezeContent, plants } from "../state.mjs";
import { commit, firstManifest, newestOf, ownerOf, placeOf } from "./world.mjs";

const stop = (_next, process) => {
  process.step = "done";
};

const without = (manifest, isGone) => ({
  ...manifest,
  checkpoints: manifest.checkpoints.filter((each) => !isGone(each)),
});

/** Adds a copy of a listed checkpoint for this attempt; answers null where that is not listed, or the database is gone. */
export function addPin(next, path, id, { pin, holder, holderId, ignoresList }) {
  return commit(next, path, (manifest) => {
    const source = manifest.checkpoints.find((each) => each.id === id);
    if (manifest.isDestroyed || (!source && !ignoresList)) return null;
    const { number, content } = source ?? {};
    const added = { id: pin, number, content, holder, holderId };
    return { ...manifest, checkpoints: [...manifest.checkpoints, added] };
  });
}

export function addClone({ config, name, self, state, add }) {
  const { parent, target, checkpoint } = self;
  switch (self.step) {
    case "start":
      if (!newestOf(state, parent).checkpoints.some(({ id }) => id === checkpoint)) {
        add("finds no checkpoint", stop);
        return;
      }
      if (plants(config, "pin-after-the-first-manifest")) {
        add("reads the checkpoint", (next, process) => {
          begin(next, process, newestOf(next, parent));
          process.entries.push({ owner: parent, path: parent, pin: `${name}.${parent}` });
          process.step = "create";
        });
        return;
      }
      add(`pins ${checkpoint} of ${parent}`, (next, process) => {
        const holder = { pin: `${name}.${parent}`, holder: target, holderId: name };
        const manifest = addPin(next, parent, checkpoint, holder);
        if (!manifest) return stop(next, process);
        begin(next, process, manifest);
        process.entries.push({ owner: parent, path: parent, pin: holder.pin });
      });
      return;
    case "late-pin":
      add(`pins ${checkpoint} of ${parent}`, (next, process) => {
        addPin(next, parent, checkpoint, {
          pin: `${name}.${parent}`,
          holder: target,
          holderId: name,
        });
        stop(next, process);
      });
      return;
    case "owners":
      addOwner({ config, name, self, state, add });
      return;
    case "create":
      add(`creates manifest 1 of ${target}`, (next, process) =>
        create(config, name, next, process),
      );
      return;
    case "look":
      add("looks at its pins once more", (next, process) => look(name, next, process));
      return;
    case "tidy":
      addTidy({ name, self, add });
      return;
    case "give-up":
      addGiveUp({ self, add });
  }
}

/** What the checkpoint names, and which owners are to be pinned beside the parent. */
function begin(next, process, manifest) {
  const { number, content } =
    manifest.checkpoints.find(({ id }) => id === process.checkpoint) ?? {};
  const { ssts } = next.stores[process.parent].manifests[number];
  const owners = [...new Set(ssts.map(ownerOf))].filter((owner) => owner !== process.parent);
  Object.assign(process, {
    step: "owners",
    ssts,
    content,
    number,
    owners,
    entries: [],
    place: null,
  });
}

/** Where the owner's objects lie is what the parent's newest manifest says; and the pin there is a copy of the parent's. */
function addOwner({ config, name, self, state, add }) {
  const { parent, target, owners, place } = self;
  const [owner] = owners;
  if (!owner || plants(config, "owners-not-pinned")) {
    add("has pinned all", (_next, process) => {
      if (owner) {
        for (const each of owners) {
          const path = placeOf(parent, newestOf(state, parent), each);
          process.entries.push({ owner: each, path, pin: "" });
        }
      }
      process.step = "create";
    });
    return;
  }
  if (!place) {
    add(`reads where ${owner} lies`, (next, process) => {
      const isOld = plants(config, "owner-found-in-the-old-manifest");
      const manifest = isOld ? next.stores[parent].manifests[self.number] : newestOf(next, parent);
      const entry = manifest.externals.find((each) => each.owner === owner && !each.isLeaving);
      // Copied into the parent since: its pin is on the parent's own checkpoint, another than the parent's.
      process.place = entry.path
        ? { path: entry.path, pin: entry.pin }
        : { path: parent, pin: `${name}.${parent}` };
    });
    return;
  }
  add(`pins ${owner}'s objects at ${place.path}`, (next, process) => {
    const pin = `${name}.${owner}`;
    const holder = { pin, holder: target, holderId: name };
    const shares = plants(config, "pin-of-the-parent-shared") && place.path === parent;
    const isOld = plants(config, "owner-found-in-the-old-manifest");
    process.place = null;
    // Gone: the parent has copied these objects meanwhile, and its newest manifest says so.
    if (
      !shares &&
      !addPin(next, place.path, place.pin, { ...holder, content: undefined }) &&
      !isOld
    )
      return;
    process.owners.shift();
    process.entries.push({ owner, path: place.path, pin: shares ? place.pin : pin });
  });
}

function create(config, name, next, process) {
  const { target, ssts, content, entries } = process;
  const store = next.stores[target];
  if (store.newest) {
    process.step = "give-up";
    return;
  }
  store.newest = 1;
  const externals = entries.map((entry) => ({ ...entry, isLeaving: false }));
  store.manifests[1] = freezeContent({ ...firstManifest, db: target, life: name, ssts, externals });
  next.truth.must[target] = content;
  process.step = plants(config, "pin-after-the-first-manifest") ? "late-pin" : "tidy";
  process.places = [...new Set(entries.map(({ path }) => path))];
}

/** Pins of attempts that can never create manifest 1 any more. */
function addTidy({ name, self, add }) {
  const { target, places } = self;
  if (!places.length) {
    add("has tidied up", (_next, process) => {
      process.step = "look";
    });
    return;
  }
  add(`drops the pins of other attempts at ${places[0]}`, (next, process) => {
    commit(next, process.places.shift(), (manifest) =>
      without(manifest, ({ holder, holderId }) => holder === target && holderId !== name),
    );
  });
}

function look(name, next, process) {
  for (const { path, pin, isLeaving } of newestOf(next, process.target).externals) {
    if (isLeaving || !path || !pin) continue;
    const isThere = newestOf(next, path).checkpoints.some(({ id }) => id === pin);
    if (!isThere) violate(`${name} ends without its pin ${pin} at ${path}`);
  }
  process.step = "done";
}

function addGiveUp({ self, add }) {
  const [entry] = self.entries;
  if (!entry) {
    add("has lost", stop);
    return;
  }
  add(`drops its pin at ${entry.path}`, (next, process) => {
    process.entries.shift();
    commit(next, entry.path, (manifest) => without(manifest, ({ id }) => id === entry.pin));
  });
}
