/** States of compactions: found by a listing, then polled, and committed by the rules of manifests. */
import { expect, test } from "vitest";
import { seededRandom } from "../../../src/common/random.js";
import { CompactionsStore } from "../../../src/compaction/compactions-store.js";
import { claimState, type StateTransition } from "../../../src/compaction/job-transitions.js";
import { StoreTime } from "../../../src/compaction/store-time.js";
import { StoredCompactions } from "../../../src/compaction/stored-compactions.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import {
  CountingObjectStore,
  FaultyObjectStore,
  ManualClock,
  MemoryObjectStore,
} from "../../../src/testing/index.js";
import { databaseId, day, hour, ulid } from "../manifest/manifests.js";

let seeds = 0;

class Role {
  readonly clock: ManualClock;
  readonly faulty: FaultyObjectStore;
  readonly store: CountingObjectStore;
  readonly stored: StoredCompactions;
  readonly storeTime: StoreTime;

  constructor(inner: MemoryObjectStore, clock: ManualClock, id = databaseId) {
    this.clock = clock;
    this.faulty = new FaultyObjectStore(inner);
    this.store = new CountingObjectStore(this.faulty);
    this.storeTime = new StoreTime(clock);
    const states = new CompactionsStore(this.store, id, this.storeTime);
    const options = { clock, random: seededRandom(++seeds), retentionMs: 30 * day };
    this.stored = new StoredCompactions(states, options);
  }

  commit(transition: StateTransition, epoch?: number) {
    return this.clock.advanceUntil(this.stored.commit(transition, { epoch }));
  }

  taken(): string {
    const text = this.store.requests.map(({ operation }) => operation).join(" ");
    this.store.reset();
    return text;
  }
}

function roles(): [Role, Role, MemoryObjectStore, ManualClock] {
  const clock = new ManualClock();
  const inner = new MemoryObjectStore({ clock });
  return [new Role(inner, clock), new Role(inner, clock), inner, clock];
}

const touch: StateTransition = (state) => ({ ...state });

test("the first look lists and reads what it finds; later ones are one GET", async () => {
  const [role, other, , clock] = roles();
  expect([role.stored.isOpen, (await clock.advanceUntil(role.stored.refresh())).number]).toEqual([
    ...[false, 0],
  ]);
  expect([role.stored.isOpen, role.taken()]).toEqual([true, "list"]);
  await role.commit(touch);
  await role.commit(claimState(4));
  expect(role.taken()).toBe("create create");
  expect((await other.stored.refresh()).number).toBe(2);
  expect(other.taken()).toBe("list get");
  expect((await other.stored.refresh()).compactorEpoch).toBe(4);
  expect(other.taken()).toBe("get");
});

test("looks that begin at once share the listing, and the abort of one does not end the other", async () => {
  const [role] = roles();
  const abort = new AbortController();
  const first = role.stored.refresh({ signal: abort.signal });
  const second = role.stored.refresh();
  abort.abort(new Error("enough"));
  await expect(first).rejects.toThrow("enough");
  expect((await second).number).toBe(0);
  expect(role.taken()).toBe("list");
});

test("a listing that failed is tried again by the next look", async () => {
  const [role] = roles();
  role.faulty.intercept = () => ({ kind: "before" });
  await expect(role.stored.refresh()).rejects.toMatchObject({ kind: "unavailable" });
  role.faulty.intercept = undefined;
  expect((await role.stored.refresh()).number).toBe(0);
});

test("a conflict applies the transition again, and a newer epoch ends an older coordinator", async () => {
  const [role, other] = roles();
  await role.stored.refresh();
  await other.commit(claimState(1));
  expect((await role.commit(touch, 1)).number).toBe(2);
  expect(role.taken()).toBe("list create get create");
  await other.commit(claimState(2));
  await expect(role.commit(touch, 1)).rejects.toMatchObject({
    ...{ kind: "fenced", ownEpoch: 1, seenEpoch: 2 },
    message: expect.stringContaining("Another compactor took over"),
  });
  // A worker has no epoch.
  expect((await role.commit(touch)).number).toBe(4);
});

test("a lost reply is decided by the same bytes, and settled without a change of its own", async () => {
  const [role, , inner] = roles();
  await role.stored.refresh();
  role.faulty.intercept = () => ({ kind: "after" });
  await expect(role.commit(claimState(3))).rejects.toMatchObject({ kind: "unknown" });
  role.faulty.intercept = undefined;
  expect(role.stored.current.number).toBe(0);
  role.taken();
  expect(await role.stored.settle()).toMatchObject({ number: 1, compactorEpoch: 3 });
  expect(role.taken()).toBe("create get");
  await role.stored.settle();
  expect(role.taken()).toBe("");
  expect(await inner.head(ObjectPaths.compactions(2))).toBeUndefined();
});

test("a commit that was lost, and another's in its place: the late one never lands", async () => {
  const [role, other, inner] = roles();
  await role.stored.refresh();
  role.faulty.intercept = () => ({ kind: "late" });
  await expect(role.commit(claimState(3))).rejects.toMatchObject({ kind: "unknown" });
  role.faulty.intercept = undefined;
  await other.commit(touch);
  expect(await role.stored.settle()).toMatchObject({ number: 1, compactorEpoch: 0 });
  const before = (await inner.get(ObjectPaths.compactions(1)))!.bytes;
  await role.faulty.releaseLate();
  expect((await inner.get(ObjectPaths.compactions(1)))!.bytes).toEqual(before);
});

test("after more than an hour a listing confirms, and a create in a deleted range is a stray", async () => {
  const [role, other, inner, clock] = roles();
  await role.commit(touch);
  role.taken();
  await clock.advance(hour + 1);
  await role.commit(touch);
  expect(role.taken()).toBe("create list");
  for (let i = 0; i < 3; i++) await other.commit(claimState(i + 1));
  await clock.advance(2 * hour);
  await inner.delete([1, 2, 3, 4].map(ObjectPaths.compactions));
  expect(await role.commit(touch)).toMatchObject({ number: 6, compactorEpoch: 3 });
});

test("states of another database are damage, whether they are found or come between", async () => {
  const [, , inner, clock] = roles();
  const foreign = new Role(inner, clock, ulid(9));
  const role = new Role(inner, clock);
  await role.stored.refresh();
  await foreign.commit(touch);
  await expect(role.commit(touch)).rejects.toMatchObject({ kind: "corruption" });
  await expect(new Role(inner, clock).stored.refresh()).rejects.toMatchObject({
    kind: "corruption",
  });
});

test("the store's time is known from replies, and is never ahead of the store's clock", async () => {
  const clock = new ManualClock();
  const storeClock = new ManualClock({ now: clock.now() - 5 * hour });
  const role = new Role(new MemoryObjectStore({ clock: storeClock }), clock);
  await role.commit(touch);
  expect([role.storeTime.isKnown, role.storeTime.now()]).toEqual([false, 0]);
  await role.stored.store.head(1);
  const both = async (ms: number) => {
    await clock.advance(ms);
    await storeClock.advance(ms);
  };
  await both(1000);
  expect(role.storeTime.now()).toBe(storeClock.now());
  clock.setWall(clock.now() + day);
  await both(1000);
  expect(role.storeTime.now()).toBe(storeClock.now());
  // A reply that tells an older time says nothing new; one that tells a later one does.
  role.storeTime.saw(storeClock.now() - hour);
  expect(role.storeTime.now()).toBe(storeClock.now());
  role.storeTime.saw(storeClock.now() + 10);
  expect(role.storeTime.now()).toBe(storeClock.now() + 10);
});
