/** Changes that are in memory already: each costs neither a listener nor a view of the database, and the handle is asked all the same. */
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { ChangeFeeds } from "../../../src/db/change-feeds.js";
import { Writer } from "../../../src/db/writer.js";
import { ClosedError } from "../../../src/index.js";
import { loadEngine } from "../../support/load-engine.js";
import { newPlace, openAt } from "./support.js";

beforeAll(loadEngine);

afterEach(() => {
  vi.restoreAllMocks();
});

test("a feed listens and looks at the database once for each object, not for each change", async () => {
  const place = newPlace();
  const db = await openAt(place);
  const { signal } = new AbortController();
  const open = vi.spyOn(ChangeFeeds.prototype, "open");
  const feed = db.changes({ signal });
  const { reading } = open.mock.contexts[0] as ChangeFeeds;
  const writes = Array.from({ length: 100 }, (_, i) => db.put(`k${i}`, "v", { durable: false }));
  await Promise.all(writes);
  await db.flush();
  const views = vi.spyOn(Writer.prototype, "readView");
  const listeners = vi.spyOn(signal, "addEventListener");
  let count = 0;
  for await (const change of feed) {
    expect(change.seq).toBe(++count);
    expect(reading.size).toBe(0);
    if (count === 100) break;
  }
  expect(listeners.mock.calls.length).toBeLessThan(5);
  expect(views.mock.calls.length).toBeLessThan(10);
  await db.close();
});

test("changes that are at hand are not given by a handle that is closed", async () => {
  const db = await openAt(newPlace());
  const changes = db.changes()[Symbol.asyncIterator]();
  await Promise.all([1, 2, 3].map((i) => db.put(`k${i}`, "v", { durable: false })));
  await db.flush();
  expect((await changes.next()).value?.seq).toBe(1);
  await db.close();
  await expect(changes.next()).rejects.toThrow(ClosedError);
  expect(await changes.next()).toEqual({ done: true, value: undefined });
});
