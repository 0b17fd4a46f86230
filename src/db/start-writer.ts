/** Starting a writer: puts the parts of a `Writer` together around a database that has been claimed. */
import { withSignal } from "../common/abort.js";
import { lazy } from "../common/lazy.js";
import { seqMax } from "../common/row.js";
import { Flusher } from "../flush/flusher.js";
import { WalLocation } from "../format/manifest.js";
import { ManifestStore } from "../manifest/manifest-store.js";
import { MemTable } from "../memtable/mem-table.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { L0Log } from "../wal/l0-log.js";
import { WriteAheadLog } from "../wal/write-ahead-log.js";
import type { WriteLog } from "../wal/write-log.js";
import { Caches } from "./caches.js";
import { ChangeFeeds } from "./change-feeds.js";
import type { Claim } from "./claim.js";
import { DbState } from "./db-state.js";
import { HintWriter } from "./hint-writer.js";
import { L0Limit } from "./l0-limit.js";
import { Maintenance } from "./maintenance.js";
import type { CheckedOpenOptions } from "./open-options.js";
import { Snapshots } from "./snapshots.js";
import { Transactions } from "./transactions.js";
import type { WrappedStore } from "./wrap-store.js";
import { WritePipeline } from "./write-pipeline.js";
import { Writer } from "./writer.js";

const maintenanceStarter = lazy(() => import("./start-maintenance.js"));

export interface StartOptions {
  readonly claim: Claim;
  readonly wrapped: WrappedStore;
  /** Where the log is: the same store, or the WAL's own. */
  readonly walStore: ObjectStore;
  readonly options: CheckedOpenOptions;
  readonly closeStore: () => void;
  /** What the location is called in messages. */
  readonly place: string;
}

export async function startWriter(start: StartOptions): Promise<Writer> {
  const { claim, wrapped, walStore, options, closeStore, place } = start;
  const { settings, clock, random, signal, filter, prefixExtractor } = options;
  const abort = new AbortController();
  const { store } = wrapped;
  const { stored, epoch, replayed, lastSeq, index, logEnds, ids } = claim;
  const { databaseId } = stored.current;
  const { queue, active } = replayed;
  const frozen = queue.filter((queued) => queued instanceof MemTable);
  const loads = queue.flatMap((queued) => (queued instanceof MemTable ? [] : queued));
  const state = new DbState(stored.current, active, frozen.toReversed(), loads);
  const hint = new HintWriter(stored, clock);
  hint.committed();
  const hasWal = stored.current.pinned.walLocation !== WalLocation.none;
  const openLog = (): WriteLog => (hasWal ? openWal() : openL0Log());
  const openL0Log = (): WriteLog =>
    new L0Log({
      ...{ epoch, clock, index },
      // What was found is durable, and seqs above it that were given and lost will never be in L0.
      lastL0Seq: () => Math.max(lastSeq, state.view.manifest.lastL0Seq),
      sentSeq: () => flusher.sentSeq,
      flush: (seq) => {
        pipeline.freeze();
        return flusher.whenFlushed(seq);
      },
      onFailed: (error) => writer.fail(error),
    });
  const openWal = (): WriteLog =>
    new WriteAheadLog({
      ...{ store: walStore, databaseId, epoch, clock, random, index },
      putsInFlight: settings.walPutsInFlight,
      putsPerSecond: settings.walPutsPerSecond,
      putsBurst: settings.walPutsBurst,
      flushIntervalMs: settings.flushIntervalMs,
      durableSeq: lastSeq,
      signal: abort.signal,
      proveEpoch: () => stored.refresh({ epoch, signal: abort.signal }),
      onStored: (position, bytes) => feeds.tail.add(position, bytes, true),
      onDurable: () => {
        flusher.poke();
        pipeline.limitLog();
        pipeline.wake();
        feeds.wake();
      },
      onFailed: (error) => writer.fail(error),
    });
  const { blockBytes, filterBitsPerKey, unfilteredSstBytesMax } = settings;
  const filters = { filter, filterBitsPerKey, unfilteredSstBytesMax, prefixExtractor };
  const compression = options.compression.l0;
  const sst = { databaseId, blockBytes, compression, ...filters };
  const wal = openLog();
  const flusher: Flusher = new Flusher({
    ...{ store, clock, ids, epoch, logEnds },
    storedManifest: stored,
    uploadsInFlight: settings.uploadsInFlight,
    sst,
    combine: (row) => writer.mergeOperators.combine(row),
    // Without a WAL, L0 is where rows become durable: there is nothing to wait for.
    durableSeq: () => (hasWal ? wal.durableSeq : seqMax),
    lastSeq: () => pipeline.lastSeq,
    snapshotSeq: () => snapshots.neededSeq ?? 0,
    walPositionAfter: (seq) => wal.positionAfter(seq),
    mayDispatch: (pending) => l0Limit.mayDispatch(pending),
    onUploaded: () => pipeline.wake(),
    onRetired: (retired, manifest) => {
      transactions.retire(retired, manifest.lastL0Seq);
      state.retire(retired, manifest);
      // The compactor of this process may have committed since, on top of it.
      state.adopt(stored.current);
      index.forget(manifest.lastL0Seq);
      hint.committed();
      pipeline.wake();
      maintenance.consider();
    },
    onFailed: (error) => writer.fail(error),
  });
  const l0Limit = new L0Limit({
    ...{ state, clock, max: settings.l0HardMax, signal: abort.signal },
    isLifted: () => maintenance.mayExceedL0,
    refresh: () => stored.refresh({ epoch, signal: abort.signal }),
    // No commit brings anything to L0 any more, so this is the only call.
    onHeld: () => maintenance.consider(),
    onNews: () => flusher.poke(),
    onFailed: (error) => writer.fail(error),
  });
  const pipeline: WritePipeline = new WritePipeline({
    ...{ state, wal, flusher, clock, settings, lastSeq },
    defaultTtlMs: options.defaultTtlMs,
    walObjectCount: () => index.addedCount,
  });
  const hasRoom = (): void => {
    flusher.poke();
    pipeline.wake();
  };
  const caches = new Caches(store, databaseId, options);
  const maintenance = new Maintenance({
    ...{ clock, settings, compaction: options.compaction },
    manifest: () => state.view.manifest,
    onRoom: hasRoom,
    load: async () => {
      const { startMaintenance } = await maintenanceStarter();
      const { strategy, functions, filter: compactionFilter } = options.compaction;
      const { gcGraceMs, manifestRetentionMs: retentionMs } = settings;
      return startMaintenance({
        ...{ clock, random, store, walStore, at: wrapped.at, gcGraceMs, retentionMs, place },
        storedManifest: stored,
        compaction: strategy && {
          ...{ store, clock, random, settings, storedManifest: stored, strategy, functions },
          ...{ filter, prefixExtractor, compactionFilter, mergeOperators: options.mergeOperators },
          ...{ compression: options.compression.runs, lists: caches.tables.runLists },
          ...{
            claims: "lazily",
            writerEpoch: epoch,
            remoteJobsMax: 0,
            name: `writer of epoch ${epoch}`,
          },
          mayRewrite: () => snapshots.neededSeq === undefined,
          onCommitted: (manifest) => {
            state.adopt(manifest);
            hint.committed();
            hasRoom();
            maintenance.consider();
          },
        },
        onFailed: (error) => maintenance.failed(error),
        onCollected: () => {
          state.adopt(stored.current);
          hint.committed();
        },
      });
    },
  });
  const snapshots = new Snapshots();
  const transactions: Transactions = new Transactions({
    ...{ state, pipeline, snapshots, clock, random },
    conflictWindowBytes: settings.conflictWindowBytes,
    defaultTtlMs: options.defaultTtlMs,
    readView: () => writer.readView(),
    emptyWrite: () => writer.emptyWrite(),
  });
  const feeds: ChangeFeeds = new ChangeFeeds({
    ...{ store: walStore, manifests: new ManifestStore(store) },
    // What L0 holds the index has forgotten.
    positionAfter: (seq) =>
      seq < state.view.manifest.lastL0Seq ? undefined : wal.positionAfter(seq),
    end: () => wal.positionAfter(wal.durableSeq),
    readView: () => writer.readView(),
    seqMax: () => pipeline.lastSeq,
    closed: () => writer.closed,
  });
  const writer: Writer = new Writer({
    ...{
      claim,
      clock,
      settings,
      wrapped,
      defaultTtlMs: options.defaultTtlMs,
      checkpointRetention: options.checkpointRetention,
      sst,
      state,
      wal,
      flusher,
      pipeline,
      feeds,
      hint,
      l0Limit,
      maintenance,
      abort,
    },
    mergeOperators: options.mergeOperators,
    ...{ caches, snapshots, transactions },
    closeStore,
  });
  flusher.enqueueReplayed(queue);
  // A full one that no write freezes would hold the memory that all writes wait for.
  if (!hasWal || active.bytes >= settings.memTableBytes) pipeline.freeze();
  if (!hasWal) {
    // What was left in logs by a handle that had some: from now on nobody would replay it.
    try {
      await withSignal(flusher.whenFlushed(lastSeq), signal);
    } catch (error) {
      await writer.close(false).catch(() => undefined);
      throw error;
    }
  }
  l0Limit.impose();
  return writer;
}
