/** The generated code is what the schema says. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("src/format/generated is what proto/ generates", async () => {
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  const run = promisify(execFile)(process.execPath, ["scripts/generate-proto.mjs", "--check"], {
    cwd,
  });
  await expect(run).resolves.toBeDefined();
});
