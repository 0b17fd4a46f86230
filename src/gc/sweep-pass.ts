/** `SweepPass`: one sweep: prefix after prefix is listed, what may be an orphan is read, and what is one is deleted. */
import type { Ulid } from "../common/ids.js";
import type { ListedObject, ObjectStore } from "../object-store/object-store.js";
import { ObjectPaths, parseCompactionsPath } from "../object-store/paths.js";
import type { BudgetLeft } from "./deletions.js";
import type { OrphanKind, Orphans } from "./orphans.js";
import { fenceBytes, ownershipOf, walContentOf } from "./ownership.js";
import { eachOf } from "./pinned-states.js";
import type { StoreAges } from "./store-ages.js";
import { nothingSwept, type SweptKind, type SweptObjects } from "./sweep-result.js";

export interface SweepPassOptions {
  readonly store: ObjectStore;
  readonly walStores: readonly ObjectStore[];
  readonly databaseId: Ulid;
  readonly copied: ReadonlySet<Ulid>;
  readonly orphans: Orphans;
  readonly ages: StoreAges;
  readonly dryRun: boolean;
  readonly budget: BudgetLeft;
  readonly signal: AbortSignal | undefined;
}

interface Candidate {
  readonly object: ListedObject;
  readonly kind: SweptKind;
}

const batchKeysMax = 1000;
const foreignMax = 100;
const dayMs = 24 * 3_600_000;
const probeName = /^probe\/[0-9a-f]{32}\.probe$/;
const kinds = {
  ...{ sst: "ssts", run: "runs", list: "lists", wal: "wal", manifest: "manifests" },
} as const satisfies Record<OrphanKind, SweptKind>;

export class SweepPass {
  readonly #options: SweepPassOptions;
  #deleted: SweptObjects = nothingSwept;
  readonly foreign: string[] = [];
  foreignCount = 0;

  constructor(options: SweepPassOptions) {
    this.#options = options;
  }

  /** What the store has confirmed; in a dry run what would be deleted. */
  get deleted(): SweptObjects {
    return this.#deleted;
  }

  /** False when the budget ended it. */
  async run(): Promise<boolean> {
    const { store, walStores, orphans } = this.#options;
    for (const prefix of orphans.prefixes) {
      const isDone = await this.#sweep(store, prefix, ({ key }) => {
        const kind = orphans.kindOf(key);
        return kind && kinds[kind];
      });
      if (!isDone) return false;
    }
    for (const walStore of walStores) {
      const isDone = await this.#sweep(walStore, ObjectPaths.walsPrefix, ({ key, size }) =>
        orphans.mayBeWalLeftover(key) && size > fenceBytes ? "wal" : undefined,
      );
      if (!isDone) return false;
    }
    return (await this.#sweepCompactions()) && (await this.#sweepProbes());
  }

  async #sweep(
    store: ObjectStore,
    prefix: string,
    kindOf: (object: ListedObject) => SweptKind | undefined,
  ): Promise<boolean> {
    const { budget, signal } = this.#options;
    if (!budget.allows(1)) return false;
    let batch: Candidate[] = [];
    for await (const object of store.list({ prefix, signal })) {
      const kind = kindOf(object);
      if (kind !== undefined) batch.push({ object, kind });
      if (batch.length < batchKeysMax) continue;
      if (!(await this.#delete(store, batch))) return false;
      batch = [];
    }
    return this.#delete(store, batch);
  }

  /** States of compactions but for the newest, which is the truth, and those of a day: a number is never used again while that is young. */
  async #sweepCompactions(): Promise<boolean> {
    const { store, budget, signal, ages } = this.#options;
    if (!budget.allows(1)) return false;
    const states: { number: number; object: ListedObject }[] = [];
    for await (const object of store.list({ prefix: ObjectPaths.compactionsPrefix, signal })) {
      const number = parseCompactionsPath(object.key);
      if (number !== undefined) states.push({ number, object });
    }
    states.sort((a, b) => a.number - b.number);
    states.pop();
    if (states.length === 0) return true;
    const now = await ages.now();
    // Never one above one that is kept for its age.
    const firstYoung = states.findIndex(({ object }) => now - object.lastModified < dayMs);
    const old = firstYoung < 0 ? states : states.slice(0, firstYoung);
    return this.#deleteAll(old.map(({ object }) => ({ object, kind: "compactions" as const })));
  }

  /** What probes left behind whose process died. */
  async #sweepProbes(): Promise<boolean> {
    const { store, budget, signal, ages } = this.#options;
    if (!budget.allows(1)) return false;
    const probes: ListedObject[] = [];
    for await (const object of store.list({ prefix: ObjectPaths.probePrefix, signal })) {
      if (probeName.test(object.key)) probes.push(object);
    }
    if (probes.length === 0) return true;
    const now = await ages.now();
    const old = probes.filter(({ lastModified }) => now - lastModified >= dayMs);
    return this.#deleteAll(old.map((object) => ({ object, kind: "probes" as const })));
  }

  async #deleteAll(candidates: readonly Candidate[]): Promise<boolean> {
    for (let i = 0; i < candidates.length; i += batchKeysMax) {
      const batch = candidates.slice(i, i + batchKeysMax);
      if (!(await this.#delete(this.#options.store, batch))) return false;
    }
    return true;
  }

  async #delete(store: ObjectStore, batch: readonly Candidate[]): Promise<boolean> {
    if (batch.length === 0) return true;
    const { budget, dryRun, signal } = this.#options;
    const own: Candidate[] = [];
    let isCutShort = false;
    const look = async (candidate: Candidate): Promise<void> => {
      // One more is kept for the deletion of what is found.
      if (!budget.allows(2)) isCutShort = true;
      else if (await this.#isOwn(store, candidate)) own.push(candidate);
    };
    // WAL objects are read whole, and one may have 32 MiB.
    await eachOf(batch, look, batch[0]?.kind === "wal" ? 1 : undefined);
    if (own.length > 0 && !dryRun) {
      await store.delete(
        own.map(({ object }) => object.key),
        { signal },
      );
    }
    for (const { kind, object } of own) {
      const { [kind]: count, bytes } = this.#deleted;
      this.#deleted = { ...this.#deleted, [kind]: count + 1, bytes: bytes + object.size };
    }
    return !isCutShort;
  }

  async #isOwn(store: ObjectStore, { object, kind }: Candidate): Promise<boolean> {
    if (kind === "probes") return true;
    const found =
      kind === "wal"
        ? await walContentOf(store, object.key, this.#options)
        : await ownershipOf(store, object.key, this.#options);
    if (found === "foreign") {
      this.foreignCount++;
      if (this.foreign.length < foreignMax) this.foreign.push(object.key);
    }
    return found === "own" || found === "record";
  }
}
