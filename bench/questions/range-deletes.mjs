/**
 * The cost of range deletes that no compaction has worked off: gets of a database with range deletes in L0, and of its twin, which
 * has the same rows and no range delete. All that either has is in its cache, so what is asked is what tombstones cost in
 * memory, not what it takes to fetch them. A hidden key is one that the twin has: there its get reads and copies a value.
 */
import { Db } from "../../dist/index.js";
import { Dice } from "../lib/dice.mjs";
import { orderedKeys } from "../lib/keys.mjs";
import { bytesInUse } from "../lib/memory.mjs";
import { median } from "../lib/numbers.mjs";

export const question =
  "What do range deletes in L0, each of 3 of 10 keys, cost warm gets? The goal is at most 2 times the twin without any.";

const MiB = 1024 * 1024;
const turns = 11;
const getsAtOnce = 64;
const batchDeletes = 1_000;
// Of each stretch of so many rows, those from `hiddenFrom` on are deleted.
const stretch = 10;
const hiddenFrom = 3;
const hiddenCount = 3;
const visible = [0, 1, 2, 6, 7, 8, 9];

/** `--rows` and `--range-deletes` say other sizes. */
export const cases = [
  {
    name: "gets in memory, 1 at once",
    engines: ["moraine"],
    store: "memory",
    sizes: { rows: 10_000_000, rangeDeletes: 1_000_000 },
    ...{ rounds: 3, minutesMax: 15 },
  },
];

/** The last three are to be 0: then both databases were warm. */
export const figures = {
  rows: "higher",
  "range deletes": "higher",
  "hidden key: times the twin (goal: at most 2)": "lower",
  "visible key: times the twin (goal: at most 2)": "lower",
  "hidden key: µs/get": "lower",
  "the same in the twin": "lower",
  "visible key: µs/get": "lower",
  "the same in the twin, too": "lower",
  "µs/range delete, until written": "lower",
  "µs/range delete, until in SSTs": "lower",
  "ms of the first get after them": "lower",
  "L0 SSTs with range deletes": "lower",
  "MiB of those SSTs": "lower",
  "MiB of range deletes in memory": "lower",
  "MiB of them by the cache's count": "lower",
  "MiB of the process": "lower",
  "requests of the gets": "lower",
  "cache misses of the gets": "lower",
  "cache evictions": "lower",
};

export async function measure({ rows, seconds, options, sizes }) {
  const plan = planOf({ ...options.sizes, ...sizes });
  const settings = { blockCacheBytes: Math.max(1.5 * 1024 * MiB, plan.rows * 160) };
  const db = await Db.open("memory:///range-deletes", settings);
  const twin = await Db.open("memory:///twin", settings);
  for (const handle of [twin, db]) {
    await handle.load(entries(plan, rows));
    // The commit of the manifest too, so that its SSTs are not counted with those of the range deletes.
    await handle.flush({ to: "l0" });
  }
  const written = await writeRangeDeletes(db, plan);
  for (const handle of [twin, db]) await makeWarm(handle);
  const first = await firstGets(db, plan);
  const before = countsOf(db, twin);
  const gets = await takeTurns({ db, twin, plan, seconds });
  const after = countsOf(db, twin);
  const figures = {
    ...{ rows: plan.rows, "range deletes": plan.rangeDeletes },
    ...gets,
    ...written,
    ...first,
    "MiB of them by the cache's count": (indexBytes(db) - indexBytes(twin)) / MiB,
    "MiB of the process": process.memoryUsage.rss() / MiB,
    "requests of the gets": after.requests - before.requests,
    "cache misses of the gets": after.misses - before.misses,
    "cache evictions": after.evictions,
  };
  await db.close();
  await twin.close();
  return figures;
}

/** Which rows are deleted by which range delete, and which keys they have. */
function planOf({ rows, rangeDeletes }) {
  const stretches = Math.floor(rows / stretch);
  if (rangeDeletes > stretches) {
    throw new Error(`${rows} rows have room for ${stretches} range deletes, not ${rangeDeletes}.`);
  }
  const firstRowOf = (n) => Math.floor((n * stretches) / rangeDeletes) * stretch + hiddenFrom;
  return {
    ...{ rows, rangeDeletes, keys: orderedKeys(rows), firstRowOf },
    hiddenRow: (dice) => firstRowOf(dice.below(rangeDeletes)) + dice.below(hiddenCount),
    visibleRow: (dice) => dice.below(stretches) * stretch + visible[dice.below(visible.length)],
  };
}

function* entries({ rows: count, keys }, rows) {
  for (let i = 0; i < count; i++) yield { key: keys.keyAt(i), value: rows.valueAt(i) };
}

/** In scattered order, a batch at a time, each taken before the next. */
async function writeRangeDeletes(db, { rangeDeletes, keys, firstRowOf }) {
  const order = new Dice(1).shuffled(rangeDeletes);
  const before = db.stats();
  const startMs = performance.now();
  for (let from = 0; from < rangeDeletes; from += batchDeletes) {
    const batch = db.batch();
    for (const n of order.subarray(from, from + batchDeletes)) {
      const row = firstRowOf(n);
      batch.deleteRange({ gte: keys.keyAt(row), lt: keys.keyAt(row + hiddenCount) });
    }
    await db.write(batch, { durable: false });
  }
  const writtenMs = performance.now() - startMs;
  await db.flush({ to: "l0" });
  const storedMs = performance.now() - startMs;
  const { l0Count, sstBytes } = db.stats();
  return {
    "µs/range delete, until written": (writtenMs * 1000) / rangeDeletes,
    "µs/range delete, until in SSTs": (storedMs * 1000) / rangeDeletes,
    "L0 SSTs with range deletes": l0Count - before.l0Count,
    "MiB of those SSTs": (sstBytes - before.sstBytes) / MiB,
  };
}

async function makeWarm(db) {
  const { complete } = await db.warm();
  if (!complete) throw new Error("The cache has no room for all rows.");
}

/** The rows are warm: what is new in memory afterwards are range deletes, which are read with the first get that needs them. */
async function firstGets(db, plan) {
  const before = await bytesInUse();
  const startMs = performance.now();
  await getSome(db, plan.hiddenRow, { plan, dice: new Dice(2), count: 1, length: undefined });
  const firstMs = performance.now() - startMs;
  // There may be some that one key does not need.
  const some = { plan, dice: new Dice(3), count: 2_000 };
  await getSome(db, plan.hiddenRow, { ...some, length: undefined });
  await getSome(db, plan.visibleRow, { ...some, length: 100 });
  return {
    "ms of the first get after them": firstMs,
    "MiB of range deletes in memory": ((await bytesInUse()) - before) / MiB,
  };
}

/** Both databases are asked for the same keys, the one that goes first by turns. A turn ahead is not counted. */
async function takeTurns({ db, twin, plan, seconds }) {
  const samples = { hidden: [], hiddenTwin: [], visible: [], visibleTwin: [] };
  const lengths = { hidden: undefined, hiddenTwin: 100, visible: 100, visibleTwin: 100 };
  const names = Object.keys(samples);
  for (let turn = 0; turn <= turns; turn++) {
    for (const name of turn % 2 === 0 ? names : names.toReversed()) {
      const handle = name.endsWith("Twin") ? twin : db;
      const rowOf = name.startsWith("hidden") ? plan.hiddenRow : plan.visibleRow;
      const dice = new Dice(turn + 10);
      const some = { plan, dice, length: lengths[name], ms: seconds * 250 };
      const micros = await getSome(handle, rowOf, some);
      if (turn > 0) samples[name].push(micros);
    }
  }
  const ratio = (some, others) => median(some.map((micros, turn) => micros / others[turn]));
  const { hidden, hiddenTwin, visible: seen, visibleTwin } = samples;
  return {
    "hidden key: times the twin (goal: at most 2)": ratio(hidden, hiddenTwin),
    "visible key: times the twin (goal: at most 2)": ratio(seen, visibleTwin),
    "hidden key: µs/get": median(hidden),
    "the same in the twin": median(hiddenTwin),
    "visible key: µs/get": median(seen),
    "the same in the twin, too": median(visibleTwin),
  };
}

/** Gets `count` keys, or as many as `ms` have room for, and says how many µs each took. `length` is that of each value. */
async function getSome(handle, rowOf, { plan, dice, length, count = Infinity, ms = Infinity }) {
  const { keys } = plan;
  const key = keys.empty();
  const startMs = performance.now();
  let nowMs = startMs;
  let gets = 0;
  while (gets < count && nowMs - startMs < ms) {
    const end = Math.min(count, gets + getsAtOnce);
    for (; gets < end; gets++) {
      const value = await handle.get(keys.write(key, rowOf(dice)));
      if (value?.length !== length) throw new Error(`A get of ${key} has given something else.`);
    }
    nowMs = performance.now();
  }
  return ((nowMs - startMs) * 1000) / gets;
}

const indexBytes = (handle) => handle.stats().blockCache.index.bytes;

function countsOf(...handles) {
  const all = handles.map((handle) => handle.stats());
  const sum = (of) => all.reduce((total, stats) => total + of(stats), 0);
  return {
    requests: sum(({ requests }) => requests.total.requests),
    misses: sum(({ blockCache }) => blockCache.data.misses + blockCache.index.misses),
    evictions: sum(({ blockCache }) => blockCache.data.evictions + blockCache.index.evictions),
  };
}
