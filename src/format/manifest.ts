/** The manifest as a value: what one numbered root manifest says. Deeply readonly; anyone may print it. */
import type { Bytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";

/** No id: the floor of a role that has named nothing. */
export const noUlid: Ulid = "";

export interface Manifest {
  /** This manifest's number; it is in the bytes too, so that the hint says which one it is a copy of. */
  readonly number: number;
  readonly databaseId: Ulid;
  /** ms since 1970, by the clock of whoever committed it */
  readonly createdAt: number;
  /** Makes the bytes of no two commits equal. */
  readonly token: Bytes;
  /** The last manifest of a destroyed database. */
  readonly destroyed: boolean;
  /** Feature numbers; an unknown required one refuses the open. */
  readonly requiredFeatures: readonly number[];
  readonly optionalFeatures: readonly number[];
  readonly writerEpoch: number;
  readonly compactorEpoch: number;
  /** No seq above this one has been given to a row that L0 or the runs hold. */
  readonly lastL0Seq: number;
  /** The last seq known to be given when this was committed. */
  readonly lastSeq: number;
  /** The oldest seq that an open snapshot or transaction of the writer needed, when it last added to L0; 0 when none did. */
  readonly snapshotSeq: number;
  /** Replay starts at this WAL object. */
  readonly walStart: WalPosition;
  /** Epochs whose logs may hold what L0 does not, oldest first. */
  readonly walChain: readonly WalEpoch[];
  /** Oldest first, so that the last entry is the newest. */
  readonly l0: readonly L0Entry[];
  /** Newest first. */
  readonly runs: readonly SortedRun[];
  readonly checkpoints: readonly Checkpoint[];
  readonly externals: readonly ExternalDatabase[];
  readonly retired: readonly RetiredObjects[];
  /** The writer will never again name an object at or below this id that this manifest does not name. */
  readonly writerFloor: Ulid;
  /** The same for the compactor. */
  readonly compactorFloor: Ulid;
  readonly pinned: PinnedSettings;
  /** A read at this seq or a later one sees what it always saw: compactions have dropped versions that only older ones would see. */
  readonly compactedSeq: number;
  /**
   * The last manifest whose commit changed what reads at every seq see: a compaction filter, or a strategy that drops what is old. 0: none. A
   * view that is older cannot be carried on with a newer one.
   */
  readonly rewrittenNumber: number;
  /** Manifests below this number are deleted, but for those that checkpoints name. 0 and 1: none are. */
  readonly firstNumber: number;
  /** The writer epoch of the handle that holds the compactor's epoch; 0 where that is a process of its own. Manners, not safety. */
  readonly compactorWriterEpoch: number;
  /** Whoever held the compactor's epoch has closed: it is free. */
  readonly compactorLeft: boolean;
  /** Which seqs were there when: samples, oldest first, of which old ones are farther apart. At most `historySamplesMax`. */
  readonly history: readonly TimeSample[];
  /** The exports that made this database, oldest first, the last few of them. Empty elsewhere, and once a writer has opened it: it is no copy then. */
  readonly exports: readonly ExportOrigin[];
  /** When the last sweep of `maintain` began, ms since 1970 by the clock of its handle; 0: there was none. Thrift, not safety. */
  readonly sweptAt: number;
}

/** Required features. These numbers are stored: never change or reuse one. */
export const Feature = {
  /** Rows of kind merge, whose values are packed operands: there may be some once the manifest names a merge operator. */
  mergeRows: 1,
  /** An SST that some manifest names has range deletes. */
  rangeDeletes: 2,
  /** The manifest names objects of other databases, by `owner`. */
  externals: 3,
} as const;

export interface WalPosition {
  readonly epoch: number;
  readonly id: number;
}

export interface WalEpoch {
  readonly epoch: number;
  /** How many PUTs its writer may have had in flight: a closer places that many fences and one more. */
  readonly putsInFlight: number;
}

/** One SST, with all that is needed to read it without a request for its footer. */
export interface SstInfo {
  readonly id: Ulid;
  /** bytes of the object */
  readonly size: number;
  /** Where the filters and indexes begin; from here to the end is one ranged GET. */
  readonly metaOffset: number;
  /** Where the top-level index begins; from here to the end is all that a very large SST is opened with. */
  readonly topOffset: number;
  readonly firstKey: Bytes;
  readonly lastKey: Bytes;
  /** The lowest and highest seq of its rows and range deletes. */
  readonly minSeq: number;
  readonly maxSeq: number;
  /** How many rows of any kind; 0 where it has nothing but range deletes. */
  readonly rowCount: number;
  /** How many of them are deletes. */
  readonly deleteCount: number;
  /**
   * The latest expiry, ms since 1970; 0 when a put or merge never expires, and when there is none. Once it has passed, no read sees a row of
   * this SST: like one of nothing but deletes, it is only needed while something older lies beneath it.
   */
  readonly maxExpiresAt: number;
  /** Where the section of range deletes begins, which ends at `metaOffset`; 0 when there is none. */
  readonly rangeDeletesOffset: number;
  /** What the range deletes cover, in key order: no key outside of these spans is covered. Empty when there are none. */
  readonly rangeDeletes: readonly TombstoneSpan[];
  /** The seq of every row, where rows carry none: an SST of a load in a sorted run. 0 otherwise, and in L0, where the entry has it. */
  readonly seq: number;
  /** How many rows have a newer version of their key in this SST. A hint: what it says may be less. */
  readonly shadowedCount: number;
  /** How many puts and merges expire. A hint, as above. */
  readonly expiringCount: number;
  /** The database whose object it is, where that is another one (a clone's parent); in a run's own object, than the run's. */
  readonly owner: Ulid;
}

/**
 * A part of the keys in which range deletes of an SST lie, which may reach farther than they do where `minSeq` is 0. At most `tombstoneSpansMax` of
 * an SST, with few bytes of keys, so that a manifest stays small.
 */
export interface TombstoneSpan {
  readonly start: Bytes;
  /** The first key behind it, unless it is endless; then empty. */
  readonly end: Bytes;
  readonly endless: boolean;
  /** How many range deletes lie in it. Of a single one, all is said here. */
  readonly count: number;
  /**
   * Each key of the span is covered by a range delete of this seq or a higher one, so that it hides SSTs of lower seqs whole; 0 where not every
   * key of it is covered.
   */
  readonly minSeq: number;
  /** The highest seq of its range deletes. */
  readonly maxSeq: number;
}

export const tombstoneSpansMax = 16;

/** What a flush or a load adds to L0: SSTs in key order that do not overlap. A flush adds one. */
export interface L0Entry {
  readonly ssts: readonly SstInfo[];
  /** The seq of every row, where rows carry none (loads); 0 otherwise. */
  readonly seq: number;
}

export interface SortedRun {
  readonly id: Ulid;
  /** The SSTs, where the run is short; longer lists are in the run's own object. */
  readonly ssts: readonly SstInfo[];
  /** Bytes of the run's own object; 0 when the SSTs stand here. */
  readonly listBytes: number;
  readonly firstKey: Bytes;
  readonly lastKey: Bytes;
  readonly sstCount: number;
  readonly rowCount: number;
  readonly size: number;
  /** Leveled: 1 for the newest, and up. 0 where the strategy has no levels. */
  readonly level: number;
  /** Where the index of the run's own object begins; 0 when that is a single part. */
  readonly indexOffset: number;
  /** Where the list stands in the run's own object: what its range deletes cover, as of an SST; at most one span, with `minSeq` 0. */
  readonly rangeDeletes: readonly TombstoneSpan[];
  /** The database whose object the list is, where that is another one. */
  readonly owner: Ulid;
}

/**
 * Runs of more SSTs have their list in an object of their own, so that the manifest stays small: some twenty runs of so many SSTs are 16 KiB.
 */
export const runSstsInManifestMax = 12;

/** Where a part of a run's own object lies, and the keys from which on it says all. */
export interface RunPart {
  /** The least of the first keys of its SSTs and of the starts of their range deletes. */
  readonly start: Bytes;
  readonly offset: number;
  readonly length: number;
  readonly sstCount: number;
  readonly hasRangeDeletes: boolean;
}

export interface Checkpoint {
  readonly id: Ulid;
  readonly name: string;
  readonly manifestNumber: number;
  /** ms since 1970 */
  readonly createdAt: number;
  /** Milliseconds after the manifest numbered `refreshedNumber` was stored; 0: never. */
  readonly ttlMs: number;
  readonly refreshedNumber: number;
  /** Everything up to this seq is in it. 0 where an earlier version made it: then the last L0 seq of its manifest. */
  readonly seq: number;
  /** The checkpoint that it was added to, which stays for as long as it does; `noUlid`: none. */
  readonly base: Ulid;
  /** Policies leave it alone. */
  readonly retained: boolean;
  /** It has ended, and lingers only because it is the base of one that has not. */
  readonly isExpired: boolean;
  /** WAL objects that are in it beside what its manifest names, in log order. */
  readonly wal: readonly WalRange[];
  /** SSTs that load records in these objects name, and its manifest does not. */
  readonly loads: readonly Ulid[];
  readonly purpose: CheckpointPurpose;
  /** Who holds it: the path of a clone, the target of an export. */
  readonly holder: string;
  /** The database id of a clone that holds it. */
  readonly holderId: Ulid;
}

/** What a checkpoint is for. These numbers are stored: never change or reuse one. */
export const CheckpointPurpose = {
  user: 0,
  clone: 1,
  reader: 2,
  exporter: 3,
  /** The state that a restore replaced. */
  replaced: 4,
} as const;
export type CheckpointPurpose = (typeof CheckpointPurpose)[keyof typeof CheckpointPurpose];

/** The objects from `fromId` up to but without `toId` of a log. */
export interface WalRange {
  readonly epoch: number;
  readonly fromId: number;
  readonly toId: number;
}

export interface ExternalDatabase {
  readonly databaseId: Ulid;
  /** In the same store; empty: its objects lie at this database's own path. */
  readonly path: string;
  /** By which it is kept there. */
  readonly checkpointId: Ulid;
  /** Nothing names it any more, and nothing may again: its checkpoint is being dropped. */
  readonly isLeaving: boolean;
}

export interface TimeSample {
  /** The last seq of that manifest. */
  readonly seq: number;
  readonly manifestNumber: number;
  /** ms since 1970, as that manifest says. */
  readonly at: number;
}

export const historySamplesMax = 64;

export interface ExportOrigin {
  readonly checkpointId: Ulid;
  /** The manifest that the checkpoint pinned. */
  readonly manifestNumber: number;
  /** ms since 1970, when the export was finished. */
  readonly at: number;
}

/**
 * A list is an object that holds entries like these, where they are many. WAL remnants are WAL objects behind which others have been deleted: a
 * checkpoint still names them, or did until a moment ago, and no change feed reads them.
 */
export const RetiredKind = { sst: 1, run: 2, blob: 3, wal: 4, list: 5, walRemnant: 6 } as const;
export type RetiredKind = (typeof RetiredKind)[keyof typeof RetiredKind];

/** Objects that the manifest numbered `manifestNumber` stopped naming. */
export interface RetiredObjects {
  readonly kind: RetiredKind;
  readonly manifestNumber: number;
  /** For all kinds but WAL objects. */
  readonly ids: readonly Ulid[];
  /** For WAL objects: `epoch`, and ids from `fromId` up to but without `toId`. */
  readonly epoch: number;
  readonly fromId: number;
  readonly toId: number;
}

export const WalLocation = { store: 1, none: 2, other: 3 } as const;
export type WalLocation = (typeof WalLocation)[keyof typeof WalLocation];

/** Settings whose change would hide or corrupt data. A handle with others is refused. */
export interface PinnedSettings {
  readonly walLocation: WalLocation;
  /** Id and path of the other store, where the WAL is on one. */
  readonly walStoreId: string;
  readonly walPath: string;
  /** Names of merge operators; a row's operator id is its index here plus 1. */
  readonly mergeOperators: readonly string[];
  /** 0: not encrypted. */
  readonly encryption: number;
}
