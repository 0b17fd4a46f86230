/** `PinnedStates`: what the newest manifest and its checkpoints name, with their manifests and the lists of their runs. */
import type { Clock } from "../common/clock.js";
import type { Ulid } from "../common/ids.js";
import { TimeSlice } from "../common/time-slice.js";
import { type Manifest, noUlid, type SortedRun, type SstInfo } from "../format/manifest.js";
import { decodeRunParts } from "../format/run-list.js";
import type { ManifestStore } from "../manifest/manifest-store.js";
import { ObjectPaths } from "../object-store/paths.js";
import { namedByCheckpoints, namedInside, type PinnedState } from "./collectible.js";

/** An object that a manifest needs is gone: newer manifests have come since, and do not need it, or it is damage. */
export class GoneObject extends Error {
  readonly object: string;

  constructor(object: string) {
    super(`"${object}" is gone.`);
    this.object = object;
  }
}

/** What a database names, of its own and of others. */
export interface NamedStates extends PinnedState {
  /** The other databases whose objects are among it. */
  readonly owners: ReadonlySet<Ulid>;
}

interface NamedState {
  readonly ssts: ReadonlySet<Ulid>;
  readonly runs: ReadonlySet<Ulid>;
  readonly owners: ReadonlySet<Ulid>;
  /** Runs whose SSTs are in an object of their own. */
  readonly long: readonly SortedRun[];
}

type NamedByRun = Pick<NamedState, "ssts" | "owners">;

const readsInFlight = 8;
/** What is kept for the next pass: ids of so many SSTs, some 10 MiB. */
const keptIdsMax = 100_000;

export class PinnedStates {
  readonly #manifests: ManifestStore;
  readonly #clock: Clock;
  /** Called with each SST that is read of: what is deleted later has a known size then. */
  readonly #onSst: (sst: SstInfo) => void;
  #byNumber = new Map<number, NamedState>();
  #byRun = new Map<Ulid, NamedByRun>();

  constructor(
    manifests: ManifestStore,
    clock: Clock,
    onSst: (sst: SstInfo) => void = () => undefined,
  ) {
    this.#manifests = manifests;
    this.#clock = clock;
    this.#onSst = onSst;
  }

  /**
   * One state for all that is named by the manifest and by its checkpoints, of all purposes, expired and lingering ones too. One GET for each checkpoint's manifest and for
   * each list of a run that the last call did not need. Throws `GoneObject`, or `CorruptionError`.
   */
  async of(manifest: Manifest, signal: AbortSignal | undefined): Promise<NamedStates> {
    const numbers = new Set(manifest.checkpoints.map(({ manifestNumber }) => manifestNumber));
    numbers.delete(manifest.number);
    const byNumber = new Map<number, NamedState>();
    await eachOf(numbers, async (number) => {
      const known = this.#byNumber.get(number);
      byNumber.set(number, known ?? namedBy(await this.#read(number, signal), this.#onSst));
    });
    const states = [namedBy(manifest, this.#onSst), ...byNumber.values()];
    const long = new Map(states.flatMap((state) => state.long.map((run) => [run.id, run])));
    const byRun = new Map<Ulid, NamedByRun>();
    await eachOf(long.values(), async (run) => {
      const known = this.#byRun.get(run.id);
      byRun.set(run.id, known ?? (await this.#readRun(manifest.databaseId, run, signal)));
    });
    let idCount = 0;
    for (const state of byNumber.values()) idCount += state.ssts.size;
    for (const { ssts } of byRun.values()) idCount += ssts.size;
    this.#byNumber = idCount > keptIdsMax ? new Map() : byNumber;
    this.#byRun = idCount > keptIdsMax ? new Map() : byRun;
    const beside = namedByCheckpoints(manifest);
    const all = [...states, ...byRun.values()];
    return {
      ssts: { has: (id) => beside.ssts.has(id) || all.some(({ ssts }) => ssts.has(id)) },
      runs: { has: (id) => states.some(({ runs }) => runs.has(id)) },
      wal: beside.wal,
      owners: new Set(all.flatMap(({ owners }) => [...owners])),
    };
  }

  async #read(number: number, signal: AbortSignal | undefined): Promise<Manifest> {
    const found = await this.#manifests.get(number, signal);
    if (found === undefined) throw new GoneObject(ObjectPaths.manifest(number));
    return found.manifest;
  }

  async #readRun(
    databaseId: Ulid,
    run: SortedRun,
    signal: AbortSignal | undefined,
  ): Promise<NamedByRun> {
    const path = ObjectPaths.run(run.id, run.owner);
    const object = await this.#manifests.store.get(path, { signal });
    if (object === undefined) throw new GoneObject(path);
    const ids = new Set<Ulid>();
    const owners = new Set<Ulid>();
    const slice = new TimeSlice(this.#clock);
    for (const ssts of decodeRunParts(object.bytes, path, databaseId, run)) {
      for (const sst of ssts) {
        ids.add(sst.id);
        if (sst.owner !== noUlid) owners.add(sst.owner);
        this.#onSst(sst);
      }
      if (slice.isOver) await slice.giveTurn();
    }
    return { ssts: ids, owners };
  }
}

function namedBy(manifest: Manifest, onSst: (sst: SstInfo) => void): NamedState {
  for (const { ssts } of [...manifest.l0, ...manifest.runs]) for (const sst of ssts) onSst(sst);
  const long = manifest.runs.filter((run) => run.listBytes > 0);
  return { ...namedInside(manifest), owners: ownersInside(manifest), long };
}

/** The other databases whose objects a manifest names, without the lists of its runs. */
export function ownersInside({ l0, runs }: Pick<Manifest, "l0" | "runs">): Set<Ulid> {
  const owners = new Set(runs.map(({ owner }) => owner));
  for (const { ssts } of [...l0, ...runs]) for (const { owner } of ssts) owners.add(owner);
  owners.delete(noUlid);
  return owners;
}

/** Does `work` for each, some at once; after a failure it begins no more. */
export async function eachOf<T>(
  items: Iterable<T>,
  work: (item: T) => Promise<void>,
  inFlight: number = readsInFlight,
): Promise<void> {
  const queue = [...items];
  let isFailed = false;
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined && !isFailed; item = queue.shift()) {
      try {
        await work(item);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(inFlight, queue.length) }, worker));
}
