/**
 * Every request of an exporter fails, loses its reply, is its last, or lands late; or it sleeps there while another one takes over. Then the export
 * is run again: it completes, holds everything, nothing is left over, and the source is what it was.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { Admin, type CopyMode } from "../../src/admin/index.js";
import { isMoraineError, StoreError } from "../../src/common/errors.js";
import { collect } from "../../src/db/collect.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import { type Fault, FaultyObjectStore, ManualClock } from "../../src/testing/index.js";
import { loadEngine } from "../support/load-engine.js";
import { isLong } from "../support/run-counts.js";
import {
  type Content,
  contentOf,
  keysAt,
  newestAt,
  openDb,
  readAt,
  writeAll,
} from "../unit/admin/exports.js";

// What takes real time is loaded before a manual clock is waited for.
beforeAll(async () => {
  await loadEngine();
  await import("../../src/admin/export.js");
});

const minute = 60_000;
const fates = ["fails", "loses-reply", "dies-before", "dies-after", "late", "sleeps"] as const;
type Fate = (typeof fates)[number];

/** Each request meets all fates where there is time, else one in each kind and mode. */

/** What the target holds before: nothing, or an earlier export. */
const kinds = ["first", "incremental"] as const;
type Kind = (typeof kinds)[number];

interface Prepared {
  readonly objects: ReadonlyMap<string, Uint8Array>;
  readonly content: Content;
}

/** The source, and for an incremental one an export of an earlier state of it. */
async function prepare(kind: Kind): Promise<Prepared> {
  const store = new MemoryObjectStore();
  const db = await openDb({ store, path: "db" });
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  if (kind === "incremental") {
    const admin = await Admin.open({ store, path: "db" });
    await admin.export(undefined, { store, path: "copy" });
    await admin.close();
  }
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await db.put("in the log", "1");
  const content = await contentOf(db);
  await db.close({ flush: false });
  const objects = new Map<string, Uint8Array>();
  for await (const { key } of store.list({ prefix: "" })) {
    objects.set(key, (await store.get(key))!.bytes);
  }
  return { objects, content };
}

interface Case {
  readonly kind: Kind;
  readonly copyMode: CopyMode;
  readonly at: number;
  readonly fate: Fate;
}

/** Gives how many requests the first exporter made. */
async function run({ objects, content }: Prepared, which: Case): Promise<number> {
  const { kind, copyMode, at, fate } = which;
  const incremental = kind === "incremental";
  // The time of the manifests, which were made by the system's clock.
  const clock = new ManualClock({ now: Date.now() });
  const store = new MemoryObjectStore({ clock });
  for (const [key, bytes] of objects) await store.put(key, bytes);
  const exporter = async () => {
    const faulty = new FaultyObjectStore(store, { clock });
    const admin = await clock.advanceUntil(Admin.open({ store: faulty, path: "db" }, { clock }));
    const start = (adds = incremental): Promise<unknown> =>
      admin.export(
        undefined,
        { store: faulty, path: "copy" },
        { copyMode, incremental: adds, copiesInFlight: 2 },
      );
    return { faulty, start };
  };
  const first = await exporter();
  let wake = (): void => undefined;
  const asleep = new Promise<void>((resolve) => {
    wake = resolve;
  });
  let requests = 0;
  first.faulty.intercept = (): Fault | undefined => {
    const i = requests++;
    if (fate === "sleeps") return i >= at ? { kind: "delay", until: asleep } : undefined;
    if (fate === "late" && i === at + 1) return { kind: "crash" };
    if (i !== at) return undefined;
    if (fate === "fails") return { kind: "before", error: new StoreError("denied", "planned") };
    if (fate === "loses-reply") return { kind: "after" };
    if (fate === "late") return { kind: "late" };
    return { kind: "crash", applied: fate === "dies-after" };
  };
  let isDone = false;
  let error: unknown;
  const started = first.start().then(
    () => {
      isDone = true;
    },
    (reason) => {
      error = reason;
    },
  );
  for (let i = 0; i < 20 && !isDone && error === undefined; i++) await clock.advance(1000);
  if (error !== undefined) expect(isMoraineError(error), String(error)).toBe(true);
  if (fate === "loses-reply" || at >= requests) expect(isDone, String(error)).toBe(true);
  const isOver = isDone || error !== undefined;
  if (!isDone) {
    // A failure has tidied up, unless it was in that; a death has left a claim.
    await clock.advance(11 * minute);
    const second = await exporter();
    try {
      await clock.advanceUntil(second.start());
    } catch (reason) {
      // The first had created the manifest before it ended.
      expect(reason).toMatchObject({ kind: "exists" });
      expect(String(reason)).toMatch(/holds an export already/);
      // And an exporter that adds to it removes the claim.
      await clock.advanceUntil((await exporter()).start(true));
    }
  }
  expect(await readAt({ store, path: "copy" })).toEqual(content);
  // What slept goes on, what was late lands.
  first.faulty.intercept = undefined;
  wake();
  if (!isOver && fate === "sleeps") await clock.advanceUntil(started);
  await first.faulty.releaseLate();
  if (isDone && (await keysAt(store, "copy")).some((key) => key.endsWith(".claim"))) {
    // It could not remove its claim: nobody waits for that, and the next export does.
    await clock.advanceUntil((await exporter()).start(true));
  }
  await checkTarget(store, content, fate !== "late");
  // The source: whole, and its pin goes.
  await clock.advance(31 * minute);
  await clock.advanceUntil(collect({ store, path: "db" }, { clock, graceMs: 0 }));
  expect((await newestAt(store, "db")).checkpoints).toEqual([]);
  expect(await readAt({ store, path: "db" })).toEqual(content);
  return requests;
}

/** Whole, and nothing else is there. */
async function checkTarget(
  store: MemoryObjectStore,
  content: Content,
  isTidy: boolean,
): Promise<void> {
  expect(await readAt({ store, path: "copy" })).toEqual(content);
  const manifest = await newestAt(store, "copy");
  expect(manifest.exports.length).toBeGreaterThan(0);
  for (const { id } of manifest.checkpoints) await readAt({ store, path: "copy" }, id);
  if (!isTidy) return;
  const keys = await keysAt(store, "copy");
  const named = new Set(manifest.l0.flatMap(({ ssts }) => ssts.map(({ id }) => `sst/${id}.sst`)));
  for (const { ids } of manifest.retired) for (const id of ids) named.add(`sst/${id}.sst`);
  // Probes are swept some day, and a heartbeat that was late goes with the next export.
  const isAside = (key: string): boolean => /^(manifest|wal|probe)\/|\.heartbeat$/.test(key);
  const others = keys.filter((key) => !isAside(key) && !named.has(key));
  expect(others.join()).toEqual("");
}

describe.each(kinds)("an export that is a %s one", (kind) => {
  test.each(["server", "stream"] as const)(
    "copied in mode %s, cut at every request",
    async (copyMode) => {
      const prepared = await prepare(kind);
      const requests = await run(prepared, { kind, copyMode, at: 1e9, fate: "fails" });
      expect(requests).toBeGreaterThan(20);
      for (let at = 0; at < requests; at++) {
        for (const [i, fate] of fates.entries()) {
          const turn =
            at + i + ["server", "stream"].indexOf(copyMode) * 2 + kinds.indexOf(kind) * 3;
          if (!isLong && turn % fates.length !== 0) continue;
          const which = { kind, copyMode, at, fate };
          await run(prepared, which).catch((error) => {
            throw new Error(
              `${JSON.stringify(which)}: ${error instanceof Error ? error.stack : error}`,
            );
          });
        }
      }
    },
    120_000,
  );
});
