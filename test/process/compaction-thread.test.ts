/** Jobs in real threads, of plain JavaScript made of the sources: what comes out, what crosses, and how threads live and die. */
import { spawn } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { systemClock } from "../../src/common/clock.js";
import {
  ClosedError,
  CorruptionError,
  InvalidArgumentError,
  StoreError,
} from "../../src/common/errors.js";
import { seededRandom } from "../../src/common/random.js";
import type { JobTask } from "../../src/compaction/job.js";
import { SliceRunner } from "../../src/compaction/slice-runner.js";
import { ThreadRunner, type ThreadRunnerOptions } from "../../src/compaction/thread-runner.js";
import type { JobRange } from "../../src/format/compactions.js";
import type { MergeOperator } from "../../src/merge/merge-operator.js";
import { ExternalRoutes, routed } from "../../src/object-store/external-routes.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import type { GetOptions, ObjectStore, StoredObject } from "../../src/object-store/object-store.js";
import { ObjectPaths } from "../../src/object-store/paths.js";
import { prefixed } from "../../src/object-store/prefixed.js";
import { CountingObjectStore } from "../../src/testing/counting-object-store.js";
import { outputsOf, rowsOf, storeTask } from "../support/thread-task.js";
import { type PlainSources, plainSources } from "./bundle.js";

let sources: PlainSources;
let threadUrl: URL;
const runners: ThreadRunner[] = [];

beforeAll(() => {
  sources = plainSources();
  threadUrl = pathToFileURL(join(sources.directory, "dist/compaction/compaction-thread.js"));
});
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
});
afterAll(() => sources.remove());

/** The sum of the operands' bytes. */
const sum: MergeOperator = {
  merge: (_key, value, operands) => {
    const all = operands.reduce((total, operand) => total + operand[0]!, value?.[0] ?? 0);
    return new Uint8Array([all]);
  },
};

function slicesOn(store: ObjectStore): SliceRunner {
  return new SliceRunner({
    ...{ store, clock: systemClock, random: seededRandom(1) },
    ...{ operatorNames: ["sum"], operators: new Map([["sum", sum]]) },
  });
}

function newRunner(
  store: ObjectStore,
  over: Partial<ThreadRunnerOptions> = {},
): ThreadRunner & { slicesMade: number } {
  const made = { slicesMade: 0 };
  const runner = new ThreadRunner({
    ...{ store, clock: systemClock, threads: 1, functions: undefined, threadUrl },
    operatorNames: () => ["sum"],
    slices: () => {
      made.slicesMade++;
      return slicesOn(store);
    },
    ...over,
  });
  runners.push(runner);
  return Object.defineProperty(runner, "slicesMade", {
    get: () => made.slicesMade,
  }) as ThreadRunner & { slicesMade: number };
}

const unheard = { progress: (): void => undefined };
const never = new AbortController().signal;
const small = { entries: 3, rows: 4_000, valueBytes: 100 };

function moduleOf(name: string, text: string): string {
  const file = join(sources.directory, name);
  writeFileSync(file, text);
  return pathToFileURL(file).href;
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000 && !isSo(); i++) await systemClock.sleep(5);
  expect(isSo()).toBe(true);
}

describe("a job in a thread", () => {
  test("gives the rows that it gives in slices, by background requests of the one store", async () => {
    const store = new CountingObjectStore(new MemoryObjectStore());
    const task = await storeTask(store, small);
    const inSlices = await slicesOn(store).run(task, unheard, never);
    store.requests = [];
    const runner = newRunner(store);
    const told: (readonly JobRange[])[] = [];
    const progress = (ranges: readonly JobRange[]): void => void told.push(ranges);
    const inThread = await runner.run(task, { progress }, never);
    expect(runner.mode).toBe("thread");
    expect(runner.slicesMade).toBe(0);
    expect(outputsOf(inThread).length).toBeGreaterThan(1);
    expect(outputsOf(inThread).length).toBe(outputsOf(inSlices).length);
    const { requests } = store;
    expect(requests.filter(({ operation }) => operation === "put").length).toBe(
      outputsOf(inThread).length,
    );
    expect(requests.every(({ background }) => background)).toBe(true);
    expect(await rowsOf(store, inThread)).toEqual(await rowsOf(store, inSlices));
    expect(told.at(-1)).toEqual(inThread);
    expect(told.length).toBeGreaterThan(outputsOf(inThread).length);
    expect(inThread.every(({ done }) => done)).toBe(true);
  });

  test("has inputs of other databases, which the main thread's store knows where to find", async () => {
    const inner = new MemoryObjectStore();
    const task = await storeTask(inner, small);
    const [newest, ...others] = task.sources;
    const [info] = newest!.ssts;
    const name = ObjectPaths.sst(info!.id);
    const expected = await slicesOn(inner).run(task, unheard, never);
    const [owner, stranger] = [task.databaseId, "01BX5ZZKBKACTAV9WEVGEMMVRZ"];
    const routes = new ExternalRoutes((path) => prefixed(inner, path));
    for (const databaseId of [owner, stranger]) {
      routes.adopt(1, [{ databaseId, path: "other", isLeaving: false }]);
    }
    await inner.put(`other/${name}`, (await inner.get(name))!.bytes);
    await inner.delete([name]);
    const runner = newRunner(routed(inner, "", routes));
    const run = (of: string): Promise<readonly JobRange[]> => {
      const sources = [{ ...newest!, ssts: [{ ...info!, owner: of }] }, ...others];
      return runner.run({ ...task, sources }, unheard, never);
    };
    expect(await rowsOf(inner, await run(owner))).toEqual(await rowsOf(inner, expected));
    expect(runner.mode).toBe("thread");
    await expect(run(stranger)).rejects.toMatchObject({
      ...{ name: "CorruptionError", object: `databases/${stranger}/${name}` },
      message: expect.stringContaining(`belongs to database ${owner}`),
    });
  });

  test("that is streamed is stored whole", async () => {
    const store = new MemoryObjectStore();
    const sstBytesMax = 64 * 1024 * 1024;
    const task = await storeTask(
      store,
      { entries: 2, rows: 20_000, valueBytes: 1_000 },
      { sstBytesMax },
    );
    const ranges = await newRunner(store).run(task, unheard, never);
    expect(outputsOf(ranges)[0]!.size).toBeGreaterThan(16 * 1024 * 1024);
    expect((await rowsOf(store, ranges)).length).toBe(20_000);
  });

  test("goes on where its ranges say", async () => {
    const store = new CountingObjectStore(new MemoryObjectStore());
    const task = await storeTask(store, { ...small, rows: 20_000 });
    const whole = await slicesOn(store).run(task, unheard, never);
    let half: readonly JobRange[] = [];
    const stop = new AbortController();
    const progress = (ranges: readonly JobRange[]): void => {
      half = ranges;
      if (outputsOf(ranges).length === 2) stop.abort(new Error("half of it"));
    };
    const runner = newRunner(store);
    await expect(runner.run(task, { progress }, stop.signal)).rejects.toThrow("half of it");
    const stored = outputsOf(half).length;
    expect(stored).toBeGreaterThanOrEqual(2);
    expect(stored).toBeLessThan(outputsOf(whole).length);
    store.requests = [];
    const ranges = await runner.run(
      { ...task, job: { ...task.job, ranges: half } },
      unheard,
      never,
    );
    const puts = store.requests.filter(({ operation }) => operation === "put").length;
    expect(puts).toBe(outputsOf(whole).length - stored);
    expect(await rowsOf(store, ranges)).toEqual(await rowsOf(store, whole));
  });

  test("that is aborted rejects with the reason once nothing of it is under way", async () => {
    const store = new CountingObjectStore(new MemoryObjectStore());
    const task = await storeTask(store, { entries: 3, rows: 40_000, valueBytes: 100 });
    const stop = new AbortController();
    const running = newRunner(store).run(
      task,
      { progress: (ranges) => outputsOf(ranges).length > 0 && stop.abort(reason) },
      stop.signal,
    );
    const reason = new Error("not now");
    await expect(running).rejects.toBe(reason);
    store.requests = [];
    await systemClock.sleep(50);
    expect(store.requests).toEqual([]);
  });

  test("fails with the error of the store, and with damage by its object's name", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, small);
    const runner = newRunner(store);
    const path = ObjectPaths.sst(task.sources[1]!.ssts[0]!.id);
    const { bytes } = (await store.get(path))!;
    bytes[20_000]! ^= 1;
    await store.put(path, bytes);
    const damage = await runner.run(task, unheard, never).catch((error: unknown) => error);
    expect(damage).toBeInstanceOf(CorruptionError);
    expect((damage as CorruptionError).object).toBe(path);

    class DeniedStore extends MemoryObjectStore {
      override get(key: string): Promise<never> {
        throw new StoreError("denied", "Not you.", { object: key });
      }
    }
    const denied = await newRunner(new DeniedStore())
      .run(task, unheard, never)
      .catch((error: unknown) => error);
    expect(denied).toBeInstanceOf(StoreError);
    expect(denied).toMatchObject({ kind: "denied", reason: "denied", message: "Not you." });
    expect((denied as StoreError).object).toMatch(/^sst\//);
    // It was not the thread's fault, which goes on.
    await store.put(
      path,
      bytes.map((byte, i) => (i === 20_000 ? byte ^ 1 : byte)),
    );
    await runner.run(task, unheard, never);
    expect(runner.slicesMade).toBe(0);
  });
});

describe("user functions", () => {
  const merges = { entries: 3, rows: 100, valueBytes: 0, merges: true };
  const operator = `export const mergeOperators = { sum: { merge: (key, value, operands) =>
    new Uint8Array([operands.reduce((total, operand) => total + operand[0], value?.[0] ?? 0)]) } };`;

  test("come from their module", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, merges);
    const functions = moduleOf(
      "functions.mjs",
      `${operator}
      export const compactionFilter = ({ key }) => key.at(-1) === 49 ? "drop" : "keep";`,
    );
    const runner = newRunner(store, { functions });
    const ranges = await runner.run(
      { ...task, job: { ...task.job, rewrites: true } },
      unheard,
      never,
    );
    const rows = await rowsOf(store, ranges);
    expect(runner.slicesMade).toBe(0);
    expect(rows.length).toBe(90);
    expect(rows[0]).toBe("key00000000 1 3 03");
  });

  test("that are not there leave merges as they are", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, merges);
    const ranges = await newRunner(store).run(task, unheard, never);
    expect((await rowsOf(store, ranges)).length).toBe(300);
  });

  test.each([
    ["does not exist", "file:///nowhere/functions.mjs", "cannot be loaded"],
    ["is no URL", "functions.mjs", "must be the URL of a module"],
    ["throws", "data:text/javascript,throw new Error('too early')", "too early"],
    ["has none of them", "data:text/javascript,export const other = 1", "exports none of"],
    [
      "has something else by that name",
      "data:text/javascript,export const compactionFilter = 1",
      'compactionFilter" must be a function',
    ],
    [
      "has an operator that is none",
      "data:text/javascript,export const mergeOperators = { sum: {} }",
      'merge" is missing',
    ],
  ])("whose module %s fail the job, not the runner", async (_, functions, message) => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, small);
    const runner = newRunner(store, { functions });
    const error = await runner.run(task, unheard, never).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toContain(message);
    expect(runner.mode).toBe("thread");
    await until(() => runner.threadCount === 0);
  });
});

describe("a thread that dies", () => {
  const merges = { entries: 3, rows: 20_000, valueBytes: 0, merges: true };

  test("leaves the rest of its job to slices, and the next job gets another thread", async () => {
    const store = new CountingObjectStore(new MemoryObjectStore());
    const task = await storeTask(store, merges, { sstBytesMax: 20_000 });
    const functions = moduleOf(
      "dying.mjs",
      `import { existsSync, writeFileSync } from "node:fs";
      const file = new URL("./has-died", import.meta.url);
      let merged = 0;
      export const mergeOperators = { sum: { merge: (key, value, operands) => {
        if (++merged === 12_000 && !existsSync(file)) {
          writeFileSync(file, "");
          throw_();
        }
        return new Uint8Array([operands.reduce((total, operand) => total + operand[0], value?.[0] ?? 0)]);
      } } };
      function throw_() { setImmediate(() => { throw new Error("a bug of the user"); }); }`,
    );
    const whole = await slicesOn(store).run(task, unheard, never);
    store.requests = [];
    const runner = newRunner(store, { functions, rangesInFlight: 1 });
    let reached = 0;
    const progress = (ranges: readonly JobRange[]): void => {
      const { length } = outputsOf(ranges);
      expect(length).toBeGreaterThanOrEqual(reached);
      reached = length;
    };
    const ranges = await runner.run(task, { progress }, never);
    expect(runner.slicesMade).toBe(1);
    expect(await rowsOf(store, ranges)).toEqual(await rowsOf(store, whole));
    // What the thread had stored was not built again, but for the output that it was at.
    const puts = store.requests.filter(({ operation }) => operation === "put").length;
    expect(puts).toBeLessThanOrEqual(outputsOf(whole).length + 2);
    expect(runner.mode).toBe("thread");
    await runner.run(task, unheard, never);
    expect(runner.slicesMade).toBe(1);
    expect(runner.threadCount).toBe(1);
  });

  test("by what a function of the user does, does not end the process", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, { ...merges, rows: 100 });
    const functions = `data:text/javascript,${encodeURIComponent(
      "export const mergeOperators = { sum: { merge: () => process.exit(3) } }",
    )}`;
    const runner = newRunner(store, { functions });
    const ranges = await runner.run(task, unheard, never);
    expect(runner.slicesMade).toBe(1);
    expect((await rowsOf(store, ranges))[0]).toBe("key00000000 1 3 03");
  });
});

describe("where there is no thread,", () => {
  test.each<[string, () => URL | undefined]>([
    ["as the sources run from TypeScript", () => undefined],
    ["as its file is missing", () => new URL("./nowhere.js", import.meta.url)],
    ["as another program's file has its name", () => new URL(moduleOf("other.mjs", "export {};"))],
    ["as its file does not load", () => new URL(moduleOf("broken.mjs", "throw new Error('no');"))],
  ])("%s, jobs run in slices", async (_, urlOf) => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, small);
    const runner = newRunner(store, { threadUrl: urlOf() });
    expect(runner.mode).toBe("thread");
    const ranges = await runner.run(task, unheard, never);
    expect(runner.mode).toBe("slices");
    expect((await rowsOf(store, ranges)).length).toBe(small.rows);
    await runner.run(task, unheard, never);
    expect(runner.slicesMade).toBe(1);
  });
});

describe("threads", () => {
  test("share jobs, end when they have none for a while, and are started again", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, small);
    const runner = newRunner(store, { threads: 2, idleMs: 100 });
    expect(runner.threadCount).toBe(0);
    const jobs = [1, 2, 3].map(() => runner.run(task, unheard, never));
    await until(() => runner.threadCount === 2);
    await Promise.all(jobs);
    await until(() => runner.threadCount === 0);
    await runner.run(task, unheard, never);
    expect(runner.threadCount).toBe(1);
    expect(runner.slicesMade).toBe(0);
  });

  test("end with their runner, in the middle of a job too, and leave no request", async () => {
    let underWay = 0;
    class WatchedStore extends MemoryObjectStore {
      override async get(key: string, options?: GetOptions): Promise<StoredObject | undefined> {
        underWay++;
        await systemClock.sleep(20, options?.signal).finally(() => underWay--);
        return super.get(key, options);
      }
    }
    const store = new WatchedStore();
    const task = await storeTask(store, small);
    const runner = newRunner(store);
    const running = runner.run(task, unheard, never).catch((error: unknown) => error);
    await until(() => underWay > 0);
    await runner.close();
    await runner.close();
    expect(underWay).toBe(0);
    expect(await running).toBeInstanceOf(ClosedError);
    expect(runner.threadCount).toBe(0);
    await expect(runner.run(task, unheard, never)).rejects.toBeInstanceOf(ClosedError);
  });

  test("that are busy for long after an abort are ended", async () => {
    const store = new MemoryObjectStore();
    const task = await storeTask(store, { entries: 2, rows: 100, valueBytes: 0, merges: true });
    const functions = moduleOf(
      "busy.mjs",
      `import { writeFileSync } from "node:fs";
      const file = new URL("./is-busy", import.meta.url);
      export const mergeOperators = { sum: { merge() { writeFileSync(file, ""); for (;;); } } };`,
    );
    // Ten seconds are over at once.
    const clock = {
      ...systemClock,
      after: (ms: number, callback: () => void, options?: { idle?: boolean }) =>
        systemClock.after(ms === 10_000 ? 1 : ms, callback, options),
    };
    const runner = newRunner(store, { functions, clock });
    const stop = new AbortController();
    const running = runner.run(task, unheard, stop.signal);
    await until(() => existsSync(join(sources.directory, "is-busy")));
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    await until(() => runner.threadCount === 0);
  });
});

/** What a script in a process of its own prints; it can import what is in `./dist/`. */
async function endOf(script: string): Promise<{ code: number | null; output: string }> {
  const file = join(sources.directory, "thread-script.mjs");
  writeFileSync(file, script);
  const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  return { code, output: output.trim() };
}

/** Begins such a script: a runner on a store in memory, and a task on it. */
async function runnerScript(): Promise<string> {
  const store = new MemoryObjectStore();
  const task: JobTask = await storeTask(store, small);
  const objects: [string, string][] = [];
  for await (const { key } of store.list({ prefix: "" })) {
    const { bytes } = (await store.get(key))!;
    objects.push([key, Buffer.from(bytes).toString("base64")]);
  }
  const bytesTold = (_: string, value: unknown): unknown =>
    value instanceof Uint8Array ? { bytes: Buffer.from(value).toString("base64") } : value;
  return `import { ThreadRunner } from "./dist/compaction/thread-runner.js";
    import { MemoryObjectStore } from "./dist/object-store/memory.js";
    import { systemClock } from "./dist/common/clock.js";
    const bytesOf = (text) => new Uint8Array(Buffer.from(text, "base64"));
    const store = new MemoryObjectStore();
    for (const [key, text] of ${JSON.stringify(objects)}) await store.put(key, bytesOf(text));
    const task = JSON.parse(${JSON.stringify(JSON.stringify(task, bytesTold))},
      (_, value) => value?.bytes === undefined ? value : bytesOf(value.bytes));
    const slices = () => { throw new Error("no slices"); };
    const runner = new ThreadRunner({ store, clock: systemClock, threads: 1, functions: undefined,
      operatorNames: () => [], slices });
    const run = () => runner.run(task, { progress() {} }, new AbortController().signal);
    `;
}

describe("a process", () => {
  test("finds the thread's file beside the one that starts it, and does not end before its job", async () => {
    const script = "const ranges = await run(); console.log(runner.mode, ranges[0].done);";
    const ended = await endOf(`${await runnerScript()} ${script} await runner.close();`);
    expect(ended).toEqual({ code: 0, output: "thread true" });
  });

  test("ends by itself, with a thread that has nothing to do", async () => {
    const script = "await run(); await run(); console.log(runner.threadCount);";
    expect(await endOf((await runnerScript()) + script)).toEqual({ code: 0, output: "1" });
  });

  test("ends by itself, with a thread whose job was aborted before it had come up", async () => {
    const script = `const stop = new AbortController();
      const job = runner.run(task, { progress() {} }, stop.signal);
      stop.abort("enough");
      await job.catch((error) => console.log(error, runner.threadCount));`;
    expect(await endOf((await runnerScript()) + script)).toEqual({ code: 0, output: "enough 1" });
  });

  test.runIf(process.platform === "linux")(
    "has a thread that gives way to its others",
    async () => {
      const ended = await endOf(`${await runnerScript()}
      import { readdirSync, readFileSync } from "node:fs";
      const nicenessOf = (task) =>
        Number(readFileSync("/proc/self/task/" + task + "/stat", "latin1").split(") ")[1].split(" ")[16]);
      await run();
      const own = nicenessOf(process.pid);
      const others = readdirSync("/proc/self/task").map(nicenessOf);
      console.log(own === ${getPriority()}, others.includes(Math.min(own + 5, 19)));`);
      expect(ended).toEqual({ code: 0, output: "true true" });
    },
  );

  test("with a database compacts in a thread, with the functions of a module", async () => {
    const functions = moduleOf(
      "database-functions.mjs",
      `import { isMainThread } from "node:worker_threads";
      export const mergeOperators = { where: { merge: (key, value, operands) =>
        new TextEncoder().encode(isMainThread ? "main" : "thread") } };`,
    );
    const ended = await endOf(`import { Db } from "./dist/index.js";
      const text = (bytes) => new TextDecoder().decode(bytes);
      const db = await Db.open("memory:///db", { functions: "${functions}", background: false });
      for (let i = 0; i < 3; i++) {
        await db.merge("k", "x", { operator: "where" });
        await db.flush({ to: "l0" });
      }
      const before = text(await db.get("k"));
      await db.compact();
      const { l0Count, runCount, compaction } = db.stats();
      console.log(before, text(await db.get("k")), l0Count, runCount, compaction.mode);
      await db.close();`);
    expect(ended).toEqual({ code: 0, output: "main thread 0 1 threads" });
  });
});
