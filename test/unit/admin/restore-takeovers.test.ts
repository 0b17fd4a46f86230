/** Who opens a database again while it is restored: compactors do not keep the restore from its end, and of writers it says what became of it. */
import { beforeEach, expect, test } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { openContext } from "../../../src/admin/open-context.js";
import { Compactor } from "../../../src/db/compactor.js";
import { Db } from "../../../src/db/db.js";
import { claimCompactor } from "../../../src/manifest/compaction-transitions.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { HeldRequests } from "../../support/held-requests.js";
import { rowsAt } from "./clones.js";

const options = { background: false, compactionThreads: 0 };
const compacting = { compactionThreads: 0, compactionL0Trigger: 1 };
const path = "db";
let store: MemoryObjectStore;
let faulty: FaultyObjectStore;
let admin: Admin;

beforeEach(async () => {
  store = new MemoryObjectStore();
  const db = await Db.open({ store, path }, options);
  await db.put("a", "in the log of the checkpoint");
  await db.checkpoint({ name: "wanted", scope: "durable" });
  await db.put("a", "later");
  await db.flush({ to: "l0" });
  await db.put("b", "later");
  await db.close();
  faulty = new FaultyObjectStore(store);
  admin = await Admin.open({ store: faulty, path });
});

/** The SST that the rows of the checkpoint's log become. */
const isSstWrite = ({ operation, key }: { operation: string; key: string }): boolean =>
  operation !== "get" && key.startsWith(`${path}/sst/`);

async function compactAll(): Promise<void> {
  const compactor = await Compactor.open({ store, path }, compacting);
  await compactor.runOnce().finally(() => compactor.close());
}

/** Any number of them, one after another. */
async function claimsCompactor(): Promise<void> {
  const { stored } = await openContext({ store, path }, undefined);
  await stored.commit(claimCompactor(0));
}

test("a compactor that opens and works while rows are stored does not keep the restore from its end", async () => {
  const held = new HeldRequests(faulty, isSstWrite);
  const restoring = admin.restore("wanted", { name: "replaced" });
  await expect.poll(() => held.count).toBe(1);
  const compactor = await Compactor.open({ store, path }, compacting);
  await compactor.runOnce();
  held.release();
  await restoring;
  await compactor.runOnce();
  expect(await rowsAt(store, path)).toBe("a=in the log of the checkpoint");
  expect(await rowsAt(store, path, "replaced")).toBe("a=later b=later");
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  await compactor.close();
  await admin.close();
});

test.each([
  ["before the jobs are given up", "compactions"],
  ["right before the commit", "manifest"],
])("a compactor that takes over %s: it is done again", async (_, folder) => {
  // Of the manifests the first claims the writer's epoch, the second the compactor's.
  let left = folder === "manifest" ? 2 : 0;
  const held = new HeldRequests(
    faulty,
    ({ operation, key }) =>
      operation === "create" && key.startsWith(`${path}/${folder}/`) && left-- <= 0,
  );
  const restoring = admin.restore("wanted", { name: "replaced" });
  await expect.poll(() => held.count).toBe(1);
  await compactAll();
  held.release();
  const { seq } = await restoring;
  expect(await rowsAt(store, path)).toBe("a=in the log of the checkpoint");
  expect(await rowsAt(store, path, "replaced")).toBe("a=later b=later");
  expect((await admin.verify({ deep: true })).problems).toEqual([]);
  await admin.close();
  const db = await Db.open({ store, path }, options);
  expect((await db.put("c", "next")).seq).toBeGreaterThan(seq);
  await db.close();
});

test("compactors that always come between end it, and it says that nothing was restored", async () => {
  let claims = 0;
  faulty.intercept = ({ operation, key }) => {
    if (operation !== "create" || !key.startsWith(`${path}/compactions/`)) return undefined;
    claims++;
    return { kind: "delay", until: claimsCompactor() };
  };
  const before = await rowsAt(store, path);
  await expect(admin.restore("wanted")).rejects.toMatchObject({
    ...{ kind: "fenced", ownEpoch: expect.any(Number), seenEpoch: expect.any(Number) },
    message: expect.stringMatching(/^Nothing was restored: .*compactors.*Stop what opens/),
  });
  expect(claims).toBe(11);
  faulty.intercept = undefined;
  expect(await rowsAt(store, path)).toBe(before);
  await admin.restore("wanted");
  expect(await rowsAt(store, path)).toBe("a=in the log of the checkpoint");
  await admin.close();
});

test("a writer that opens while rows are stored: nothing was restored, and the error says so, and who was fenced", async () => {
  const held = new HeldRequests(faulty, isSstWrite);
  const restoring = admin.restore("wanted", { name: "replaced" });
  await expect.poll(() => held.count).toBe(1);
  const db = await Db.open({ store, path }, options);
  await db.put("c", "of the writer");
  held.release();
  await expect(restoring).rejects.toMatchObject({
    kind: "fenced",
    message: expect.stringMatching(
      /^Nothing was restored: another writer.* Writers that were open before are fenced\. Stop what opens/,
    ),
  });
  await db.put("d", "of the writer");
  await db.close();
  expect(await rowsAt(store, path)).toBe("a=later b=later c=of the writer d=of the writer");
  expect(await admin.checkpoints()).toHaveLength(1);
  await admin.close();
});

test("a writer that opens before the older logs are closed is told of in the same words", async () => {
  const held = new HeldRequests(
    faulty,
    ({ operation, key }) => operation === "list" && key.startsWith(`${path}/wal/`),
  );
  // A log that is open, so that the restore has one to close.
  const cut = new FaultyObjectStore(store);
  const open = await Db.open({ store: cut, path }, options);
  await open.put("c", "in an open log");
  cut.crash();
  const restoring = admin.restore("wanted");
  await expect.poll(() => held.count).toBe(1);
  const db = await Db.open({ store, path }, options);
  await db.close();
  held.release();
  await expect(restoring).rejects.toMatchObject({
    kind: "fenced",
    message: expect.stringMatching(/^Nothing was restored/),
  });
  await admin.close();
});
