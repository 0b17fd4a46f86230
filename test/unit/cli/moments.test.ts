import { expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { cli } from "./cli-run.js";

const url = "memory:///cli-moments";

it("get and scan read what a checkpoint, a moment or a manifest had", async () => {
  const db = await Db.open(url);
  await db.put("a", "1");
  const { manifestNumber } = await db.checkpoint({ name: "one" });
  const then = new Date().toISOString();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await db.put("a", "2");
  await db.close();
  for (const moment of [
    ["--checkpoint", "one"],
    ["--manifest", String(manifestNumber)],
    ["--at", then],
    ["--at", String(Date.parse(then))],
  ]) {
    expect((await cli(["get", url, "a", ...moment])).stdout).toBe("1");
    expect((await cli(["scan", url, ...moment])).stdout).toBe("a\t1\n");
  }
  expect((await cli(["get", url, "a"])).stdout).toBe("2");
  const both = await cli(["get", url, "a", "--checkpoint", "one", "--manifest", "1"]);
  expect(both.stderr).toContain('Give one of "checkpoint", "manifestNumber" and "at"');
  expect(both.code).not.toBe(0);
  const none = await cli(["scan", url, "--at", "yesterday"]);
  expect(none.stderr).toContain("It must be a time");
});
