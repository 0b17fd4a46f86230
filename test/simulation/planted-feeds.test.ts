/** Bugs planted in the change feeds, from outside: the duels find each within a few seeds. */
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { PutChange } from "../../src/db/change.js";
import type { LogSpan } from "../../src/wal/log-spans.js";
import { loadEngine } from "../support/load-engine.js";
import { runDuel } from "./duel.js";
import { firstFailureOf } from "./first-failure.js";

interface FeedBug {
  /** Whether the next object is passed over. */
  passesOver?: () => boolean;
  /** Feeds read what has been sent, and not only what is stored. */
  readsAhead?: boolean;
  /** Every log is taken for the one that follows the last. */
  believesAll?: boolean;
  /** The seq behind which the changes of an object begin. */
  after?: (seq: number) => number;
  /** Where changes are. */
  spans?: (spans: readonly LogSpan[]) => readonly LogSpan[];
  /** What a load gives of its rows. */
  rows?: (rows: AsyncGenerator<PutChange, undefined>) => AsyncGenerator<PutChange, undefined>;
  /** A feed says nothing when its handle ends. */
  outlivesHandle?: boolean;
}

const planted = vi.hoisted(() => ({ bug: {} as FeedBug }));

vi.mock("../../src/wal/wal-cursor.js", async (original) => {
  const { WalCursor } = await original<typeof import("../../src/wal/wal-cursor.js")>();
  class Planted extends WalCursor {
    override async next(): ReturnType<InstanceType<typeof WalCursor>["next"]> {
      const found = await super.next();
      return found !== undefined && planted.bug.passesOver?.() ? super.next() : found;
    }
  }
  return { WalCursor: Planted };
});

vi.mock("../../src/wal/log-spans.js", async (original) => {
  const actual = await original<typeof import("../../src/wal/log-spans.js")>();
  const logSpans: typeof actual.logSpans = (manifest) => {
    const spans = actual.logSpans(manifest);
    return planted.bug.spans?.(spans) ?? spans;
  };
  const endsAt: typeof actual.endsAt = (spans, position) =>
    planted.bug.believesAll || actual.endsAt(spans, position);
  return { ...actual, logSpans, endsAt };
});

vi.mock("../../src/wal/write-ahead-log.js", async (original) => {
  const { WriteAheadLog } = await original<typeof import("../../src/wal/write-ahead-log.js")>();
  const { parseWalPath } = await import("../../src/object-store/paths.js");
  class Planted extends WriteAheadLog {
    constructor(options: ConstructorParameters<typeof WriteAheadLog>[0]) {
      const { store, onStored } = options;
      const create: typeof store.create = (key, bytes, request) => {
        if (planted.bug.readsAhead) onStored?.(parseWalPath(key)!, bytes);
        return store.create(key, bytes, request);
      };
      super({ ...options, store: Object.setPrototypeOf({ create }, store) });
    }
  }
  return { WriteAheadLog: Planted };
});

vi.mock("../../src/db/change-feeds.js", async (original) => {
  const { ChangeFeeds } = await original<typeof import("../../src/db/change-feeds.js")>();
  class Planted extends ChangeFeeds {
    constructor(handle: ConstructorParameters<typeof ChangeFeeds>[0]) {
      const { manifests, closed } = handle;
      const get: typeof manifests.get = async (...args) => {
        const found = await manifests.get(...args);
        if (found === undefined || !planted.bug.believesAll) return found;
        return { ...found, manifest: { ...found.manifest, writerEpoch: Number.MAX_SAFE_INTEGER } };
      };
      super({
        ...handle,
        manifests: Object.setPrototypeOf({ get }, manifests),
        closed: () => (planted.bug.outlivesHandle ? new Promise(() => undefined) : closed()),
      });
      const add = this.tail.add.bind(this.tail);
      this.tail.add = (...args) => {
        add(...args);
        if (planted.bug.readsAhead) this.wake();
      };
    }
    override end(): ReturnType<InstanceType<typeof ChangeFeeds>["end"]> {
      let { epoch, id } = super.end();
      while (planted.bug.readsAhead && this.tail.get({ epoch, id }) !== undefined) id++;
      return { epoch, id };
    }
  }
  return { ChangeFeeds: Planted };
});

vi.mock("../../src/db/feed-engine.js", async (original) => {
  const actual = await original<typeof import("../../src/db/feed-engine.js")>();
  const storedChanges: typeof actual.storedChanges = (object, name, seq, upTo) =>
    actual.storedChanges(object, name, planted.bug.after?.(seq) ?? seq, upTo);
  const toChange: typeof actual.toChange = (stored, readView) => {
    const change = actual.toChange(stored, readView);
    const operations = change.operations.map((operation) => {
      const { rows } = planted.bug;
      if (operation.type !== "load" || rows === undefined) return operation;
      return { ...operation, rows: () => rows(operation.rows()) };
    });
    return { ...change, operations };
  };
  return { ...actual, storedChanges, toChange };
});

beforeAll(loadEngine);
afterEach(() => {
  planted.bug = {};
});

/** The message of the first duel that fails. */
function firstFailure(bug: FeedBug, count = 40): Promise<string | undefined> {
  planted.bug = bug;
  return firstFailureOf({ count }, runDuel, (message, seed) =>
    expect(message).toContain(`npm run test:sim -- --seed ${seed} `),
  );
}

describe("duels find in the change feeds", () => {
  test("nothing, when nothing is planted", async () => {
    expect(await firstFailure({}, 3)).toBeUndefined();
  }, 30_000);

  test("an object that is passed over", async () => {
    let count = 0;
    expect(await firstFailure({ passesOver: () => ++count % 10 === 0 })).toMatch(
      /passed over|never comes to/,
    );
  }, 30_000);

  test("changes that are given before they are durable", async () => {
    expect(await firstFailure({ readsAhead: true })).toMatch(/not durable yet/);
  }, 30_000);

  test("a writer without a log that is passed over", async () => {
    expect(await firstFailure({ believesAll: true })).toMatch(/passed over/);
  }, 30_000);

  test("a change that is given twice", async () => {
    expect(await firstFailure({ after: (seq) => seq - 1 })).toMatch(/gives seq \d+ after/);
  }, 30_000);

  test("a resumed feed that begins behind the next change", async () => {
    expect(await firstFailure({ after: (seq) => seq + 1 })).toMatch(
      /passed over|other rows than loaded/,
    );
  }, 30_000);

  test("a feed that is cut off for nothing", async () => {
    const spans: FeedBug["spans"] = (all) => all.filter(({ retiredBy }) => retiredBy === 0);
    expect(await firstFailure({ spans })).toMatch(/is cut off at seq/);
  }, 30_000);

  test("a load whose first row is missing", async () => {
    const rows: FeedBug["rows"] = async function* (all) {
      await all.next();
      yield* all;
      return undefined;
    };
    expect(await firstFailure({ rows })).toMatch(/other rows|nobody has written/);
  }, 30_000);

  test("a feed that waits on when its handle has ended", async () => {
    expect(await firstFailure({ outlivesHandle: true })).toMatch(/a promise was forgotten/);
  }, 30_000);
});
