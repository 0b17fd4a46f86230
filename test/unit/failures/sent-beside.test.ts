/**
 * Without a WAL, a table may be committed beside one that an earlier flush waits for: what is told of its writes when the
 * handle ends is what holds for them, not for the flush that was asked for.
 */
import { describe, expect, test } from "vitest";
import type { Db, OpenOptions } from "../../../src/index.js";
import type { Fault } from "../../../src/testing/index.js";
import { newPlace, openAt, type Place, turns } from "../db/support.js";
import {
  expectNoUnhandledRejections,
  expectSilence,
  keysAfter,
  keysIn,
  manifest,
  outcomes,
  reopened,
  sst,
  tiny,
  Watched,
} from "./support.js";

expectNoUnhandledRejections();

const options: OpenOptions = { ...tiny, wal: false, loadBufferBytes: 4096, sstBytesMax: 4096 };

/** Uploads wait until a test lets them go, oldest first, and the fate of commits is the test's. */
class Gates {
  readonly #uploads: (() => void)[] = [];
  /** What becomes of commits. */
  commits: Fault | undefined;
  sentCommits = 0;

  constructor(place: Place) {
    place.faulty.intercept = (request) => {
      if (manifest(request) && this.commits !== undefined) {
        this.sentCommits++;
        return this.commits;
      }
      if (!sst(request)) return undefined;
      const until = new Promise<void>((resolve) => this.#uploads.push(resolve));
      return { kind: "delay", until };
    };
  }

  get waiting(): number {
    return this.#uploads.length;
  }

  async letGo(index: number): Promise<void> {
    this.#uploads.splice(index, 1)[0]!();
    await turns();
  }
}

interface Scene {
  readonly place: Place;
  readonly db: Db;
  readonly gates: Gates;
  readonly waiting: readonly Watched[];
}

/** "a" has been flushed for, and waits for its upload; "b" is to be committed beside it; "c" is not uploaded yet. */
async function enter(how: "write" | "load", commits: Fault): Promise<Scene> {
  const place = newPlace();
  const db = await openAt(place, options);
  const gates = new Gates(place);
  const begun = async (key: string, by: "write" | "load"): Promise<Watched> => {
    const done: Promise<unknown> = by === "load" ? db.load([[key, "value"]]) : db.put(key, "value");
    const watched = new Watched(key, done);
    await turns();
    return watched;
  };
  const a = await begun("a", "write");
  const b = await begun("b", how);
  // A load takes its seq when it is uploaded.
  if (how === "load") await gates.letGo(1);
  const c = await begun("c", how);
  expect(gates.waiting).toBe(how === "load" ? 2 : 3);
  gates.commits = commits;
  if (how === "write") await gates.letGo(1);
  expect(gates.sentCommits).toBe(0);
  await gates.letGo(0);
  expect([gates.sentCommits, gates.waiting]).toEqual([1, 1]);
  const waiting = [a, b, c];
  expect(outcomes(waiting)).toEqual({ a: "pending", b: "pending", c: "pending" });
  return { place, db, gates, waiting };
}

describe.each(["write", "load"] as const)("a %s that was committed beside a flush", (how) => {
  test.each<[string, Fault, string[]]>([
    ["stored, and its reply lost", { kind: "after" }, ["a", "b"]],
    ["not stored, and nobody knows", { kind: "before" }, []],
  ])("is unknown when the handle is closed while the commit is %s", async (_, fault, found) => {
    const { place, db, waiting } = await enter(how, fault);
    await db.close({ flush: false });
    await turns();
    expect(outcomes(waiting)).toEqual({ a: "unknown", b: "unknown", c: "closed" });
    await expectSilence(place);
    place.faulty.intercept = undefined;
    expect(await keysAfter(place)).toEqual(found);
  });

  test("is unknown when the store is away for the whole deadline", async () => {
    const { place, db, waiting } = await enter(how, { kind: "after" });
    await place.clock.advance(70_000);
    expect(outcomes(waiting)).toMatchObject({ a: "unknown", b: "unknown" });
    expect(await db.closed).toMatchObject({ kind: "unknown" });
    place.faulty.intercept = undefined;
    expect(await keysAfter(place)).toEqual(["a", "b"]);
  });

  test("is fenced by a successor that came before the commit, and nothing of it is there", async () => {
    const { place, db, gates, waiting } = await enter(how, { kind: "before" });
    const successor = await reopened(place);
    gates.commits = undefined;
    await place.clock.advance(20_000);
    expect(outcomes(waiting)).toEqual({ a: "fenced", b: "fenced", c: "fenced" });
    expect(await db.closed).toMatchObject({ kind: "fenced" });
    expect(await keysIn(place, successor)).toEqual([]);
    await place.clock.advanceUntil(successor.close());
  });

  test("is acknowledged when it proves to have been stored before the successor came; what was not sent is fenced", async () => {
    const { place, db, gates, waiting } = await enter(how, { kind: "after" });
    const successor = await reopened(place);
    gates.commits = undefined;
    await place.clock.advance(20_000);
    expect(outcomes(waiting)).toEqual({ a: "fulfilled", b: "fulfilled", c: "pending" });
    await gates.letGo(0);
    await place.clock.advance(20_000);
    expect(outcomes(waiting)).toEqual({ a: "fulfilled", b: "fulfilled", c: "fenced" });
    expect(await db.closed).toMatchObject({ kind: "fenced" });
    expect(await keysIn(place, successor)).toEqual(["a", "b"]);
    await place.clock.advanceUntil(successor.close());
  });
});
