// The end of checkpoints: by their ttl, as a collector has judged it, or by hand; one that is the base of one that stays
// lingers, and goes with its last child. All of it inside the transition, beside commits that add children and refresh.

import { violate } from "../invariants.mjs";
import { plants } from "../state.mjs";
import { commit, newestOf } from "./world.mjs";

const path = "a";

/** The bases that are needed: those of all that has not ended, and theirs. */
function withoutUnneeded(config, checkpoints) {
  const isOneDeep = plants(config, "cascade-of-one-step");
  const needed = new Set(checkpoints.filter(({ isExpired }) => !isExpired));
  for (const each of needed) {
    const base = checkpoints.find(({ id }) => id === each.base);
    if (base) needed.add(base);
  }
  const isBase = ({ id }) => checkpoints.some(({ base }) => base === id);
  return checkpoints.filter((each) => needed.has(each) || (isOneDeep && isBase(each)));
}

function end(config, manifest, isEnding) {
  const ends = (each) => !each.isExpired && isEnding(each);
  const marked = manifest.checkpoints.map((each) =>
    ends(each) ? { ...each, isExpired: true } : each,
  );
  if (plants(config, "bases-dropped")) {
    return { ...manifest, checkpoints: manifest.checkpoints.filter((each) => !ends(each)) };
  }
  return { ...manifest, checkpoints: withoutUnneeded(config, marked) };
}

/** A collector: it judges the ages, and ends in a commit what is still as it was. */
export function addExpiry({ config, self, state, add }) {
  if (self.step === "start") {
    add("judges ages", (next, process) => {
      const old = newestOf(next, path).checkpoints.filter(({ expires }) => expires);
      process.old = old.map(({ id, refreshed }) => ({ id, refreshed }));
      // What is to go is decided before the commit.
      process.left = end(config, newestOf(state, path), ({ expires }) => expires).checkpoints;
      process.step = "commit";
    });
    return;
  }
  add("ends what has expired", (next, process) => {
    commit(next, path, (manifest) => {
      if (plants(config, "cascade-computed-beforehand")) {
        const isGone = ({ id }) =>
          process.old.some((one) => one.id === id) && !process.left.some((one) => one.id === id);
        return { ...manifest, checkpoints: manifest.checkpoints.filter((each) => !isGone(each)) };
      }
      return end(config, manifest, ({ id, refreshed }) =>
        process.old.some((one) => one.id === id && one.refreshed === refreshed),
      );
    });
    process.step = "done";
  });
}

/** Each is one commit; what it asks for may be refused. */
export function addHand({ config, name, self, add }) {
  const { does, of } = self;
  add(`${does} ${of}`, (next, process) => {
    process.step = "done";
    commit(next, path, (manifest, number) => {
      const known = manifest.checkpoints.find(({ id }) => id === of);
      if (!known || known.isExpired) return null;
      if (does === "ends") return end(config, manifest, ({ id }) => id === of);
      if (does === "adds to") {
        const added = { id: name, number, base: of, refreshed: number, expires: self.expires };
        return { ...manifest, checkpoints: [...manifest.checkpoints, added] };
      }
      next.truth.refreshed = [...next.truth.refreshed, of];
      const refresh = (each) =>
        each.id === of ? { ...each, refreshed: number, expires: false } : each;
      return { ...manifest, checkpoints: manifest.checkpoints.map(refresh) };
    });
  });
}

export function checkBases(state) {
  const { checkpoints } = newestOf(state, path);
  for (const { id, base, isExpired } of checkpoints) {
    if (base && !checkpoints.some((each) => each.id === base))
      violate(`${id} has lost its base ${base}`);
    if (isExpired && !checkpoints.some((each) => each.base === id))
      violate(`${id} lingers for nobody`);
  }
  for (const id of state.truth.refreshed) {
    const known = checkpoints.find((each) => each.id === id);
    if (!known || known.isExpired) violate(`${id} was refreshed, and has ended`);
  }
}
