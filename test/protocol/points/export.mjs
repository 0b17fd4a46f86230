// An export to another place: a claim, copies, and the manifest last. A claim may be taken for dead at any moment, and its
// exporter may wake at any moment; a DELETE cannot be fenced, and every attempt uses the same keys.

import { violate } from "../invariants.mjs";
import { freezeContent, plants } from "../state.mjs";
import { commit, firstManifest, newestOf } from "./world.mjs";

const stop = (_next, process) => {
  process.step = "done";
};

const highestClaim = ({ claims }) => Math.max(0, ...Object.keys(claims).map(Number));

export function addExport({ config, name, self, state, add }) {
  const { path, target, ssts } = self;
  const store = state.stores[target];
  switch (self.step) {
    case "start": {
      const highest = highestClaim(store);
      if (store.newest < (self.base ?? 0)) return;
      const isTaken = store.newest > (self.base ?? 0);
      const isForeign = !highest && !self.base && Object.keys(store.objects).length > 0;
      if (isTaken || isForeign) {
        add("is refused: something is there", stop);
        return;
      }
      const isAlive = highest && !store.claims[highest].hasEnded;
      if (isAlive && !state.faults.takeover) return;
      add(
        isAlive ? `takes claim ${highest} for dead` : "finds no living claim",
        (next, process) => {
          if (isAlive) next.faults.takeover--;
          process.claim = highest + 1;
          // What is listed before the claim is stored may be cleaned up by then.
          if (plants(config, "target-listed-before-the-claim")) list(next, process);
          process.step = "claim";
        },
      );
      return;
    }
    case "claim":
      add(`creates claim ${self.claim}`, (next, process) => {
        const { claims } = next.stores[target];
        if (claims[process.claim]) return stop(next, process);
        claims[process.claim] = { by: name, hasEnded: false };
        process.step = plants(config, "target-listed-before-the-claim") ? "copy" : "list";
      });
      return;
    case "list":
      add("lists the target", (next, process) => {
        list(next, process);
        // Another has finished, and taken its claims away, since this one looked for them.
        const isLate = next.stores[target].newest > (process.base ?? 0);
        process.step =
          isLate && !plants(config, "finished-before-its-claim") ? "clean-claims" : "copy";
        if (config.pinsSource && process.step === "copy") process.step = "pin";
      });
      return;
    case "pin":
      addPinning({ config, name, self, add });
      return;
    case "copy":
      addCopy({ self, state, add });
      return;
    case "check":
      add("looks at its claim before the manifest", (next, process) => {
        const isMine = isHighest(name, next, process);
        process.step = isMine || plants(config, "claim-not-looked-at") ? "finish" : "done";
      });
      return;
    case "finish":
      add("creates the manifest", (next, process) => finish(config, next, process));
      return;
    default:
      addCleanUp({ config, name, self, state, add });
  }

  function list(next, process) {
    const { objects } = next.stores[target];
    process.todo = ssts.filter((each) => objects[each] === undefined);
    process.created = [];
    // Whoever deletes what others left behind before it has a manifest of its own.
    if (!plants(config, "left-behind-deleted-at-once")) return;
    for (const each of Object.keys(objects)) {
      if (!ssts.includes(each)) delete objects[each];
    }
  }

  function addCopy({ self: { todo }, state: now, add: act }) {
    const [first] = todo;
    if (first) {
      act(`copies ${first}`, (next, process) => {
        const value = next.stores[path].objects[first];
        if (value === undefined) {
          const { checkpoints } = newestOf(next, path);
          const isPinned = checkpoints.some(({ id }) => id === name) || !config.pinsSource;
          if (isPinned) violate(`${name} finds ${first} gone at the source, which it has pinned`);
          process.step = "clean-claims";
          return;
        }
        next.stores[target].objects[first] = value;
        process.created.push(process.todo.shift());
      });
    } else {
      act("has copied all", (_next, process) => {
        process.step = "check";
      });
    }
    if (!now.faults.fail) return;
    act("fails", (next, process) => {
      next.faults.fail--;
      process.step = "clean-claims";
    });
  }
}

/** A checkpoint of the state that it copies, which nobody drops while it is refreshed; it may expire under a sleeper. */
function addPinning({ config, name, self, add }) {
  add("pins the state that it copies", (next, process) => {
    const done = commit(next, self.path, (manifest, number) => {
      const source = manifest.checkpoints.find(({ id }) => id === `c.${self.path}`);
      if (!source) return null;
      const isOld = !plants(config, "pin-of-another-state");
      const pin = {
        ...source,
        id: name,
        number: isOld ? source.number : number,
        content: undefined,
      };
      return { ...manifest, checkpoints: [...manifest.checkpoints, pin] };
    });
    process.step = done ? "copy" : "clean-claims";
  });
}

function isHighest(name, next, { target, claim }) {
  const store = next.stores[target];
  return highestClaim(store) === claim && store.claims[claim].by === name;
}

function finish(config, next, process) {
  const { path, target, ssts, base = 0 } = process;
  const store = next.stores[target];
  const number = base + 1;
  if (store.newest >= number) return stop(next, process);
  store.newest = number;
  const floor = plants(config, "export-with-floors") ? 9 : 0;
  store.manifests[number] = freezeContent({ ...firstManifest, db: path, ssts, floor });
  next.truth.must[target] = ssts.reduce((all, each) => all | next.truth.contents[each], 0);
  process.step = "tidy";
}

/**
 * After its own manifest what others left goes, or after a failure what it has created itself: only while its claim is the
 * highest, which is looked at with each DELETE. Older claims first, its own last.
 */
function addCleanUp({ config, name, self, state, add }) {
  const { target, claim, created } = self;
  const store = state.stores[target];
  const named = newestOf(state, target)?.ssts ?? [];
  const isLate = plants(config, "deleted-long-after-the-look");
  const isTidying = self.step === "tidy";
  const ignores = isTidying && plants(config, "tidied-under-a-later-claim");
  if (self.step === "clean-look") {
    add("looks at its claim", (next, process) => {
      process.step = isHighest(name, next, process) ? "clean-objects" : "done";
    });
    return;
  }
  if (!isLate && !ignores && !isHighest(name, state, self)) {
    add("leaves everything to another", stop);
    return;
  }
  const keepsClaims = plants(config, "older-claims-left") && !isTidying;
  const older = Object.keys(store.claims).map(Number);
  const [oldest] = older.filter((each) => each < claim && !keepsClaims);
  if (oldest && self.step !== "clean-objects") {
    add(`deletes claim ${oldest}`, (next) => {
      delete next.stores[target].claims[oldest];
    });
    return;
  }
  if (self.step === "clean-claims" && isLate) {
    add("has no older claims", (_next, process) => {
      process.step = "clean-look";
    });
    return;
  }
  const mine = (isTidying ? Object.keys(store.objects) : created).filter(
    (each) => !named.includes(each),
  );
  const [first] = mine.filter((each) => store.objects[each] !== undefined);
  if (first) {
    add(`deletes ${first}`, (next) => {
      delete next.stores[target].objects[first];
    });
    return;
  }
  add("ends its claim", (next, process) => {
    const { claims } = next.stores[target];
    if (claim > 1 && !named.length && !keepsClaims) claims[claim] = { by: name, hasEnded: true };
    else delete claims[claim];
    process.step = "done";
  });
}

/** The sweep of a target: what is at or below its floor, and named by nothing. */
export function addTargetSweep({ self, state, add }) {
  const { path } = self;
  if (self.step === "start") {
    if (!state.stores[path].newest) return;
    add("reads the manifest of the target", (next, process) => {
      const { ssts, floor } = newestOf(next, path);
      Object.assign(process, { step: "sweep", ssts, floor });
    });
    return;
  }
  add("sweeps", (next, process) => {
    const { objects } = next.stores[path];
    for (const each of Object.keys(objects)) {
      if (Number(each.slice(1)) <= self.floor && !self.ssts.includes(each)) delete objects[each];
    }
    process.step = "done";
  });
}
