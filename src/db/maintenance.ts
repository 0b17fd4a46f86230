/**
 * `Maintenance`: what a writer's handle does beside writing: it compacts and collects after commits, or when it is asked to. What does the work is
 * loaded when there is some; until then, and while nothing is due, this makes no request and sets no timer.
 */
import type { Clock } from "../common/clock.js";
import { type MoraineError, messageOf, StoreError, UnsupportedError } from "../common/errors.js";
import type { KeyBounds } from "../common/key-range.js";
import type { Manifest } from "../format/manifest.js";
import { compactWith } from "./compact-with.js";
import type { CheckedCompaction } from "./compaction-option.js";
import type { MaintainOptions, MaintenanceReport } from "./maintain-options.js";
import { RetiredAges } from "./retired-ages.js";
import type { Settings } from "./settings.js";
import type { StartedMaintenance } from "./start-maintenance.js";
import type { CollectionStats, CompactionStats } from "./stats.js";

export interface MaintenanceOptions {
  readonly clock: Clock;
  readonly settings: Settings;
  readonly compaction: CheckedCompaction;
  /** The newest one that the handle knows. */
  readonly manifest: () => Manifest;
  readonly load: () => Promise<StartedMaintenance>;
  /** L0 may take more, or has to take less. */
  readonly onRoom: () => void;
}

/** Passes of a collector in the background are at least so far apart, in ms, unless the grace is shorter. */
const collectIntervalMs = 10 * 60_000;

export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #ages: RetiredAges;
  #loading: Promise<StartedMaintenance> | undefined;
  #started: StartedMaintenance | undefined;
  /** By the monotonic clock. */
  #collectedAt = Number.NEGATIVE_INFINITY;
  #isCollecting = false;
  /** Calls of `compact` that are under way: all of L0 is about to go. */
  #compacting = 0;
  #lastError: string | undefined;
  #hasEnded = false;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#ages = new RetiredAges(options.clock, options.settings.gcGraceMs);
    this.#ages.saw(options.manifest());
  }

  /** L0 has a limit only as long as something makes room: a job of L0 that has failed will not. */
  get mayExceedL0(): boolean {
    return this.#compacting > 0 || (this.#started?.isStuck ?? false);
  }

  /** After a commit: begins what is due, if the handle does so by itself. */
  consider(): void {
    if (this.#hasEnded) return;
    const manifest = this.#options.manifest();
    this.#ages.saw(manifest);
    if (!this.#options.compaction.background) return;
    if (this.#compactionMayBeDue(manifest))
      this.#begin(({ compaction }) => compaction?.role.poke());
    if (this.#collectionMayBeDue(manifest)) this.#begin(() => this.#collect());
  }

  /** Merges all that L0 and the runs hold of the range, once `flush` has brought to L0 what is in memory. */
  async compact(
    bounds: KeyBounds | undefined,
    signal: AbortSignal | undefined,
    flush: () => Promise<unknown>,
  ): Promise<void> {
    this.#requireCompaction();
    this.#compacting++;
    try {
      this.#options.onRoom();
      const [{ compaction }] = await Promise.all([this.#load(), flush()]);
      await compactWith(compaction!.role, bounds, signal);
    } finally {
      this.#compacting--;
    }
  }

  /** One bounded round of what is due. */
  async round(options: MaintainOptions): Promise<MaintenanceReport> {
    const started = await this.#load();
    const report = await started.round(options);
    this.#collectedAt = this.#options.clock.monotonic();
    return report;
  }

  get compactionStats(): CompactionStats {
    const { compaction } = this.#options;
    const known = this.#started?.compaction;
    const idle = compaction.strategy !== undefined ? "idle" : "off";
    const counts = known?.role.stats;
    return {
      mode: known?.mode ?? idle,
      jobsRunning: counts?.jobsRunning ?? 0,
      jobsDone: counts?.jobsDone ?? 0,
      jobsFailed: counts?.jobsFailed ?? 0,
      inputBytes: counts?.inputBytes ?? 0,
      outputBytes: counts?.outputBytes ?? 0,
      movedSsts: counts?.movedSsts ?? 0,
      failures: this.#started?.failures ?? [],
      lastError: this.#lastError,
    };
  }

  get collectionStats(): CollectionStats {
    return this.#started?.freed ?? { ssts: 0, runs: 0, lists: 0, wal: 0, manifests: 0, bytes: 0 };
  }

  /** Jobs stop and are given back; what is on its way is waited for. Never rejects. */
  async close(): Promise<void> {
    this.#hasEnded = true;
    await this.#loading?.then((started) => started.close()).catch(() => undefined);
  }

  /** The handle has ended: everything stops at once. */
  end(error: MoraineError): void {
    this.#hasEnded = true;
    void this.#loading?.then((started) => started.end(error)).catch(() => undefined);
  }

  #requireCompaction(): void {
    if (this.#options.compaction.strategy !== undefined) return;
    throw new UnsupportedError(
      'This handle was opened with compaction: false. Open it without that, or run "moraine compact".',
    );
  }

  /** Without a request. Once it is loaded, the role itself knows better. */
  #compactionMayBeDue(manifest: Manifest): boolean {
    const { strategy } = this.#options.compaction;
    if (strategy === undefined) return false;
    if (this.#started !== undefined || strategy.strategy === "fifo") return true;
    return manifest.l0.length >= this.#options.settings.compactionL0Trigger;
  }

  #collectionMayBeDue(manifest: Manifest): boolean {
    const { clock, settings } = this.#options;
    const intervalMs = Math.min(collectIntervalMs, settings.gcGraceMs);
    if (this.#isCollecting || clock.monotonic() - this.#collectedAt < intervalMs) return false;
    return this.#ages.mayHaveOld(manifest);
  }

  async #collect(): Promise<void> {
    if (this.#isCollecting || this.#hasEnded) return;
    this.#isCollecting = true;
    this.#collectedAt = this.#options.clock.monotonic();
    try {
      await this.#started?.collect();
    } finally {
      this.#isCollecting = false;
    }
  }

  #begin(work: (started: StartedMaintenance) => Promise<void> | void): void {
    this.#load()
      .then(async (started) => {
        if (!this.#hasEnded) await work(started);
      })
      .catch((error: unknown) => this.failed(error));
  }

  /** In the background nobody waits for it: the statistics tell. */
  failed(error: unknown): void {
    if (this.#hasEnded) return;
    const object = error instanceof StoreError ? ` (${error.object ?? "no object"})` : "";
    this.#lastError = `${messageOf(error)}${object}`;
    this.#options.onRoom();
  }

  #load(): Promise<StartedMaintenance> {
    this.#loading ??= this.#options
      .load()
      .then((started) => {
        this.#started = started;
        return started;
      })
      .catch((error: unknown) => {
        this.#loading = undefined;
        throw error;
      });
    return this.#loading;
  }
}
