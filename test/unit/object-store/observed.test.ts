/** `observed` and `RequestCounts`: what is said about each request. */
import { expect, test } from "vitest";
import { encodeUtf8 } from "../../../src/common/bytes.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { observed } from "../../../src/object-store/observed.js";
import type { ObservedRequest } from "../../../src/object-store/observed-request.js";
import { RequestCounts } from "../../../src/object-store/request-counts.js";
import { FaultyObjectStore } from "../../../src/testing/faulty-object-store.js";
import { ManualClock } from "../../../src/testing/manual-clock.js";

function setUp() {
  const clock = new ManualClock();
  const faulty = new FaultyObjectStore(new MemoryObjectStore({ clock }));
  const reports: ObservedRequest[] = [];
  const store = observed(faulty, (request) => reports.push(request), clock);
  return { clock, faulty, reports, store };
}

test("every operation is reported with its key, bytes and outcome", async () => {
  const { store, reports } = setUp();
  await store.create("a", encodeUtf8("12345"));
  await store.create("a", encodeUtf8("123"));
  await store.put("b", async function* () {
    yield encodeUtf8("12");
    yield encodeUtf8("34");
  });
  await store.get("a", { range: { offset: 1, length: 2 } });
  await store.get("absent");
  await store.head("absent");
  for await (const _ of store.list({ prefix: "" }));
  for await (const _ of store.list({ prefix: "" })) break;
  await store.copy!("a", "c");
  await store.delete(["b", "c"]);
  const told = reports.map((r) => [
    r.operation,
    r.key,
    r.objectCount,
    r.bytesPut,
    r.bytesGot,
    r.outcome,
  ]);
  expect(told).toEqual([
    ["create", "a", 1, 5, 0, "ok"],
    ["create", "a", 1, 3, 0, "exists"],
    ["put", "b", 1, 4, 0, "ok"],
    ["get", "a", 1, 0, 2, "ok"],
    ["get", "absent", 1, 0, 0, "absent"],
    ["head", "absent", 1, 0, 0, "absent"],
    ["list", "", 2, 0, 0, "ok"],
    ["list", "", 1, 0, 0, "ended"],
    ["copy", "c", 1, 0, 0, "ok"],
    ["delete", "b", 2, 0, 0, "ok"],
  ]);
});

test("failures are reported by their reason, and passed on", async () => {
  const { store, faulty, reports } = setUp();
  const defect = new TypeError("a defect");
  faulty.intercept = ({ operation }) =>
    operation === "get"
      ? { kind: "before" }
      : operation === "head"
        ? { kind: "before", error: defect }
        : undefined;
  await expect(store.get("a")).rejects.toMatchObject({ reason: "unavailable" });
  await expect(store.head("a")).rejects.toBe(defect);
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);
  await expect(store.put("a", encodeUtf8("x"), { signal })).rejects.toBe(reason);
  expect(reports.map(({ outcome }) => outcome)).toEqual(["unavailable", "error", "aborted"]);
});

test("the duration is the time between call and reply", async () => {
  const { clock, store, faulty, reports } = setUp();
  faulty.intercept = () => ({ kind: "delay", until: clock.sleep(250) });
  await clock.advanceUntil(store.get("a"));
  expect(reports[0]?.durationMs).toBe(250);
});

test("the duration of a listing leaves out what its consumer does", async () => {
  const { clock, store, faulty, reports } = setUp();
  await store.put("a", encodeUtf8("x"));
  faulty.intercept = () => ({ kind: "delay", until: clock.sleep(30) });
  const slowly = async (): Promise<void> => {
    for await (const _ of store.list({ prefix: "" })) await clock.sleep(1_000);
  };
  await clock.advanceUntil(slowly());
  expect(reports.at(-1)).toMatchObject({ operation: "list", durationMs: 30 });
});

test("counts add up by operation and in all, and a snapshot is a copy", async () => {
  const { clock, faulty } = setUp();
  const counts = new RequestCounts();
  const store = observed(faulty, (request) => counts.add(request), clock);
  await store.put("a", encodeUtf8("12345"));
  await store.get("a");
  await store.get("absent");
  const before = counts.snapshot();
  faulty.intercept = () => ({ kind: "before" });
  await store.get("a").catch(() => undefined);
  const zero = { requests: 0, errors: 0, bytesPut: 0, bytesGot: 0, durationMs: 0 };
  expect(before.get).toEqual({ ...zero, requests: 2, bytesGot: 5 });
  expect(before.put).toEqual({ ...zero, requests: 1, bytesPut: 5 });
  expect(before.delete).toEqual(zero);
  expect(counts.snapshot().get).toMatchObject({ requests: 3, errors: 1 });
  expect(counts.snapshot().total).toMatchObject({
    requests: 4,
    errors: 1,
    bytesPut: 5,
    bytesGot: 5,
  });
});
