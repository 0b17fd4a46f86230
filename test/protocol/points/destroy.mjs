// Destroying a database, and a second life of one that was destroyed, which goes on from its numbers.

import { plants } from "../state.mjs";
import { commit, newestOf } from "./world.mjs";

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
          return { ...manifest, ...nothing, externals };
        });
        if (!newestOf(next, path).isDestroyed) return finish(next, process);
        process.number = next.stores[path].newest;
        process.pins = newestOf(next, path).externals.filter((each) => each.path);
        process.step = "unpin";
      });
      return;
    case "unpin":
      if (!self.pins.length) {
        add("lists what is left", (next, process) => {
          process.doomed = Object.keys(next.stores[path].objects);
          process.step = plants(config, "deleted-as-it-was-listed") ? "delete" : "look";
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
    case "look":
      add("looks for a newer manifest", (next, process) => {
        const isNewest = next.stores[path].newest === process.number;
        process.step = isNewest && process.doomed.length ? "delete" : "done";
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
