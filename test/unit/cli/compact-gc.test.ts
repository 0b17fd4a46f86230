/** `moraine compact` and `moraine gc`: what they do, what they print, and how they end. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { uint64Add } from "../../../src/index.js";
import { encodeUint64 } from "../../../src/merge/uint64.js";
import { cli } from "./cli-run.js";

const folder = mkdtempSync(join(tmpdir(), "moraine-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let names = 0;

/** So many entries in L0, and a writer that is open. */
async function openDb(entries: number): Promise<{ url: string; db: Db }> {
  const url = `memory:///cli-compact-${++names}`;
  const db = await Db.open(url, { compaction: false, walPutsPerSecond: Infinity });
  for (let i = 0; i < entries; i++) {
    await db.put("a", `${i}`);
    await db.put(`b ${i}`, "value");
    await db.flush({ to: "l0" });
  }
  return { url, db };
}

it("compacts what is due once, says what it did, and the writer writes on", async () => {
  const { url, db } = await openDb(5);
  const { code, stdout, stderr } = await cli(["compact", url, "--once", "--threads", "0"]);
  expect([code, stderr]).toEqual([0, ""]);
  expect(stdout).toMatch(/jobs done\s+│ 1\s/);
  expect(stdout).toMatch(/sorted runs\s+│ 1\s/);
  await db.put("a", "after");
  await db.flush({ to: "l0" });
  expect(db.stats()).toMatchObject({ l0Count: 1, runCount: 1 });
  const again = await cli(["compact", url, "--once", "--json", "--threads", "0"]);
  expect(JSON.parse(again.stdout)).toMatchObject({ jobsDone: 0, l0Count: 1, failures: [] });
  await db.close();
});

it("merges everything with --full, and goes on until it is interrupted without", async () => {
  const { url, db } = await openDb(2);
  const full = await cli(["compact", url, "--full", "--json", "--strategy", "leveled"]);
  expect(JSON.parse(full.stdout)).toMatchObject({ jobsDone: 1, l0Count: 0, runCount: 1 });
  const interrupt = new AbortController();
  const running = cli(["compact", url, "--json"], { signal: interrupt.signal });
  setTimeout(() => interrupt.abort(new Error("enough")), 300);
  const { code, stderr } = await running;
  // What the first one had planned last, and gave back as it closed, it may have carried out.
  expect([code, JSON.parse(stderr)]).toMatchObject([130, { jobsFailed: 0, runCount: 1 }]);
  await db.close();
});

it("takes functions from a module, and says what is wrong with one", async () => {
  const url = `memory:///cli-compact-${++names}`;
  const mergeOperators = { sum: uint64Add };
  const db = await Db.open(url, { compaction: false, mergeOperators });
  for (let i = 0; i < 4; i++) {
    await db.merge("n", encodeUint64(1n));
    await db.flush({ to: "l0" });
  }
  const missing = await cli(["compact", url, "--once", "--functions", join(folder, "none.mjs")]);
  expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining("none.mjs")]);
  const path = join(folder, "functions.mjs");
  writeFileSync(
    path,
    `export const compactionFilter = ({ key }) => String.fromCharCode(key[0]) === "x" ? "drop" : "keep";\n`,
  );
  await db.put("x", "1");
  await db.flush({ to: "l0" });
  const { code } = await cli([
    ...["compact", url, "--full", "--threads", "0", "--functions", path],
  ]);
  expect(code).toBe(0);
  await db.put("y", "1");
  await db.flush({ to: "l0" });
  expect(await db.has("x")).toBe(false);
  expect((await db.get("n"))![0]).toBe(4);
  await db.close();
});

it("says what would be deleted, deletes it, and then has nothing to delete", async () => {
  const { url, db } = await openDb(4);
  await cli(["compact", url, "--once", "--threads", "0"]);
  const young = JSON.parse((await cli(["gc", url, "--json"])).stdout);
  expect(young).toMatchObject({ deleted: { ssts: 0 }, isDone: true });
  expect(young.kept.young).toBeGreaterThan(3);
  const dry = await cli(["gc", url, "--grace", "0", "--dry-run"]);
  expect(dry.code).toBe(0);
  expect(dry.stdout).toMatch(/would go/);
  expect(dry.stdout).toMatch(/SSTs\s+│ 4\s/);
  const done = JSON.parse((await cli(["gc", url, "--grace", "0", "--json"])).stdout);
  expect(done).toMatchObject({ dryRun: false, deleted: { ssts: 4 } });
  const swept = await cli(["gc", url, "--grace", "0", "--sweep"]);
  expect(swept.stdout).toMatch(/orphans/);
  expect(swept.stdout).toMatch(/SSTs\s+│ 0\s+│ 0\s/);
  expect(await db.get("a")).toBeDefined();
  await db.close();
});

it("shows jobs, runs and what is retired in inspect", async () => {
  const { url, db } = await openDb(4);
  await cli(["compact", url, "--once", "--threads", "0"]);
  const json = JSON.parse((await cli(["inspect", url, "--json"])).stdout);
  expect(json.manifest).toMatchObject({ compactorEpoch: 1, compactedSeq: 8, rewrittenNumber: 0 });
  expect(json.compactions).toMatchObject({ compactorEpoch: 1, jobs: [] });
  expect([json.l0.length, json.runs.length]).toEqual([0, 1]);
  expect(json.totals.retiredCount).toBeGreaterThan(3);
  const { stdout } = await cli(["inspect", url]);
  expect(stdout).toContain("compacted up to 8");
  expect(stdout).toContain("Sorted runs, newest first");
  await db.close();
});

it.each([
  [["compact", "memory:///cli-compact-none", "--once"], 3],
  [["gc", "memory:///cli-compact-none"], 3],
  [["gc", "memory:///cli-compact-none", "--grace", "soon"], 2],
  [["compact", "memory:///cli-compact-none", "--strategy", "tiered"], 2],
  [["compact", "memory:///cli-compact-none", "--worker", "--strategy", "leveled"], 2],
  [["compact", "memory:///cli-compact-none", "--once", "--full"], 2],
])("%j ends with %i", async (argv, code) => {
  const result = await cli(argv);
  expect([result.code, result.stderr.trim().split("\n").length]).toEqual([code, 1]);
});
