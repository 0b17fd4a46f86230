/** A handle that ends ends its reads: they settle at once, whatever the store does, and ask for nothing more. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BlockCache, Db, DbReader, MemoryObjectStore } from "../../../src/index.js";
import { CountingObjectStore, FaultyObjectStore } from "../../../src/testing/index.js";

const keyOf = (i: number): string => `key ${String(i).padStart(6, "0")}`;
const rowCount = 4000;
const isSst = (key: string): boolean => key.includes("sst/");

async function newDatabase() {
  const inner = new MemoryObjectStore();
  const db = await Db.open({ store: inner, path: "db" });
  // More than a small SST, so that tails and blocks are requests of their own.
  await db.load(Array.from({ length: rowCount }, (_, i) => [keyOf(i), `${i} ${"x".repeat(100)}`]));
  await db.close();
  const faulty = new FaultyObjectStore(inner);
  const counting = new CountingObjectStore(faulty);
  return { inner, faulty, counting, at: { store: counting, path: "db" } };
}
type Place = Awaited<ReturnType<typeof newDatabase>>;

type Handle = Db | DbReader;

const handles: Record<string, (place: Place, blockCache?: BlockCache) => Promise<Handle>> = {
  Db: ({ at }, blockCache) => Db.open(at, blockCache && { blockCache }),
  DbReader: ({ at }, blockCache) =>
    DbReader.open(at, { pollIntervalMs: 3_600_000, ...(blockCache && { blockCache }) }),
};

const outages: Record<string, (faulty: FaultyObjectStore) => void> = {
  "never answers": (faulty) => {
    faulty.intercept = ({ key }) =>
      isSst(key) ? { kind: "delay", until: new Promise(() => undefined) } : undefined;
  },
  "is unavailable": (faulty) => {
    faulty.intercept = ({ key }) => (isSst(key) ? { kind: "before" } : undefined);
  },
};

const reads: Record<string, (handle: Handle) => Promise<unknown>> = {
  get: (handle) => handle.get(keyOf(5)),
  getMany: (handle) => handle.getMany([keyOf(5), keyOf(2000), keyOf(3999)]),
  "a scan's next": async (handle) => handle.scan().next(),
  "a scan's nextMany": async (handle) => handle.scan({ reverse: true }).nextMany(100),
  "a loop over a scan": async (handle) => {
    for await (const _ of handle.keys());
  },
  warm: (handle) => handle.warm(),
};

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeEach(() => void process.on("unhandledRejection", note));
afterEach(async () => {
  await sleep(5);
  process.off("unhandledRejection", note);
  expect(unhandled.splice(0)).toEqual([]);
});
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What each read comes to: the error, or that it is still pending after a moment. */
async function endsOf(pending: Promise<unknown>[]): Promise<unknown[]> {
  const late = sleep(200).then(() => "pending");
  return Promise.all(
    pending.map((read) => Promise.race([read.catch((error: unknown) => error), late])),
  );
}

const cases = Object.keys(handles).flatMap((handle) =>
  Object.keys(outages).flatMap((outage) =>
    ["the table", "a block"].map((waited) => [handle, outage, waited] as const),
  ),
);

test.each(cases)(
  "%s.close() ends reads of a store that %s while they wait for %s",
  async (handle, outage, waited) => {
    const place = await newDatabase();
    const open = await handles[handle]!(place);
    if (waited === "a block") await open.get(keyOf(1000));
    outages[outage]!(place.faulty);
    const pending = Object.values(reads).map((read) => read(open));
    await sleep(20);
    await open.close();
    for (const [i, end] of (await endsOf(pending)).entries()) {
      expect(end, Object.keys(reads)[i]).toMatchObject({ kind: "closed" });
    }
    const { total } = place.counting;
    await sleep(150);
    expect(place.counting.total).toBe(total);
  },
);

test.each(Object.keys(handles))(
  "%s: reads that begin while others of it end are refused too",
  async (handle) => {
    const place = await newDatabase();
    const open = await handles[handle]!(place);
    outages["never answers"]!(place.faulty);
    const scan = open.scan();
    const first = scan.next();
    const second = scan.next();
    await sleep(5);
    const closing = open.close();
    const later = Object.values(reads).map((read) => read(open).catch((error: unknown) => error));
    for (const end of await endsOf([first, second, scan.next(), ...later])) {
      expect(end).toMatchObject({ kind: "closed" });
    }
    await closing;
  },
);

test("a fenced writer's reads end with what fenced it", async () => {
  const place = await newDatabase();
  const db = await Db.open(place.at);
  await db.get(keyOf(1000));
  outages["never answers"]!(place.faulty);
  const pending = Object.values(reads).map((read) => read(db));
  const other = await Db.open({ store: place.inner, path: "db" });
  await expect(db.put("a", "b")).rejects.toMatchObject({ kind: "fenced" });
  for (const end of await endsOf(pending)) expect(end).toMatchObject({ kind: "fenced" });
  await other.close();
  await db.close().catch(() => undefined);
});

test("a reader that its store ends tells its reads why", async () => {
  const place = await newDatabase();
  const reader = await handles["DbReader"]!(place);
  await reader.get(keyOf(1000));
  outages["never answers"]!(place.faulty);
  const pending = Object.values(reads).map((read) => read(reader));
  const numbers: string[] = [];
  for await (const { key } of place.inner.list({ prefix: "db/manifest/0" })) numbers.push(key);
  const next = numbers
    .sort()
    .at(-1)!
    .replace(/\d{20}/, (n) => String(Number(n) + 1).padStart(20, "0"));
  await place.inner.put(next, new Uint8Array(50));
  await expect((reader as DbReader).refresh()).rejects.toMatchObject({ kind: "corruption" });
  for (const end of await endsOf(pending)) {
    expect(end).toMatchObject({ kind: "closed", cause: { kind: "corruption" } });
  }
});

describe("what others have", () => {
  test("reads of another handle go on, also where the two share a block cache", async () => {
    const place = await newDatabase();
    const other = await newDatabase();
    const blockCache = new BlockCache(10_000_000);
    const gates: (() => void)[] = [];
    for (const { faulty } of [place, other]) {
      faulty.intercept = ({ key }) =>
        isSst(key) ? { kind: "delay", until: new Promise((go) => gates.push(go)) } : undefined;
    }
    const [one, two, three] = await Promise.all([
      handles["DbReader"]!(place, blockCache),
      handles["DbReader"]!(place, blockCache),
      handles["DbReader"]!(other, blockCache),
    ]);
    const pending = [one!, two!, three!].map((reader) => reader.get(keyOf(7)));
    await sleep(5);
    const ended = expect(pending[0]).rejects.toMatchObject({ kind: "closed" });
    await one!.close();
    await ended;
    const opening = setInterval(() => {
      for (const go of gates.splice(0)) go();
    }, 1);
    expect((await pending[1])!.length).toBeGreaterThan(100);
    expect((await pending[2])!.length).toBeGreaterThan(100);
    clearInterval(opening);
    await Promise.all([two!.close(), three!.close()]);
  });

  test("a read whose own signal is aborted says so, and the others go on waiting", async () => {
    const place = await newDatabase();
    const reader = await handles["DbReader"]!(place);
    outages["never answers"]!(place.faulty);
    const controller = new AbortController();
    const aborted = reader.get(keyOf(7), { signal: controller.signal });
    const waiting = reader.get(keyOf(7));
    await sleep(5);
    controller.abort(new Error("enough"));
    await expect(aborted).rejects.toThrow("enough");
    expect(await endsOf([waiting])).toEqual(["pending"]);
    await reader.close();
    expect(await endsOf([waiting])).toEqual([expect.objectContaining({ kind: "closed" })]);
  });
});
