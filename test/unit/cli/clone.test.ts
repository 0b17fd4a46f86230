/** `moraine clone`, `union` and `detach`: what they make, print and refuse; and `moraine inspect` of a clone. */
import { expect, it } from "vitest";
import { Db } from "../../../src/index.js";
import { cli } from "./cli-run.js";

const url = (name: string): string => `memory:///cli-clone/${name}`;

it("clones parts, joins them, detaches the result, and says so; a second clone to one place is refused", async () => {
  const db = await Db.open(url("p"), { background: false });
  for (const key of ["a", "b", "x", "y"]) {
    await db.put(key, key);
    await db.flush({ to: "l0" });
  }
  await db.checkpoint({ name: "four" });
  await db.close();
  const left = await cli(["clone", url("p"), url("left"), "--to", "m", "--json"]);
  expect(JSON.parse(left.stdout)).toMatchObject({ seq: 4, checkpointIds: [expect.any(String)] });
  const right = await cli(["clone", url("p"), url("right"), "--from", "m", "--checkpoint", "four"]);
  expect([right.code, right.stderr]).toEqual([0, ""]);
  expect(right.stdout).toMatch(/^Cloned up to seq 4, as database /);
  const again = await cli(["clone", url("p"), url("right")]);
  expect(again.code).not.toBe(0);
  expect(again.stderr).toMatch(/^moraine: exists: /);
  expect((await cli(["union", url("u"), url("left"), url("right")])).stdout).toMatch(/^Joined 2/);
  expect((await cli(["scan", url("u"), "--keys-only"])).stdout).toBe("a\nb\nx\ny\n");
  const inspected = await cli(["inspect", url("u")]);
  expect([inspected.code, inspected.stderr]).toEqual([0, ""]);
  const detached = await cli(["detach", url("u"), "--json"]);
  expect(JSON.parse(detached.stdout)).toMatchObject({ copiedFiles: 4 });
  expect((await cli(["detach", url("u")])).stdout).toMatch(/^Copied 0 objects/);
  expect((await cli(["scan", url("u"), "--keys-only"])).stdout).toBe("a\nb\nx\ny\n");
});
