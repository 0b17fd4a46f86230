/** Whole processes that open an S3 URL on a loopback server: after `close()` no socket or timer keeps them alive. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
// @ts-expect-error A plain script of the benches, without declarations.
import { startSlowS3 } from "../../bench/slow-s3.mjs";
import { type PlainSources, plainSources } from "./bundle.js";

interface SlowS3 {
  readonly url: string;
  close(): void;
}

let sources: PlainSources;
let server: SlowS3;

beforeAll(async () => {
  sources = plainSources();
  server = (await startSlowS3({ latencyMs: 1 })) as SlowS3;
});
afterAll(() => {
  sources.remove();
  server.close();
});

async function run(name: string, script: string): Promise<{ code: number | null; text: string }> {
  const file = join(sources.directory, `${name}.mjs`);
  const head = `import { Db, DbReader } from "./dist/index.js";\nconst url = process.argv[2];\n`;
  writeFileSync(file, head + script);
  const url = `s3://bucket/${name}?endpoint=${encodeURIComponent(server.url)}&region=us-east-1`;
  const child = spawn(process.execPath, ["--no-warnings", file, url], {
    env: { ...process.env, AWS_ACCESS_KEY_ID: "any", AWS_SECRET_ACCESS_KEY: "any" },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, text };
}

/** The time is taken inside: how long the process lives on after its last line. */
const sayGoodbye = `const closedAt = Date.now(); process.on("exit", () => console.log(Date.now() - closedAt));`;

test("a writer and a reader that were closed let their process end at once", async () => {
  const { code, text } = await run(
    "closed",
    `const db = await Db.open(url, { memTableBytes: 65536 });
     await Promise.all(Array.from({ length: 200 }, (_, i) => db.put("key " + i, "x".repeat(1000))));
     await db.put("late", "1", { durable: false });
     const reader = await DbReader.open(url);
     console.log(new TextDecoder().decode(await reader.get("key 7")).length);
     await db.close(); await reader.close();
     ${sayGoodbye}`,
  );
  const [length, lingeredMs] = text.trim().split("\n").map(Number);
  expect({ code, length }).toEqual({ code: 0, length: 1000 });
  expect(lingeredMs).toBeLessThan(1000);
});

// A process that lingers does so each time; one that a busy machine has kept waiting does not.
const onBusyMachines = { retry: 2 };

test(
  "a writer that was fenced lets its process end at once, closed or not",
  onBusyMachines,
  async () => {
    const { code, text } = await run(
      "fenced",
      `const first = await Db.open(url);
     await first.put("a", "1");
     const second = await Db.open(url);
     const late = await first.put("b", "2").catch((error) => error.kind);
     console.log(late, (await first.closed).kind);
     await second.close();
     ${sayGoodbye}`,
    );
    const [kinds, lingeredMs] = text.trim().split("\n");
    expect({ code, kinds }).toEqual({ code: 0, kinds: "fenced fenced" });
    expect(Number(lingeredMs)).toBeLessThan(1000);
  },
);

test("an open that fails lets its process end at once", onBusyMachines, async () => {
  const { code, text } = await run(
    "failed",
    `const kind = await Db.open(url, { create: "never" }).catch((error) => error.kind);
     console.log(kind);
     ${sayGoodbye}`,
  );
  const [kind, lingeredMs] = text.trim().split("\n");
  expect({ code, kind }).toEqual({ code: 0, kind: "not-found" });
  expect(Number(lingeredMs)).toBeLessThan(1000);
});
