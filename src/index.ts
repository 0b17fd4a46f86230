/** The public names of `moraine`. Nothing here loads a cloud SDK. */
export type { Bytes, KeyLike, ValueLike } from "./common/bytes.js";
export type { Clock, Timer } from "./common/clock.js";
export {
  ClosedError,
  type ConflictRange,
  CorruptionError,
  type ErrorKind,
  ExistsError,
  FencedError,
  InternalError,
  InvalidArgumentError,
  isMoraineError,
  MergeError,
  MoraineError,
  NotFoundError,
  SnapshotGoneError,
  StoreError,
  type StoreErrorReason,
  TransactionConflictError,
  TruncatedError,
  UnknownOutcomeError,
  UnsupportedError,
  UnsupportedStoreError,
} from "./common/errors.js";
export type { KeyRange } from "./common/key-range.js";
export type { Random } from "./common/random.js";
export type { Entry } from "./common/row.js";
export {
  type CompactionFilter,
  CompactionFilterError,
  type FilterDecision,
} from "./compaction/compaction-filter.js";
export type { DiskCacheOption } from "./db/caches.js";
export type {
  CloseOptions,
  CompactOptions,
  DeleteOptions,
  FlushOptions,
  LoadOptions,
  WriteOptions,
} from "./db/call-options.js";
export type {
  Change,
  ChangeOperation,
  DeleteChange,
  DeleteRangeChange,
  LoadChange,
  MergeChange,
  PutChange,
} from "./db/change.js";
export type { ChangeFeed } from "./db/change-feed.js";
export type { ChangesOptions } from "./db/change-feeds.js";
export type { CheckpointOptions, NewCheckpointOptions } from "./db/checkpoint-options.js";
export type {
  CompactionOption,
  CompactionOptions,
  StrategyName,
  StrategyOption,
} from "./db/compaction-option.js";
export type { CompressionChoice, CompressionOption } from "./db/compression-option.js";
export { Db } from "./db/db.js";
export { DbReader } from "./db/db-reader.js";
export type { LifetimeOptions } from "./db/lifetime.js";
export type { LoadEntries, LoadEntry, LoadProgress, LoadResult } from "./db/load.js";
export type { Location } from "./db/location.js";
export type { BudgetOptions, MaintainOptions, MaintenanceReport } from "./db/maintain-options.js";
export type { OpenOptions } from "./db/open-options.js";
export type { RangeToDelete } from "./db/range-to-delete.js";
export type { ReadOptions, ScanOptions } from "./db/read-options.js";
export type { ReaderOptions } from "./db/reader-options.js";
export type { BeginOptions, TransactionOptions } from "./db/run-transaction.js";
export {
  type ReaderSettingsOptions,
  type SettingName,
  type Settings,
  type SettingsOptions,
  settingsTable,
} from "./db/settings.js";
export type { Snapshot } from "./db/snapshot.js";
export type { SnapshotOption } from "./db/snapshot-option.js";
export type {
  CollectionStats,
  CompactionStats,
  DbStats,
  ReaderStats,
  SpaceStats,
} from "./db/stats.js";
export type { CommitOptions, Isolation, Transaction } from "./db/transaction.js";
export type { WalOption } from "./db/wal-place.js";
export type { WarmOptions } from "./db/warm.js";
export type { CompactionFailure } from "./db/watched-runner.js";
export type {
  DeleteOperation,
  DeleteRangeOperation,
  MergeOperation,
  MergeOptions,
  PutOperation,
  WriteBatch,
  WriteOperation,
} from "./db/write-batch.js";
export type { WriteResult } from "./db/write-pipeline.js";
export type { FilterName } from "./format/filter-name.js";
export { delimitedPrefix, fixedPrefix, type PrefixExtractor } from "./format/prefix-extractor.js";
export type { CheckpointInfo } from "./manifest/checkpoint-info.js";
export type { CheckpointRetention, KeepByAge } from "./manifest/checkpoint-retention.js";
export { bytesAppend, bytesMax, bytesMin } from "./merge/byte-strings.js";
export { jsonMergePatch } from "./merge/json-merge-patch.js";
export type { MergeOperator } from "./merge/merge-operator.js";
export { decodeSet, encodeSet, setUnion } from "./merge/set-union.js";
export {
  decodeUint64,
  encodeUint64,
  uint64Add,
  uint64Max,
  uint64Min,
} from "./merge/uint64.js";
export type { DiskCacheStats } from "./object-store/disk-cache.js";
export { FileObjectStore } from "./object-store/file.js";
export { MemoryObjectStore } from "./object-store/memory.js";
export type {
  ByteRange,
  CopyOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
} from "./object-store/object-store.js";
export type { Scan } from "./read/scan-cursor.js";
export type { WarmResult } from "./read/warm.js";
export { BlockCache, type BlockCacheStats, type CacheKindStats } from "./sst/block-cache.js";
