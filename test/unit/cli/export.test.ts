/** `moraine export`: what it prints, and that the copy is one. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, expect, test } from "vitest";
import { cli } from "./cli-run.js";

const folder = mkdtempSync(join(tmpdir(), "moraine-cli-export-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("exports to a folder, refuses to overwrite it, and adds to it", async () => {
  const [from, to] = [join(folder, "db"), join(folder, "copy")];
  await cli(["put", from, "key", "value"]);
  const first = await cli(["export", from, to, "--json"]);
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const info = JSON.parse(first.stdout);
  expect(info).toMatchObject({ sstFiles: 1, blobFiles: 0, version: 1, copiedFiles: 1 });
  expect(await cli(["export", from, to])).toMatchObject({
    code: 9,
    stderr: expect.stringContaining("refusing to overwrite"),
  });
  await cli(["put", from, "key 2", "value"]);
  const second = await cli(["export", from, to, "--incremental"]);
  expect(second).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/objects copied now\W+1\b/),
  });
  rmSync(from, { recursive: true });
  expect((await cli(["get", to, "key 2"])).stdout).toContain("value");
  expect((await cli(["export", from, join(folder, "none")])).code).toBe(3);
});

test("on a terminal a bar is shown, and it is gone at the end", async () => {
  const from = join(folder, "shown");
  await cli(["put", from, "key", "value"]);
  const parts: string[] = [];
  const stderr = Object.assign(
    new Writable({
      write(part, _encoding, done) {
        parts.push(String(part));
        done();
      },
    }),
    {
      isTTY: true,
      cursorTo: () => true,
      moveCursor: () => true,
      clearLine: () => true,
      columns: 80,
    },
  );
  const { code } = await cli(["export", from, join(folder, "shown-copy")], { stderr });
  expect(code).toBe(0);
  expect(parts.join("")).toContain("exporting");
});
