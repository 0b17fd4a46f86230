/** `moraine restore`, `moraine verify` and `moraine destroy`: what they do, what they print, and how they end. */
import { expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { openLocation } from "../../../src/db/location.js";
import { cli } from "./cli-run.js";

it("verifies a database, restores a checkpoint of it, finds damage, and destroys it", async () => {
  const url = "memory:///cli-restore";
  const db = await Db.open(url, { background: false });
  await db.put("a", "1");
  await db.checkpoint({ name: "first" });
  await db.put("a", "2");
  await db.close();
  const sound = await cli(["verify", url, "--deep"]);
  expect([sound.code, sound.stderr]).toEqual([0, ""]);
  expect(sound.stdout).toMatch(/^Read .* 1 checkpoint among them: nothing is wrong\.\n$/);
  const restored = await cli(["restore", url, "first", "--name", "before", "--ttl", "3600"]);
  expect([restored.code, restored.stderr]).toEqual([0, ""]);
  expect(restored.stdout).toMatch(/^Restored, as manifest \d+ and seq 3\. .* \("before"\)\.\n$/);
  expect((await cli(["get", url, "a"])).stdout.trim()).toBe("1");
  const again = await cli(["restore", url, "before", "--json"]);
  expect(JSON.parse(again.stdout)).toMatchObject({ checkpoint: { purpose: "replaced" } });
  expect((await cli(["get", url, "a"])).stdout.trim()).toBe("2");
  expect((await cli(["restore", url, "none"])).code).toBe(3);
  const { store, path } = await openLocation(url);
  for await (const { key } of store.list({ prefix: `${path}/sst/` })) {
    const { bytes } = (await store.get(key))!;
    await store.put(key, bytes.slice(1));
    break;
  }
  const damaged = await cli(["verify", url, "--json"]);
  expect(damaged.code).toBe(11);
  expect(JSON.parse(damaged.stdout).problems).toMatchObject([{ kind: "size" }]);
  const shown = await cli(["verify", url]);
  expect(shown.stdout).toMatch(/^size: sst\/.*\n.* 1 problem\.\n$/);
  expect((await cli(["destroy", url])).code).toBe(2);
  expect((await cli(["destroy", url, "--confirm", "other"])).code).toBe(2);
  const destroyed = await cli(["destroy", url, "--confirm", path]);
  expect([destroyed.code, destroyed.stderr]).toEqual([0, ""]);
  expect(destroyed.stdout).toMatch(/is destroyed: \d+ objects of/);
  expect((await cli(["get", url, "a"])).code).toBe(3);
  expect((await cli(["verify", url])).code).toBe(3);
});
