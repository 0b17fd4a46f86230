import { expect, test } from "vitest";
import { type SstInfo, WalLocation } from "../../../src/format/manifest.js";
import { claimWriter, emptyManifest, retireBatch } from "../../../src/manifest/transitions.js";

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
  ...{ rangeDeletesOffset: 0, rangeDeletes: [] },
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
