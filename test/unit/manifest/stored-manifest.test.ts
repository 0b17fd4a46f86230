import { describe, expect, it } from "vitest";
import { FencedError } from "../../../src/common/errors.js";
import { seededRandom } from "../../../src/common/random.js";
import { WalLocation } from "../../../src/format/manifest.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { StoredManifest } from "../../../src/manifest/stored-manifest.js";
import { claimWriter, emptyManifest, type Transition } from "../../../src/manifest/transitions.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore, ManualClock } from "../../../src/testing/index.js";

const pinned = {
  walLocation: WalLocation.store,
  walStoreId: "",
  walPath: "",
  mergeOperators: [],
  encryption: 0,
};
const databaseId = "01JZZZZZZZZZZZZZZZZZZZZZZZ";
const claim = claimWriter({ putsInFlight: 1 });
const seqIs =
  (lastSeq: number): Transition =>
  (manifest) =>
    manifest.lastSeq >= lastSeq ? manifest : { ...manifest, lastSeq };

async function twoHandles() {
  const inner = new MemoryObjectStore();
  const clock = new ManualClock();
  const open = (store: FaultyObjectStore, seed: number, base = emptyManifest(databaseId, pinned)) =>
    new StoredManifest(new ManifestStore(store), base, {
      clock,
      random: seededRandom(seed),
      retentionMs: 30 * 24 * 3_600_000,
    });
  const storeA = new FaultyObjectStore(inner);
  const a = open(storeA, 1);
  const first = await a.commit(claim);
  const b = open(new FaultyObjectStore(inner), 2, first);
  return { inner, clock, a, b, storeA };
}

describe("StoredManifest", () => {
  it("builds nothing on a newer writer's manifest in a commit queued behind the look that found it", async () => {
    const { inner, a, b } = await twoHandles();
    await b.commit(claim);
    const look = a.refresh({ epoch: 1 });
    const commit = a.commit(seqIs(5), { epoch: 1 });
    await expect(look).rejects.toBeInstanceOf(FencedError);
    await expect(commit).rejects.toBeInstanceOf(FencedError);
    expect(await new ManifestStore(inner).get(3)).toBeUndefined();
  });

  it("tells a fenced writer at every look, not only at the first", async () => {
    const { a, b } = await twoHandles();
    await b.commit(claim);
    await expect(a.refresh({ epoch: 1 })).rejects.toBeInstanceOf(FencedError);
    await expect(a.refresh({ epoch: 1 })).rejects.toBeInstanceOf(FencedError);
  });

  it("never goes back to an older manifest when a pending commit is settled after a look", async () => {
    const { clock, a, b, storeA } = await twoHandles();
    storeA.intercept = ({ operation }) => (operation === "create" ? { kind: "after" } : undefined);
    await expect(a.commit(seqIs(5), { epoch: 1 })).rejects.toThrow("lost");
    storeA.intercept = undefined;
    await clock.advanceUntil(b.commit(seqIs(6)));
    await clock.advanceUntil(b.commit(seqIs(7)));
    await a.refresh({ epoch: 1 });
    expect(a.current.number).toBe(4);
    const settled = await clock.advanceUntil(a.commit(seqIs(5), { epoch: 1 }));
    expect(settled.number).toBe(4);
    expect(a.current.number).toBe(4);
  });
});
