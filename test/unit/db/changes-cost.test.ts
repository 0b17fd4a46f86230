/** What a change costs that is in memory already: neither a listener nor a view of the database. */
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { Writer } from "../../../src/db/writer.js";
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
  const feed = db.changes({ signal });
  const writes = Array.from({ length: 100 }, (_, i) => db.put(`k${i}`, "v", { durable: false }));
  await Promise.all(writes);
  await db.flush();
  const views = vi.spyOn(Writer.prototype, "readView");
  const listeners = vi.spyOn(signal, "addEventListener");
  let count = 0;
  for await (const change of feed) {
    expect(change.seq).toBe(++count);
    if (count === 100) break;
  }
  expect(listeners.mock.calls.length).toBeLessThan(5);
  expect(views.mock.calls.length).toBeLessThan(10);
  await db.close();
});
