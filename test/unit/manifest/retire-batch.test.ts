import { expect, test } from "vitest";
import {
  Feature,
  type SortedRun,
  type SstInfo,
  WalLocation,
} from "../../../src/format/manifest.js";
import { checkManifest } from "../../../src/manifest/invariants.js";
import {
  claimWriter,
  emptyManifest,
  retireBatch,
  type Transition,
} from "../../../src/manifest/transitions.js";

const pinned = {
  walLocation: WalLocation.store,
  walStoreId: "",
  walPath: "",
  mergeOperators: [],
  encryption: 0,
};
const sstId = "01K00000000000000000000000";
const sst: SstInfo = {
  ...{ id: sstId, size: 100, metaOffset: 50, topOffset: 60 },
  ...{ firstKey: new Uint8Array([1]), lastKey: new Uint8Array([2]) },
  ...{ minSeq: 1, maxSeq: 3, rowCount: 3, deleteCount: 0, maxExpiresAt: 0 },
  ...{
    rangeDeletesOffset: 0,
    rangeDeletes: [],
    seq: 0,
    shadowedCount: 0,
    expiringCount: 0,
    owner: "",
  },
};

test("a table that a compaction has taken out of L0 since is not named again", () => {
  const claimed = claimWriter({ putsInFlight: 1 })(
    emptyManifest("01JZZZZZZZZZZZZZZZZZZZZZZZ", pinned),
  );
  const retire = retireBatch({
    epoch: 1,
    entries: [{ ssts: [sst], seq: 0 }],
    walStart: { epoch: 1, id: 4 },
    lastL0Seq: 3,
    lastSeq: 3,
    snapshotSeq: 0,
    writerFloor: sstId,
    logEnds: new Map(),
  });
  const retired = retire(claimed);
  expect(retired.l0).toHaveLength(1);
  expect(retire(retired)).toBe(retired);
  // The commit's reply is lost for so long that a compactor has been there when it is applied again.
  const compacted = { ...retired, l0: [] };
  expect(retire(compacted)).toBe(compacted);
});

const span = {
  ...{ start: new Uint8Array([1]), end: new Uint8Array([2]), endless: false },
  ...{ count: 1, minSeq: 2, maxSeq: 2 },
};
const withRangeDeletes: SstInfo = {
  ...{ ...sst, id: "01K00000000000000000000001", minSeq: 4, maxSeq: 5, rowCount: 0 },
  ...{ rangeDeletesOffset: 8, rangeDeletes: [span] },
};

test("range deletes are a required feature from the first SST on that has some, and for ever", () => {
  const retireSst = (info: SstInfo): Transition =>
    retireBatch({
      ...{ epoch: 1, entries: [{ ssts: [info], seq: 0 }], walStart: { epoch: 1, id: 4 } },
      ...{ lastL0Seq: info.maxSeq, lastSeq: info.maxSeq, snapshotSeq: 0 },
      ...{ writerFloor: info.id, logEnds: new Map() },
    });
  const claim = claimWriter({ putsInFlight: 1, mergeOperators: ["count"] });
  const claimed = claim(emptyManifest("01JZZZZZZZZZZZZZZZZZZZZZZZ", pinned));
  const rows = retireSst(sst)(claimed);
  expect(rows.requiredFeatures).toEqual([Feature.mergeRows]);
  const retire = retireSst(withRangeDeletes);
  const ranges = retire(rows);
  expect(ranges.requiredFeatures).toEqual([Feature.mergeRows, Feature.rangeDeletes]);
  expect(retire(ranges)).toBe(ranges);
  checkManifest(ranges);
  const next = { ...sst, id: "01K00000000000000000000002", minSeq: 6, maxSeq: 6 };
  const later = retireSst(next)({ ...ranges, l0: [] });
  expect(later.requiredFeatures).toEqual(ranges.requiredFeatures);
  expect(retireSst({ ...withRangeDeletes, minSeq: 7, maxSeq: 7 })(later).requiredFeatures).toEqual(
    ranges.requiredFeatures,
  );
});

test("no manifest names range deletes without the feature, or an SST of nothing at all", () => {
  const base = emptyManifest("01JZZZZZZZZZZZZZZZZZZZZZZZ", pinned);
  const numbers = { ...base, lastSeq: 9, lastL0Seq: 9 };
  const requiredFeatures = [Feature.rangeDeletes];
  const run: SortedRun = {
    ...{ id: sstId, ssts: [withRangeDeletes], listBytes: 0, firstKey: sst.firstKey },
    ...{ lastKey: sst.lastKey, sstCount: 1, rowCount: 0, size: 100, level: 0 },
    ...{ indexOffset: 0, owner: "", rangeDeletes: [] },
  };
  const l0 = [{ ssts: [withRangeDeletes], seq: 0 }];
  checkManifest({ ...numbers, l0, requiredFeatures });
  checkManifest({ ...numbers, runs: [run], requiredFeatures });
  for (const wrong of [
    { l0 },
    { runs: [run] },
    { l0: [{ ssts: [{ ...sst, rowCount: 0 }], seq: 0 }], requiredFeatures },
  ]) {
    expect(() => checkManifest({ ...numbers, ...wrong })).toThrow("broken invariant");
  }
});
