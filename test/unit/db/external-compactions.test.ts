/** Compactions whose inputs are partly those of other databases give what they give where all are the database's own. */
import * as fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import { KeptRunLists } from "../../../src/compaction/run-list-reads.js";
import { Compactor } from "../../../src/db/compactor.js";
import type { Manifest } from "../../../src/format/manifest.js";
import { decodeRunList } from "../../../src/format/run-list.js";
import { CorruptionError, Db, DbReader } from "../../../src/index.js";
import { ExternalRoutes, routed } from "../../../src/object-store/external-routes.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { prefixed } from "../../../src/object-store/prefixed.js";
import { MemoryObjectStore, seededRandom } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { sampled } from "../../support/run-counts.js";
import { cloneByHand, copyPath, objectsBelow } from "./clone-by-hand.js";
import { commit, newest } from "./compact-by-hand.js";
import { rows, text } from "./support.js";

beforeAll(loadEngine);

const small = { sstBytesMax: 4096, compactionThreads: 0 } as const;
const idle = { compaction: false, flushIntervalMs: 3_600_000, sstBytesMax: 4096 } as const;
const keyCount = 100;
const keyOf = (i: number): string => `k${String(i).padStart(2, "0")}`;

type Step =
  | { readonly do: "write"; readonly seed: number; readonly count: number }
  | { readonly do: "load"; readonly from: number; readonly every: number; readonly count: number }
  | { readonly do: "delete"; readonly from: number; readonly count: number }
  | { readonly do: "compact"; readonly from: number; readonly count: number }
  | { readonly do: "clone"; readonly listed: boolean };

const place = { from: fc.nat(keyCount - 1), count: fc.integer({ min: 1, max: 60 }) };
const change = fc.oneof(
  fc.record({ do: fc.constant("write" as const), seed: fc.nat(999), count: place.count }),
  fc.record({ do: fc.constant("load" as const), every: fc.integer({ min: 1, max: 4 }), ...place }),
  fc.record({ do: fc.constant("delete" as const), ...place }),
  fc.record({ do: fc.constant("compact" as const), ...place }),
);
const clone = fc.record({ do: fc.constant("clone" as const), listed: fc.boolean() });
const history: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.array(change, { minLength: 1, maxLength: 4 }),
    clone,
    fc.array(fc.oneof({ arbitrary: change, weight: 4 }, { arbitrary: clone, weight: 1 }), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  .map(([before, first, after]) => [...before, first, ...after]);

/** One database, at a path that a clone moves on from. */
class Side {
  readonly store = new MemoryObjectStore();
  path = "db";
  #clones = 0;

  get at() {
    return { store: this.store, path: this.path };
  }

  async clone(listed: boolean): Promise<void> {
    const to = `clone-${++this.#clones}`;
    await cloneByHand({ store: this.store, from: this.path, to, listed });
    this.path = to;
  }

  async apply(step: Exclude<Step, { do: "clone" }>): Promise<void> {
    if (step.do === "compact") {
      const compactor = await Compactor.open(this.at, small);
      const [gte, lt] = [keyOf(step.from), keyOf(Math.min(keyCount, step.from + step.count))];
      await compactor.compact(gte < lt ? { gte, lt } : undefined);
      await compactor.close();
      return;
    }
    const db = await Db.open(this.at, idle);
    if (step.do === "write") {
      const random = seededRandom(step.seed);
      for (let i = 0; i < step.count; i++) {
        const key = keyOf(Math.floor(random.next() * keyCount));
        if (random.next() < 0.2) await db.delete(key, { durable: false });
        else await db.put(key, textOf(step.seed, i), { durable: false });
      }
    } else if (step.do === "load") {
      const keys = Array.from({ length: step.count }, (_, i) => step.from + i * step.every);
      const entries = keys.filter((i) => i < keyCount).map((i) => [keyOf(i), textOf(i, 0)]);
      await db.load(entries as [string, string][]);
    } else {
      await db.deleteRange({ gte: keyOf(step.from), lt: keyOf(step.from + step.count) });
    }
    await db.flush({ to: "l0" });
    await db.close();
  }

  /** All rows, in both directions and by key, with their seqs. */
  async seen(): Promise<string[]> {
    const reader = await DbReader.open(this.at, { pollIntervalMs: 3_600_000 });
    const keys = Array.from({ length: keyCount }, (_, i) => keyOf(i));
    const entries = await Promise.all(keys.map((key) => reader.getEntry(key)));
    const result = [
      await rows(reader),
      await rows(reader, { reverse: true }),
      entries.map((entry) => `${text(entry?.value)} ${entry?.seq}`).join(),
    ];
    await reader.close();
    return result;
  }

  async compact(): Promise<void> {
    await this.apply({ do: "compact", from: 0, count: 0 });
  }

  manifest(): Promise<Manifest> {
    return newest(prefixed(this.store, this.path));
  }

  objects(): Promise<string[]> {
    return objectsBelow(this.store, this.path);
  }
}

/** Compression makes nothing of it. */
const noise = Buffer.from(seededRandom(1).bytes(500)).toString("base64");
const textOf = (seed: number, i: number): string => `${seed} ${i} ${noise}`;

test("a history with clones in it reads and compacts as the same history in one database", async () => {
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const cloned = new Side();
      const whole = new Side();
      for (const side of [cloned, whole]) await (await Db.open(side.at, idle)).close();
      const left: { at: { store: MemoryObjectStore; path: string }; objects: string[] }[] = [];
      for (const step of steps) {
        if (step.do === "clone") {
          const { at } = cloned;
          await cloned.clone(step.listed);
          left.push({ at, objects: await objectsBelow(at.store, at.path) });
        } else {
          await cloned.apply(step);
          await whole.apply(step);
        }
        expect(await cloned.seen()).toEqual(await whole.seen());
      }
      for (const { at, objects } of left) {
        expect(await objectsBelow(at.store, at.path)).toEqual(objects);
      }
    }),
    { numRuns: Number(process.env["EXTERNAL_RUNS"] ?? sampled(12)) },
  );
});

/** The store of a handle, as one that has read the newest manifest. */
async function storeOf(side: Side): Promise<ObjectStore> {
  const { store, path } = side;
  const routes = new ExternalRoutes((other) => prefixed(store, other));
  const { number, externals } = await side.manifest();
  routes.adopt(number, externals);
  return prefixed(routed(store, path, routes), path);
}

/** A run of many SSTs of some blocks each, whose list is an object, and rows above some of its keys. */
async function filled(listed: boolean): Promise<Side> {
  const side = new Side();
  await side.apply({ do: "load", from: 0, every: 1, count: keyCount });
  await side.compact();
  const { runs, databaseId } = await side.manifest();
  expect(runs[0]!.sstCount).toBeGreaterThan(12);
  await side.clone(listed);
  expect((await side.manifest()).runs[0]!.owner).toBe(databaseId);
  await side.apply({ do: "write", seed: 1, count: 3 });
  return side;
}

test.each([true, false])(
  "what a compaction moves keeps its owner, what it writes is the clone's, and the parent keeps all (parts: %s)",
  async (listed) => {
    const side = await filled(listed);
    const [external] = (await side.manifest()).externals;
    const parent = await objectsBelow(side.store, "db");
    const before = await side.seen();
    const were = new Set(await side.objects());
    await side.compact();
    expect(await side.seen()).toEqual(before);
    expect(await objectsBelow(side.store, "db")).toEqual(parent);
    const manifest = await side.manifest();
    expect(manifest.runs).toHaveLength(1);
    const [run] = manifest.runs;
    expect(run).toMatchObject({ owner: "", ssts: [] });
    expect(run!.listBytes).toBeGreaterThan(0);
    const list = (await side.store.get(`${side.path}/${ObjectPaths.run(run!.id)}`))!.bytes;
    const path = ObjectPaths.run(run!.id);
    const ssts = decodeRunList(list, path, manifest.databaseId, run!);
    const owners = ssts.map(({ owner }) => owner);
    expect(new Set(owners)).toEqual(new Set(["", external!.databaseId]));
    const own = ssts.filter(({ owner }) => owner === "");
    const made = (await side.objects()).filter((name) => !were.has(name) && name.includes("/sst/"));
    expect(made).toEqual(
      own.map(({ id, size }) => `${side.path}/${ObjectPaths.sst(id)} ${size}`).sort(),
    );
    // In the eyes of the next clone the list is this one's, and what it names is of both.
    const { path: cloned } = side;
    await side.clone(listed);
    expect(await side.seen()).toEqual(before);
    const next = await side.manifest();
    const lists = new KeptRunLists(await storeOf(side), next.databaseId);
    const found = await lists.all(next.runs[0]!);
    expect(found.map(({ owner }) => owner)).toEqual(
      owners.map((owner) => owner || manifest.databaseId),
    );
    side.path = cloned;
    // By their ids, as ever: there is nothing under them at the clone's path.
    const retired = manifest.retired.flatMap(({ ids }) => ids);
    const parentLists = parent.filter((name) => name.startsWith("db/runs/"));
    expect(parentLists.some((name) => retired.some((id) => name.includes(id)))).toBe(true);
    expect(retired.some((id) => parent.some((name) => name.startsWith(`db/sst/${id}`)))).toBe(true);
  },
);

test("with a filter that asks for every row, everything is read from the other database and written to the own path", async () => {
  const side = await filled(true);
  const before = await side.seen();
  const compactor = await Compactor.open(side.at, {
    ...{ sstBytesMax: 64 * 1024, compactionThreads: 0 },
    compactionFilter: () => "keep",
  });
  await compactor.compact();
  await compactor.close();
  const { runs } = await side.manifest();
  expect(
    runs.flatMap(({ ssts }) => ssts.map(({ owner }) => owner)).every((owner) => owner === ""),
  ).toBe(true);
  expect(runs[0]!.ssts.length).toBeGreaterThan(0);
  for await (const { key } of side.store.list({ prefix: "db/" })) await side.store.delete([key]);
  expect(await side.seen()).toEqual(before);
});

test("a compaction that reads from another database goes on at the own path after a detach that it knows nothing of", async () => {
  const side = await filled(false);
  const before = await side.seen();
  const compactor = await Compactor.open(side.at, small);
  await copyPath(side.store, "db", side.path, "sst/");
  await copyPath(side.store, "db", side.path, "runs/");
  for await (const { key } of side.store.list({ prefix: "db/" })) await side.store.delete([key]);
  await compactor.compact();
  await compactor.close();
  expect((await side.manifest()).l0).toEqual([]);
  expect(await side.seen()).toEqual(before);
});

test("an input of another database than the one that is named fails the job with damage", async () => {
  const side = await filled(false);
  const manifest = await side.manifest();
  const [external] = manifest.externals;
  const wrong = `${external!.databaseId.slice(0, -1)}0`;
  const entry = { ...manifest.l0[0]!, ssts: manifest.l0[0]!.ssts };
  const run = { ...manifest.runs[0]!, owner: wrong };
  await commit(prefixed(side.store, side.path), manifest, {
    ...{ l0: [entry], runs: [run], externals: [{ ...external!, databaseId: wrong }] },
  });
  const compactor = await Compactor.open(side.at, small);
  const failure = await compactor.compact().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(CorruptionError);
  expect(String(failure)).toContain(`databases/${wrong}/runs/`);
  await compactor.close();
});
