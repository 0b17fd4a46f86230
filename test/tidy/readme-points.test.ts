/** The example of points in time in README.md does what it says, in folders. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { Admin } from "../../src/admin/index.js";
import { Db, DbReader } from "../../src/index.js";

const page = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

interface Handles {
  readonly db: Db;
  readonly reader: DbReader;
  readonly admin: Admin;
  readonly checkpoint: { readonly id: string; readonly purpose: string };
}

test("the example under Points in time runs", async () => {
  const section = page.split(/^### /m).find((text) => text.startsWith("Points in time\n"))!;
  const code = /```ts\n([\s\S]*?)```/.exec(section)![1]!;
  const folder = mkdtempSync(join(tmpdir(), "moraine-readme-"));
  const url = (path: string): string => pathToFileURL(join(folder, path)).href;
  const runnable = code.replace(/^import .*$/gm, "").replaceAll("s3:/", url("").replace(/\/$/, ""));
  const AsyncFunction = (async () => undefined).constructor as new (
    ...texts: string[]
  ) => (...values: unknown[]) => Promise<Handles>;
  const run = new AsyncFunction(
    ...["Db", "DbReader", "Admin"],
    `${runnable}\nreturn { db, reader, admin, checkpoint };`,
  );
  try {
    const seeded = await Db.open(url("bucket/db"));
    await seeded.put("a", "1");
    await seeded.close();
    const { db, reader, admin, checkpoint } = await run(Db, DbReader, Admin);
    expect(checkpoint.purpose).toBe("replaced");
    for (const handle of [reader, admin]) await handle.close();
    // It is fenced.
    await db.close().catch(() => undefined);
    for (const path of ["bucket/db", "bucket/tests", "backup/db"]) {
      const found = await DbReader.open(url(path));
      expect(new TextDecoder().decode(await found.get("a"))).toBe("1");
      await found.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
