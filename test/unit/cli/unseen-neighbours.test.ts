/** Parents and clones that are not where they were, as in a folder that is mounted elsewhere: nothing is concluded from that, until it is forced. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { Admin } from "../../../src/admin/index.js";
import { systemClock } from "../../../src/common/clock.js";
import { collect } from "../../../src/db/collect.js";
import { FileObjectStore } from "../../../src/object-store/file.js";
import { cloneOf, manifestAt, openDb, pinsAt, rowsAt } from "../admin/clones.js";
import { cli } from "./cli-run.js";

const folder = mkdtempSync(join(tmpdir(), "moraine-unseen-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** "parent" and its clone "clone", which lie in a folder. */
async function family(name: string): Promise<string> {
  const directory = join(folder, name);
  mkdirSync(directory);
  const store = new FileObjectStore({ directory });
  const db = await openDb(store, "parent");
  await db.put("k", "1");
  await db.flush({ to: "l0" });
  await db.close();
  await cloneOf(store, "parent", "clone");
  return directory;
}

it("a parent is destroyed by force alone where its clone is not found, and never where it is", async () => {
  const directory = await family("here");
  const elsewhere = join(folder, "elsewhere");
  // Long after the clone was made.
  const clock = { ...systemClock, now: () => systemClock.now() + 50 * 3_600_000 } as never;
  await rename(directory, elsewhere);
  const admin = await Admin.open(`file://${elsewhere}/parent`, { clock });
  const { databaseId } = admin;
  await expect(admin.destroy({ confirm: databaseId })).rejects.toThrow(
    /not found from here.*force/,
  );
  // A stranger at the path says nothing either.
  const stranger = await openDb(new FileObjectStore({ directory }), "clone");
  await stranger.close();
  await expect(admin.destroy({ confirm: databaseId })).rejects.toThrow(/not found from here/);
  await expect(
    admin.destroy({ confirm: databaseId, force: "yes" as unknown as boolean }),
  ).rejects.toMatchObject({ kind: "invalid" });
  await admin.close();
  rmSync(directory, { recursive: true });
  await rename(elsewhere, directory);
  expect(await rowsAt(new FileObjectStore({ directory }), "clone")).toBe("k=1");
  const url = `file://${directory}/parent`;
  const found = await cli(["destroy", url, "--confirm", databaseId, "--force"]);
  expect([found.code, found.stdout]).toEqual([2, ""]);
  expect(found.stderr).toMatch(/Clones share objects .*clone"\. Detach or destroy/);
  rmSync(join(directory, "clone"), { recursive: true });
  const refused = await cli(["destroy", url, "--confirm", databaseId]);
  expect([refused.code, refused.stdout]).toEqual([2, ""]);
  const forced = await cli(["destroy", url, "--confirm", databaseId, "--force"]);
  expect([forced.code, forced.stderr]).toEqual([0, ""]);
});

it("a clone keeps the entry of a parent that is not found, says so, and lets go of it when it is back, or forced", async () => {
  const directory = await family("again");
  const store = new FileObjectStore({ directory });
  const clone = await openDb(store, "clone");
  await clone.deleteRange({ gte: "a", lt: "z" });
  await clone.flush({ to: "l0" });
  await clone.compact();
  await clone.close();
  await rename(join(directory, "parent"), join(directory, "hidden"));
  const url = `file://${directory}/clone`;
  const parent = [expect.stringMatching(/again\/parent$/)];
  expect(await collect(url, { graceMs: 0 })).toMatchObject({
    ...{ databasesReleased: 0, notReleased: parent },
  });
  const collected = await cli(["gc", url]);
  expect(collected.stdout).toMatch(
    /Not found, .*again\/parent"\. Repeat .*"moraine detach --force"/,
  );
  expect((await manifestAt(store, "clone")).externals).toMatchObject([{ isLeaving: true }]);
  const told = await cli(["detach", url]);
  expect(told.code).toBe(0);
  expect(told.stdout).toMatch(/Not found, .*again\/parent"\. Repeat .*--force/);
  await rename(join(directory, "hidden"), join(directory, "parent"));
  expect(await pinsAt(store, "parent")).toHaveLength(1);
  expect((await collect(url, { graceMs: 0 })).databasesReleased).toBe(1);
  expect(await pinsAt(store, "parent")).toEqual([]);
  expect((await manifestAt(store, "clone")).externals).toEqual([]);
  await cloneOf(store, "parent", "second");
  rmSync(join(directory, "parent"), { recursive: true });
  const second = `file://${directory}/second`;
  const admin = await Admin.open(second);
  const { notReleased } = await admin.destroy({ confirm: admin.databaseId });
  expect(notReleased).toEqual(parent);
  const forced = await admin.destroy({ confirm: admin.databaseId, force: true });
  expect(forced.notReleased).toEqual([]);
  await admin.close();
});
