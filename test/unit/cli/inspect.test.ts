import { expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { openLocation } from "../../../src/db/location.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { cli } from "./cli-run.js";

let names = 0;

/** One SST in L0, a log that was left open, and the log of a writer that is open. */
async function madeDatabase(): Promise<{ url: string; db: Db }> {
  const url = `memory:///cli-inspect-${++names}`;
  const first = await Db.open(url);
  await first.put("a\u001b[31m", "1");
  await first.put(Uint8Array.of(0xff), "2");
  await first.flush({ to: "l0" });
  await first.put("c", "3");
  await first.close({ flush: "wal" });
  const db = await Db.open(url);
  await db.put("d", "4");
  return { url, db };
}

it("shows manifest, L0 and the WAL as JSON", async () => {
  const { url, db } = await madeDatabase();
  const { code, stdout } = await cli(["inspect", url, "--json"]);
  expect(code).toBe(0);
  const json = JSON.parse(stdout);
  expect(Object.keys(json)).toEqual([
    ...["databaseId", "manifest", "wal", "l0", "runs", "checkpoints"],
    ...["externals", "retired", "compactions", "totals"],
  ]);
  expect(json.manifest).toMatchObject({
    ...{ number: 3, writerEpoch: 2, compactorEpoch: 0, lastSeq: 2, lastL0Seq: 2 },
    ...{ compactedSeq: 0, rewrittenNumber: 0, firstNumber: 0 },
    pinned: { walLocation: "store", mergeOperators: [] },
  });
  expect(json.l0).toHaveLength(1);
  expect(json.l0[0].ssts[0]).toMatchObject({
    ...{ rowCount: 2, minSeq: 1, maxSeq: 2, firstKey: "a\u001b[31m", lastKeyBase64: "/w==" },
  });
  // In log 1 only what is not in L0: a group and the fence.
  expect(json.wal.logs).toMatchObject([
    { epoch: 1, fromId: 3, putsInFlight: 4 },
    { epoch: 2, fromId: 1, objectCount: 1, lastId: 1 },
  ]);
  expect(json.totals).toMatchObject({ rowCount: 2, sstCount: 1 });
  await db.close();
});

it("reads the WAL when asked to: records, seqs and fences", async () => {
  const { url, db } = await madeDatabase();
  const { stdout } = await cli(["inspect", url, "--json", "--wal", "--objects"]);
  const json = JSON.parse(stdout);
  expect(json.wal.logs.map((log: { content: unknown }) => log.content)).toMatchObject([
    { groupCount: 1, recordCount: 1, firstSeq: 3, lastSeq: 3, fence: { id: 4, closerEpoch: 2 } },
    { groupCount: 1, recordCount: 1, firstSeq: 4, lastSeq: 4, ignoredCount: 0 },
  ]);
  expect(json.wal.logs[1].content).not.toHaveProperty("fence");
  expect(json.objects.map((entry: { kind: string }) => entry.kind)).toEqual([
    ...["manifest", "sst", "wal"],
  ]);
  await db.close();
});

it("shows tables without a character that could disturb a terminal, and disturbs no writer", async () => {
  const { url, db } = await madeDatabase();
  const { code, stdout } = await cli(["inspect", url, "--wal", "--objects"]);
  expect(code).toBe(0);
  expect(stdout).toContain("L0, oldest first");
  expect(stdout).toContain("a\\u{1b}[31m");
  expect(stdout).toContain("fence 4 by epoch 2");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that there is none is the point
  expect(stdout).not.toMatch(/[\0-\x09\x0b-\x1f]/);
  await db.put("e", "5");
  await db.close();
});

it("lists a log on another store when the URL says where it is", async () => {
  const url = `memory:///cli-inspect-${++names}`;
  const walUrl = `${url}-wal`;
  const db = await Db.open(url, { wal: walUrl });
  await db.put("a", "1");
  const elsewhere = JSON.parse((await cli(["inspect", url, "--json"])).stdout);
  expect(elsewhere.wal).toMatchObject({ chain: [{ epoch: 1 }], logs: null });
  expect((await cli(["inspect", url])).stdout).toContain("add ?wal=URL to see it");
  const named = await cli(["inspect", `${url}?wal=${walUrl}`, "--json", "--wal"]);
  expect(JSON.parse(named.stdout).wal.logs).toMatchObject([
    { epoch: 1, objectCount: 1, content: { recordCount: 1, lastSeq: 1 } },
  ]);
  await db.close();
});

it("says how many range deletes the log holds, in batches and alone", async () => {
  const url = `memory:///cli-inspect-${++names}`;
  const db = await Db.open(url);
  await db.deleteRange({ gte: "a", lt: "b" });
  const batch = db.batch().put("a", "1").delete("c");
  await db.write(batch.deleteRange({ gte: "x" }).deletePrefix("y").put("z", "2"));
  const json = JSON.parse((await cli(["inspect", url, "--json", "--wal"])).stdout);
  expect(json.wal.logs).toMatchObject([
    { content: { recordCount: 2, rangeDeleteCount: 3, loadCount: 0, lastSeq: 2 } },
  ]);
  await db.close({ flush: false });
});

it("shows how many loads the log holds, and how many SSTs they name", async () => {
  const url = `memory:///cli-inspect-${++names}`;
  const { store, path } = await openLocation(url);
  const faulty = new FaultyObjectStore(store);
  const small = { loadBufferBytes: 4096, sstBytesMax: 4096 };
  const first = await Db.open({ store: faulty, path }, small);
  // What is durable stays in the log: this writer dies before its first commit.
  faulty.intercept = ({ key, operation }) =>
    operation === "create" && key.includes("manifest/")
      ? { kind: "delay", until: new Promise(() => undefined) }
      : undefined;
  await first.put("a", "1");
  const rows = Array.from({ length: 300 }, (_, i): [string, string] => [`key ${i % 150}`, "value"]);
  await first.load(rows);
  await first.load([["b", "2"]]);
  faulty.crash();
  const json = JSON.parse((await cli(["inspect", url, "--json", "--wal"])).stdout);
  const [{ content }] = json.wal.logs;
  expect(content).toMatchObject({ recordCount: 3, loadCount: 2, firstSeq: 1, lastSeq: first.seq });
  expect(content.loadSstCount).toBe(await sstCount());
  expect(content.loadSstCount).toBeGreaterThan(2);
  const tables = (await cli(["inspect", url, "--wal"])).stdout;
  expect(tables).toContain(`2 (${content.loadSstCount} SSTs)`);
  const db = await Db.open(url);
  await db.flush({ to: "l0" });
  expect((await cli(["inspect", url])).stdout).toContain(`${first.seq} (load)`);
  await db.close();

  /** All but that of the MemTable before the loads. */
  async function sstCount(): Promise<number> {
    let count = -1;
    for await (const _ of store.list({ prefix: `${path}/sst/` })) count++;
    return count;
  }
});

it("shows how many range deletes each SST has, and what they cover", async () => {
  const url = `memory:///cli-inspect-${++names}`;
  const db = await Db.open(url);
  await db.put("a", "1");
  await db.flush({ to: "l0" });
  await db.deleteRange({ gte: "b", lt: "d" });
  await db.deleteRange({ gte: "c" });
  await db.flush({ to: "l0" });
  const json = JSON.parse((await cli(["inspect", url, "--json"])).stdout);
  expect(json.manifest.requiredFeatures).toEqual([2]);
  const [[rows], [ranges]] = json.l0.map((entry: { ssts: unknown }) => entry.ssts);
  expect(rows).toMatchObject({ rowCount: 1, rangeDeleteCount: 0, rangeDeletes: [] });
  expect(ranges).toMatchObject({ rowCount: 0, rangeDeleteCount: 2, firstKey: "b" });
  expect(ranges.rangeDeletes).toEqual([{ start: "b", count: 2, minSeq: 2, maxSeq: 3 }]);
  expect(json.totals).toMatchObject({ rowCount: 1, rangeDeleteCount: 2, sstCount: 2 });
  const tables = (await cli(["inspect", url])).stdout;
  expect(tables).toMatch(/rows │ deletes │ range deletes │ bytes/);
  expect(tables).toMatch(new RegExp(`${ranges.id} │ 0 +│ 0 +│ 2 +│`));
  await db.close();
});
