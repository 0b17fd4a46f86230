/** An exporter that has taken over deletes what the one before has left: never beside a later one, which counts on what it finds. */
import { beforeAll, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { decodeClaim, encodeClaim } from "../../../src/format/claim.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { FaultyObjectStore, ManualClock } from "../../../src/testing/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { keysAt, openDb, writeAll } from "./exports.js";

beforeAll(loadEngine);

const minute = 60_000;

/** The second exporter has created its manifest, and something may happen before it tidies up. Gives what is left at the target. */
async function tidyUp(between: (store: MemoryObjectStore, claim: Uint8Array) => Promise<void>) {
  const clock = new ManualClock();
  const store = new MemoryObjectStore({ clock });
  const db = await openDb({ store, path: "db" });
  await writeAll(db, "a");
  await db.flush({ to: "l0" });
  const open = async (faulty: FaultyObjectStore) => {
    const admin = await Admin.open({ store: faulty, path: "db" }, { clock });
    return (incremental = false) =>
      admin.export(undefined, { store: faulty, path: "copy" }, { copiesInFlight: 1, incremental });
  };
  const dying = new FaultyObjectStore(store, { clock });
  let copies = 0;
  dying.intercept = ({ operation }) =>
    operation === "copy" && ++copies === 2 ? { kind: "crash" } : undefined;
  const first = await open(dying);
  first().catch(() => undefined);
  for (let i = 0; i < 100 && !dying.crashed; i++) {
    await clock.advance(100);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const left = (await keysAt(store, "copy")).filter((key) => key.startsWith("sst/"));
  expect(left.length).toBeGreaterThan(0);
  await writeAll(db, "b");
  await db.flush({ to: "l0" });
  await db.compact();
  await db.close();
  await clock.advance(10 * minute);
  const faulty = new FaultyObjectStore(store, { clock });
  const held: Promise<void>[] = [];
  faulty.intercept = ({ operation, key }) => {
    if (operation !== "put" || key !== "copy/manifest/latest") return undefined;
    const until = store
      .get(`copy/${ObjectPaths.claim(2)}`)
      .then((found) => between(store, found!.bytes));
    held.push(until);
    return { kind: "delay", until };
  };
  const second = await open(faulty);
  await clock.advanceUntil(second());
  expect(held).toHaveLength(1);
  faulty.intercept = undefined;
  const keys = await keysAt(store, "copy");
  return { clock, store, second, keys, left: left.filter((key) => keys.includes(key)) };
}

test("alone, it deletes what nothing names, and the claims", async () => {
  const { keys, left } = await tidyUp(async () => undefined);
  expect(left).toEqual([]);
  expect(keys.filter((key) => key.startsWith("claims/"))).toEqual([]);
});

test("beside a later claim it deletes nothing", async () => {
  const { keys, left } = await tidyUp(async (store, bytes) => {
    const claim = decodeClaim(bytes, "claim", 2);
    const later = { ...claim, number: 3, id: "01ARZ3NDEKTSV4RRFFQ69G5FAV" };
    await store.put(`copy/${ObjectPaths.claim(3)}`, encodeClaim(later));
  });
  expect(left).not.toEqual([]);
  expect(keys).toContain(ObjectPaths.claim(3));
});

test("a later export waits for one that has its manifest and may still tidy up, ten minutes at most", async () => {
  let own = new Uint8Array();
  const { clock, store, second } = await tidyUp(async (_, bytes) => {
    own = bytes.slice();
  });
  await store.put(`copy/${ObjectPaths.claim(2)}`, own);
  await expect(clock.advanceUntil(second(true))).rejects.toThrow(/is being exported to/);
  await clock.advance(10 * minute);
  await clock.advanceUntil(second(true));
});
