/** Whole processes on a folder: they end by themselves, and when they are killed, nothing acknowledged is lost (P1). */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { decodeUtf8 } from "../../src/common/bytes.js";
import { Db } from "../../src/index.js";
import { type PlainSources, plainSources } from "./bundle.js";

let sources: PlainSources;
let folder = "";

beforeAll(() => {
  sources = plainSources();
});
afterAll(() => sources.remove());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "moraine-process-db-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Complete lines only: what a killed process was about to print does not count. */
  readonly lines: string[];
  readonly errors: string;
}

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when so many lines were printed. */
  printed(count: number): Promise<void>;
}

let scripts = 0;

function start(script: string): Started {
  const file = join(sources.directory, `script-${++scripts}.mjs`);
  writeFileSync(
    file,
    `import { Db, DbReader } from "./dist/index.js";\nconst url = process.argv[2];\n${script}`,
  );
  const child = spawn(process.execPath, [file, `file://${folder}/db`]);
  let output = "";
  let errors = "";
  const watchers: (() => void)[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const lines = (): string[] => output.split("\n").slice(0, -1);
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code, signal) => {
      for (const watch of watchers) watch();
      resolve({ code, signal, lines: lines(), errors });
    });
  });
  const printed = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const watch = (): void => {
        if (lines().length >= count || child.exitCode !== null) resolve();
      };
      watchers.push(watch);
      watch();
    });
  return { child, ended, printed };
}

/** Writes as fast as it can, and prints each number once it is durable. */
const firehose = `
const db = await Db.open(url, { walPutsPerSecond: Infinity, memTableBytes: 64 * 1024, unflushedBytesMax: 512 * 1024 });
const print = (n) => new Promise((resolve) => process.stdout.write(n + "\\n", resolve));
async function writer(first) {
  for (let n = first; ; n += 16) {
    if (n % 5 === 0) await db.write([{ type: "put", key: "n" + n, value: "v" + n }, { type: "put", key: "twin" + n, value: "v" + n }]);
    else await db.put("n" + n, "v" + n);
    await print(n);
  }
}
await Promise.all(Array.from({ length: 16 }, (_, i) => writer(i)));
`;

async function requireAcknowledged(lines: readonly string[]): Promise<void> {
  await using db = await Db.open(`file://${folder}/db`, { create: "never" });
  const values = await db.getMany(lines.map((n) => `n${n}`));
  const missing = lines.filter(
    (n, i) => values[i] === undefined || decodeUtf8(values[i]) !== `v${n}`,
  );
  expect(missing).toEqual([]);
  // All of a batch or nothing, also of those that were not acknowledged.
  for await (const key of db.keys({ prefix: "twin" })) {
    expect(await db.has(decodeUtf8(key).replace("twin", "n"))).toBe(true);
  }
  for await (const key of db.keys({ prefix: "n" })) {
    const n = decodeUtf8(key).slice(1);
    if (Number(n) % 5 === 0) expect(await db.has(`twin${n}`)).toBe(true);
  }
}

describe("a process ends by itself", () => {
  test.each<[string, string]>([
    [
      "after it has closed its database",
      'const db = await Db.open(url); await db.put("k", "v"); await db.close();',
    ],
    [
      "with a database that is open and idle",
      'const db = await Db.open(url); await db.put("k", "v");',
    ],
    [
      "with a reader that polls",
      "await (await Db.open(url)).close(); await DbReader.open(url, { pollIntervalMs: 50 });",
    ],
    [
      "with a scan that was not finished",
      'const db = await Db.open(url); await db.put("k", "v"); await db.scan().next();',
    ],
  ])("%s", async (_, script) => {
    const { child, ended } = start(`${script}\nconsole.log("done");`);
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
    const { code, lines, errors } = await ended;
    clearTimeout(timer);
    expect({ code, lines, errors }).toEqual({ code: 0, lines: ["done"], errors: "" });
  });

  test("and what it wrote without waiting is sent first", async () => {
    const { ended } = start(
      'const db = await Db.open(url); await db.put("k", "v", { durable: false });',
    );
    expect((await ended).code).toBe(0);
    await using db = await Db.open(`file://${folder}/db`);
    expect(await db.has("k")).toBe(true);
  });
});

describe("a process that is killed in the middle of its writes", () => {
  test.each<[NodeJS.Signals, number]>([
    ["SIGKILL", 1],
    ["SIGKILL", 40],
    ["SIGKILL", 200],
    ["SIGKILL", 700],
    ["SIGTERM", 20],
    ["SIGTERM", 400],
  ])("by %s after %i writes leaves every acknowledged one", async (signal, count) => {
    const { child, ended, printed } = start(firehose);
    await printed(count);
    // At no particular moment.
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
    child.kill(signal);
    const outcome = await ended;
    expect(outcome.errors).toBe("");
    expect(outcome.signal).toBe(signal);
    expect(outcome.lines.length).toBeGreaterThanOrEqual(count);
    await requireAcknowledged(outcome.lines);
  });

  test("and again, on what the last one left, leaves what both acknowledged", async () => {
    const first = start(firehose);
    await first.printed(100);
    first.child.kill("SIGKILL");
    const before = await first.ended;
    const second = start(
      firehose
        .replaceAll('"n" + n', '"n" + (n + 1e6)')
        .replaceAll('"twin" + n', '"twin" + (n + 1e6)'),
    );
    await second.printed(100);
    second.child.kill("SIGKILL");
    const after = await second.ended;
    await using db = await Db.open(`file://${folder}/db`, { create: "never" });
    const keys = [
      ...before.lines.map((n) => `n${n}`),
      ...after.lines.map((n) => `n${Number(n) + 1e6}`),
    ];
    const values = await db.getMany(keys);
    expect(keys.filter((_, i) => values[i] === undefined)).toEqual([]);
  });
});
