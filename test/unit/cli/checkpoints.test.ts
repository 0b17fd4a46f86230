/** `moraine checkpoints` and `moraine checkpoint …`. */
import { expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { cli } from "./cli-run.js";

let names = 0;

async function openDb(): Promise<{ url: string; db: Db }> {
  const url = `memory:///cli-checkpoints-${++names}`;
  const db = await Db.open(url, { background: false, walPutsPerSecond: Number.POSITIVE_INFINITY });
  return { url, db };
}

async function run(...argv: string[]): Promise<string> {
  const { code, stdout, stderr } = await cli(argv);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout;
}

it("makes, lists, refreshes, retains, releases and ends checkpoints beside a writer", async () => {
  const { url, db } = await openDb();
  expect(await run("checkpoints", url)).toBe("No checkpoints.\n");
  await db.put("a", "1");
  const id = (await run("checkpoint", "create", url, "--name", "one", "--ttl", "60")).trim();
  expect(id).toHaveLength(26);
  const created = await run("checkpoint", "create", url, "--base", "one", "--json");
  expect(JSON.parse(created)).toMatchObject({ base: id, seq: 1, purpose: "user" });
  const refreshed = await run("checkpoint", "refresh", url, "one", "--ttl", "90", "--json");
  expect(JSON.parse(refreshed)).toMatchObject({ id, ttlMs: 90_000 });
  await run("checkpoint", "retain", url, "one");
  expect(await run("checkpoints", url)).toMatch(/│ one .*│ 90 s .*│ retained/);
  await run("checkpoint", "release", url, id);
  expect(await run("checkpoints", url)).not.toContain("retained");
  await run("checkpoint", "expire", url, "one");
  expect(JSON.parse(await run("checkpoints", url, "--json"))).toHaveLength(1);
  expect(await run("checkpoints", url, "--all")).toMatch(/│ one .*│ ended/);
  await db.close();
});

it("says what each keeps", async () => {
  const { url, db } = await openDb();
  await db.put("a", "x".repeat(5000));
  await db.checkpoint({ name: "one" });
  const sizes = JSON.parse(await run("checkpoints", url, "--sizes", "--json"));
  expect(sizes).toMatchObject([{ name: "one", objectCount: 1, exclusiveBytes: 0 }]);
  expect(sizes[0].totalBytes).toBeGreaterThan(100);
  expect(await run("checkpoints", url, "--sizes")).toContain("only here");
  await db.close();
});

it("a policy ends what it does not keep; a wrong one is refused", async () => {
  const { url, db } = await openDb();
  for (const name of ["a", "b", "c"]) {
    await run(
      "checkpoint",
      "create",
      url,
      "--name",
      name,
      "--keep-newest",
      "2",
      "--keep",
      "1d:30d",
    );
  }
  const left = JSON.parse(await run("checkpoints", url, "--json")) as { name: string }[];
  expect(left.map(({ name }) => name)).toEqual(["b", "c"]);
  for (const wrong of [
    ["--keep", "1h"],
    ["--keep-newest", "0"],
    ["--scope", "all"],
    ["--ttl", "0"],
  ]) {
    expect((await cli(["checkpoint", "create", url, ...wrong])).code).toBe(2);
  }
  await db.close();
});

it("what is not there has an exit code of its own", async () => {
  const { url, db } = await openDb();
  for (const verb of ["refresh", "expire", "retain", "release"]) {
    const { code, stderr } = await cli(["checkpoint", verb, url, "none"]);
    expect([code, stderr]).toEqual([3, expect.stringContaining('no checkpoint "none"')]);
  }
  await db.close();
});
