// Destroying a database, and a second life of one that was destroyed, which goes on from its numbers.

import { plants } from "../state.mjs";
import { commit, newestOf, ownerOf } from "./world.mjs";

export function addDestroy({ config, self, state, add }) {
  const { path } = self;
  const finish = (_next, process) => {
    process.step = "done";
  };
  switch (self.step) {
    case "start":
      if (!newestOf(state, path)) return;
      add("destroys, or finds it destroyed", (next, process) => {
        commit(next, path, (manifest) => {
          const isHeld = manifest.checkpoints.some(({ holder }) => holder);
          if (manifest.isDestroyed || (isHeld && !plants(config, "destroyed-while-held")))
            return null;
          const externals = manifest.externals.map((each) => ({ ...each, isLeaving: true }));
          const nothing = { ssts: [], checkpoints: [], retired: [], isDestroyed: true };
          // Above every id that is stored or named; a second life mints above it.
          return { ...manifest, ...nothing, externals, floor: next.minted[path] ?? 0 };
        });
        if (!newestOf(next, path).isDestroyed) return finish(next, process);
        process.floor = newestOf(next, path).floor;
        process.pins = newestOf(next, path).externals.filter((each) => each.path);
        process.step = "unpin";
      });
      return;
    case "unpin":
      if (!self.pins.length) {
        add("lists what is left", (next, process) => {
          const isOld = (name) => ownerOf(name) !== path || Number(name.slice(1)) <= process.floor;
          const names = Object.keys(next.stores[path].objects);
          process.doomed = plants(config, "deleted-as-it-was-listed") ? names : names.filter(isOld);
          process.step = "delete";
        });
        return;
      }
      add(`drops pin ${self.pins[0].pin} at ${self.pins[0].path}`, (next, process) => {
        const { pin, path: at } = process.pins.shift();
        commit(next, at, (manifest) => ({
          ...manifest,
          checkpoints: manifest.checkpoints.filter(({ id }) => id !== pin),
        }));
      });
      return;
    case "delete":
      if (!self.doomed.length) {
        add("has deleted all", finish);
        return;
      }
      add(`deletes ${self.doomed[0]}`, (next, process) => {
        delete next.stores[path].objects[process.doomed.shift()];
      });
  }
}

/** A database is created where one was destroyed; it uploads only after its first commit. */
export function addSecondLife({ self, state, add }) {
  const { path } = self;
  if (!newestOf(state, path)?.isDestroyed) return;
  add("creates a database there", (next, process) => {
    commit(next, path, (manifest) => ({ ...manifest, isDestroyed: false }));
    next.truth.must[path] = 0;
    Object.assign(process, { program: "change", step: "start" });
  });
}
