// The logs of one database, whose checkpoints name WAL objects: writers one after the other, a durable checkpoint made
// without a writer, and the collector. Feeds are in feed.mjs. A record holds one write, and its seq stands for it.

import { violate } from "../invariants.mjs";
import { plants } from "../state.mjs";
import { commit, newestOf } from "./world.mjs";

const path = "a";

export const positionOf = (key) => {
  const [epoch, id] = key.split(".").map(Number);
  return { epoch, id };
};

export const keyOf = ({ epoch, id }) => `${epoch}.${id}`;

export const isBefore = (one, other) =>
  one.epoch < other.epoch || (one.epoch === other.epoch && one.id < other.id);

export const firstId = ({ start }, epoch) => (epoch === start.epoch ? start.id : 1);

/** The keys of the records of a log, from where replay starts to its fence, or to its end as it is now. */
export function recordsOf({ wal }, manifest, epoch) {
  const keys = [];
  for (let id = firstId(manifest, epoch); wal[`${epoch}.${id}`]?.seq; id++) {
    keys.push(`${epoch}.${id}`);
  }
  return keys;
}

/** Claims, fences the older logs, and writes and flushes as often as it may. */
export function addLogWriter({ self, state, add }) {
  const store = state.stores[path];
  if (self.step === "start") {
    add("claims", (next, process) => {
      const manifest = commit(next, path, (newest) => {
        const epoch = newest.epoch + 1;
        return { ...newest, epoch, chain: [...newest.chain, epoch] };
      });
      const { epoch, chain, start } = manifest;
      const older = chain.filter((each) => each < epoch && each >= start.epoch);
      Object.assign(process, { step: "fence", epoch, older });
    });
    return;
  }
  if (self.step === "fence") {
    const [epoch] = self.older;
    if (epoch) {
      add(`fences log ${epoch}`, (next, process) => {
        const { wal } = next.stores[path];
        let id = firstId(newestOf(next, path), epoch);
        while (wal[`${epoch}.${id}`]?.seq) id++;
        wal[`${epoch}.${id}`] ??= { fence: self.epoch };
        process.older.shift();
      });
      return;
    }
    add("opens", (next, process) => {
      if (newestOf(next, path).epoch > self.epoch) {
        process.step = "done";
        return;
      }
      // A seq that its predecessor gave and lost is between the two.
      Object.assign(process, { step: "open", id: 1, seq: Math.max(...next.truth.durable) + 2 });
    });
    return;
  }
  if (self.puts) {
    add(`PUTs wal ${self.epoch}.${self.id}`, (next, process) => {
      const { wal } = next.stores[path];
      const key = `${process.epoch}.${process.id}`;
      if (wal[key]) {
        process.step = "done";
        return;
      }
      wal[key] = { seq: process.seq };
      next.truth.durable = [...next.truth.durable, process.seq];
      process.puts--;
      process.id++;
      process.seq++;
    });
  }
  if (!self.flushes || newestOf(state, path).lastL0Seq >= Math.max(...state.truth.durable)) return;
  add("flushes all", (next, process) => {
    process.flushes--;
    const done = commit(next, path, (manifest) => {
      if (manifest.epoch > process.epoch) return null;
      const gone = manifest.chain.flatMap((epoch) => recordsOf(store, manifest, epoch));
      const by = process.epoch;
      return {
        ...manifest,
        chain: [process.epoch],
        start: { epoch: process.epoch, id: process.id },
        lastL0Seq: Math.max(...next.truth.durable),
        retired: [...manifest.retired, ...gone.map((key) => ({ key, by, isRemnant: false }))],
      };
    });
    if (!done) process.step = "done";
  });
}

/** A durable checkpoint made without a writer: it lists log after log, and then commits. */
export function addMaker({ config, name, self, add }) {
  if (self.step === "start") {
    add("reads the newest manifest", (next, process) => {
      const { chain } = newestOf(next, path);
      Object.assign(process, { step: "list", logs: chain, keys: [] });
    });
    return;
  }
  const [epoch] = self.logs;
  if (epoch) {
    add(`lists log ${epoch}`, (next, process) => {
      const store = next.stores[path];
      const found = recordsOf(store, newestOf(next, path), epoch);
      process.keys.push(...found);
      process.logs.shift();
      // What is behind the end of an open log may not be all.
      const end = found.length
        ? positionOf(found.at(-1)).id + 1
        : firstId(newestOf(next, path), epoch);
      const isOpen = !store.wal[`${epoch}.${end}`]?.fence;
      if (isOpen && !plants(config, "listed-past-an-open-log")) process.logs = [];
    });
    return;
  }
  add("commits its checkpoint", (next, process) => {
    commit(next, path, (manifest, number) => {
      const isLogged = (key) => {
        const { epoch: log, id } = positionOf(key);
        return manifest.chain.includes(log) && id >= firstId(manifest, log);
      };
      const isEarly = plants(config, "wal-named-as-it-was-listed");
      const wal = process.keys.filter((key) => isEarly || isLogged(key));
      const { durable } = next.truth;
      const seqs = wal.map((key) => next.stores[path].wal[key]?.seq);
      const last = Math.max(manifest.lastL0Seq, ...seqs);
      const isHeld = (seq) => seq <= manifest.lastL0Seq || seqs.includes(seq);
      const missing = durable.filter((seq) => seq <= last && !isHeld(seq));
      if (missing.length) violate(`${name}'s checkpoint holds seq ${last}, and not ${missing}`);
      return { ...manifest, checkpoints: [...manifest.checkpoints, { id: name, number, wal }] };
    });
    process.step = "done";
  });
}

export function addDropper({ add }) {
  add("drops the checkpoint", (next, process) => {
    commit(next, path, (manifest) => ({
      ...manifest,
      checkpoints: manifest.checkpoints.filter(({ id }) => id !== "c"),
    }));
    process.step = "done";
  });
}

/** Deletes in log order what no checkpoint names; what stays before something that goes becomes a remnant. */
export function addLogCollector({ config, self, state, add }) {
  if (self.step === "start") {
    if (!newestOf(state, path).retired.length) return;
    add("reads the newest manifest", (next, process) => {
      const { retired, checkpoints } = newestOf(next, path);
      const spared = checkpoints.flatMap(({ wal }) => wal);
      process.doomed = retired.map(({ key }) => key).filter((key) => !spared.includes(key));
      process.gone = [];
      process.step = process.doomed.length ? "delete" : "done";
    });
    return;
  }
  if (self.doomed.length) {
    add(`deletes wal ${self.doomed[0]}`, (next, process) => {
      const key = process.doomed.shift();
      delete next.stores[path].wal[key];
      process.gone.push(key);
    });
    return;
  }
  add("takes off what is gone", (next, process) => {
    const last = positionOf(process.gone.at(-1));
    const isPassed = ({ key }) =>
      isBefore(positionOf(key), last) && !plants(config, "remnants-taken-for-a-log");
    commit(next, path, (manifest) => ({
      ...manifest,
      retired: manifest.retired
        .filter(({ key }) => !process.gone.includes(key))
        .map((entry) => (isPassed(entry) ? { ...entry, isRemnant: true } : entry)),
    }));
    process.passes--;
    process.step = process.passes ? "start" : "done";
  });
}

/** What checkpoints name is there. */
export function checkLogs(state) {
  const { wal } = state.stores[path];
  for (const { id, wal: named = [] } of newestOf(state, path).checkpoints) {
    const gone = named.find((key) => !wal[key]?.seq);
    if (gone) violate(`P5: checkpoint ${id} names wal ${gone}, which is gone`);
  }
}
