/**
 * The source of an export: a checkpoint of its own keeps the state for as long as it is copied, and expires soon after the exporter has died.
 */
import { CorruptionError, NotFoundError, StoreError } from "../common/errors.js";
import type { Ulid } from "../common/ids.js";
import {
  type Checkpoint,
  CheckpointPurpose,
  type Manifest,
  type SstInfo,
  type WalPosition,
} from "../format/manifest.js";
import { decodeRunList } from "../format/run-list.js";
import { durableContent } from "../manifest/checkpoint-content.js";
import { endCheckpoints } from "../manifest/checkpoint-expiry.js";
import { attachCheckpoint, refreshCheckpoint } from "../manifest/checkpoint-transitions.js";
import { firstWalId } from "../manifest/transitions.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { readWalObject } from "../wal/close-log.js";
import type { AdminContext } from "./context.js";
import type { ExportedState } from "./copy-plan.js";
import { missing } from "./copy-sst-parts.js";
import { mapInFlight } from "./in-flight.js";
import { readStoredLogs } from "./stored-logs.js";
import { walStoreOf } from "./wal-store-of.js";

/** How long the source is kept after the exporter's last sign. Refreshed three times as often. */
const pinTtlMs = 30 * 60_000;
const readsInFlight = 8;

export class SourcePin {
  readonly checkpoint: Checkpoint;
  readonly #context: AdminContext;
  readonly #ended = new AbortController();
  #refreshing: Promise<void> | undefined;

  constructor(context: AdminContext, checkpoint: Checkpoint) {
    this.#context = context;
    this.checkpoint = checkpoint;
  }

  /** Refreshes it until `release`. `onLost` is called once when it is gone: somebody has ended it. */
  start(onLost: (error: unknown) => void): void {
    const { options, stored } = this.#context;
    const { signal } = this.#ended;
    const refresh = async (): Promise<void> => {
      for (;;) {
        await options.clock.sleep(pinTtlMs / 3, signal);
        try {
          await stored.commit(refreshCheckpoint(this.checkpoint.id), { signal });
        } catch (error) {
          if (signal.aborted) return;
          const why = await this.#whyLost(error, signal);
          if (why !== undefined) {
            onLost(why);
            return;
          }
        }
      }
    };
    this.#refreshing = refresh().catch(() => undefined);
  }

  /** Where that fails, it expires. */
  async release(): Promise<void> {
    this.#ended.abort();
    await this.#refreshing;
    const { stored } = this.#context;
    await stored.commit(endCheckpoints([this.checkpoint.id])).catch(() => undefined);
  }

  /** What to tell of an object that is missing, or is another one: where nothing keeps the source any more, that. */
  async explain(error: unknown): Promise<unknown> {
    if (!(error instanceof CorruptionError || error instanceof StoreError)) return error;
    return (await this.#whyLost(error)) ?? error;
  }

  /** Undefined: it is there, as far as is known. */
  async #whyLost(error: unknown, signal?: AbortSignal): Promise<NotFoundError | undefined> {
    const { stored, name } = this.#context;
    const newest = await stored.refresh({ signal }).catch(() => stored.current);
    const cause = { cause: error };
    if (newest.destroyed) {
      return new NotFoundError(
        `The database at ${name} was destroyed while it was exported.`,
        cause,
      );
    }
    if (newest.checkpoints.some(({ id }) => id === this.checkpoint.id)) return undefined;
    return new NotFoundError(
      `What was exported of ${name} is kept no longer: its checkpoint was ended, or this process slept for more than ${pinTtlMs / 60_000} minutes. Export it again.`,
      cause,
    );
  }
}

/** Pins the checkpoint of that id or name; undefined: what is durable now. Throws `NotFoundError`. */
export async function pinSource(
  context: AdminContext,
  idOrName: string | undefined,
  holder: string,
  signal: AbortSignal | undefined,
): Promise<SourcePin> {
  const { stored, ids, options } = context;
  const logs = idOrName === undefined ? await readStoredLogs(context, signal) : undefined;
  const id = ids.next();
  const transition = attachCheckpoint({
    ...{ id, createdAt: Math.floor(options.clock.now()), ttlMs: pinTtlMs, source: idOrName },
    content: logs && ((manifest) => durableContent(manifest, logs)),
    ...{ purpose: CheckpointPurpose.exporter, holder },
  });
  try {
    const manifest = await stored.commit(transition, { signal });
    return new SourcePin(context, manifest.checkpoints.find((one) => one.id === id)!);
  } catch (error) {
    // It may be there all the same.
    await stored.commit(endCheckpoints([id])).catch(() => undefined);
    throw error;
  }
}

/** Reads what the checkpoint names: its manifest, the lists of its runs, and whether its logs are closed. Throws `CorruptionError`. */
export async function readState(
  context: AdminContext,
  checkpoint: Checkpoint,
  signal: AbortSignal | undefined,
): Promise<ExportedState> {
  const { manifests, stored } = context;
  const { manifestNumber } = checkpoint;
  const manifest =
    stored.current.number === manifestNumber
      ? stored.current
      : (await manifests.get(manifestNumber, signal))?.manifest;
  if (manifest === undefined) throw missing(ObjectPaths.manifest(manifestNumber));
  const lists = await readLists(context.store, manifest, signal);
  const fences = await readFences(context, checkpoint, manifest, signal);
  return { checkpoint, manifest, lists, fences };
}

/** The SSTs of runs whose list is an object of its own. */
export async function readLists(
  store: ObjectStore,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<Ulid, readonly SstInfo[]>> {
  const long = manifest.runs.filter(({ listBytes }) => listBytes > 0);
  const lists = await mapInFlight(long, readsInFlight, async (run) => {
    const path = ObjectPaths.run(run.id, run.owner);
    const found = await store.get(path, { signal });
    if (found === undefined) throw missing(path);
    return decodeRunList(found.bytes, path, manifest.databaseId, run);
  });
  return new Map(long.map(({ id }, i) => [id, lists[i]!]));
}

/** A log that is closed has its fence right behind what the checkpoint names of it. One GET for each log. */
async function readFences(
  context: AdminContext,
  { wal }: Checkpoint,
  manifest: Manifest,
  signal: AbortSignal | undefined,
): Promise<readonly WalPosition[]> {
  if (wal.length === 0) return [];
  const { databaseId } = manifest;
  const store = walStoreOf(context, manifest);
  const fences = await mapInFlight(manifest.walChain, readsInFlight, async ({ epoch }) => {
    const range = wal.find((one) => one.epoch === epoch);
    const id = range?.toId ?? firstWalId(manifest, epoch);
    const found = await readWalObject({ store, databaseId, epoch, signal }, id);
    return found?.fence === true ? [{ epoch, id }] : [];
  });
  return fences.flat();
}
