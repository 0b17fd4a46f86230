/** What an administrator does to a `GcWorld`: checkpoints and restores, and what no role would do at all. */

import type { Ulid } from "../../../src/common/ids.js";
import {
  type Checkpoint,
  noUlid,
  RetiredKind,
  type RetiredObjects,
} from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { durableContent } from "../../../src/manifest/checkpoint-content.js";
import { endCheckpoints, liveCheckpoints } from "../../../src/manifest/checkpoint-expiry.js";
import { addCheckpoint } from "../../../src/manifest/checkpoint-transitions.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { isListable } from "../../../src/manifest/move-long-retired.js";
import { plainCheckpoint } from "../../../src/manifest/plain-checkpoint.js";
import { ObjectPaths } from "../../../src/object-store/paths.js";
import { namedBy } from "./reachable.js";
import type { GcWorld } from "./world.js";

/** As if no compactor had ever committed. */
export async function forgetCompactorFloor(world: GcWorld): Promise<void> {
  const { number } = world.manifest;
  const next = { ...world.manifest, number: number + 1, compactorFloor: "" };
  await world.store.put(ObjectPaths.manifest(number + 1), encodeManifest(next));
}

/** As if a compaction of so many SSTs had been committed. */
export async function retireMany(world: GcWorld, count: number): Promise<void> {
  const ids = Array.from({ length: count }, () => world.compactorIds.next());
  for (const id of ids) await world.store.put(ObjectPaths.sst(id), new Uint8Array(1));
  await world.commit((manifest) => {
    const numbers = { manifestNumber: manifest.number + 1, epoch: 0, fromId: 0, toId: 0 };
    const entry = { kind: RetiredKind.sst, ids, ...numbers };
    return { ...manifest, retired: [...manifest.retired, entry] };
  });
}

export async function checkpoint(world: GcWorld, ttlMs: number): Promise<void> {
  const id = world.writerIds.next();
  await world.commit((manifest) => {
    const manifestNumber = manifest.number + 1;
    const times = { createdAt: 0, ttlMs, refreshedNumber: manifestNumber, ...plainCheckpoint };
    return addCheckpoint({ id, name: "", manifestNumber, ...times })(manifest);
  });
}

/** Of all that is in the logs, and of loads whose records are there. */
export async function durableCheckpoint(world: GcWorld, ttlMs: number): Promise<void> {
  const id = world.writerIds.next();
  const ends = new Map(world.logEnds).set(world.epoch, world.walId);
  const recorded = world.loads.filter(({ isRecorded }) => isRecorded);
  const live = liveCheckpoints(world.manifest);
  const base = world.pick(2) === 0 ? undefined : live[world.pick(live.length)];
  await world.commit((manifest) => {
    const lastSeq = manifest.lastL0Seq + 1;
    const loads = recorded.map(({ sst }) => ({ ssts: [sst], seq: lastSeq }));
    const content = durableContent(manifest, { ends, lastSeq, loads });
    const manifestNumber = manifest.number + 1;
    const times = { createdAt: 0, ttlMs, refreshedNumber: manifestNumber };
    const isThere = liveCheckpoints(manifest).some((one) => one.id === base?.id);
    const added = { ...plainCheckpoint, ...content, base: isThere ? base!.id : noUlid };
    return addCheckpoint({ ...added, ...times, id, name: "", manifestNumber })(manifest);
  });
}

/** As an administrator does. */
export async function endCheckpoint(world: GcWorld): Promise<void> {
  const { checkpoints } = world.manifest;
  const id = checkpoints[world.pick(checkpoints.length)]?.id;
  if (id !== undefined) await world.commit(endCheckpoints([id]));
}

export async function changeCheckpoint(
  world: GcWorld,
  change: (checkpoint: Checkpoint, next: number) => Checkpoint | undefined,
): Promise<void> {
  const at = world.pick(world.manifest.checkpoints.length);
  const id = world.manifest.checkpoints[at]?.id;
  await world.commit((manifest) => {
    if (!manifest.checkpoints.some((one) => one.id === id)) return manifest;
    const checkpoints = manifest.checkpoints.flatMap((one) => {
      const changed = one.id === id ? change(one, manifest.number + 1) : one;
      return changed === undefined ? [] : [changed];
    });
    return { ...manifest, checkpoints };
  });
}

/** L0 and runs of a listed checkpoint, in the place of what is there. */
export async function restore(world: GcWorld): Promise<void> {
  const checkpoints = liveCheckpoints(world.manifest);
  const checkpoint = checkpoints[world.pick(checkpoints.length)];
  if (checkpoint === undefined) return;
  const manifests = new ManifestStore(world.store);
  const old = (await manifests.get(checkpoint.manifestNumber))!.manifest;
  const back = await namedBy(world.store, old);
  const gone = await namedBy(world.store, world.manifest);
  await world.commit((manifest) => {
    if (!liveCheckpoints(manifest).some(({ id }) => id === checkpoint.id)) return manifest;
    const retire = (kind: RetiredKind, ids: readonly Ulid[]): RetiredObjects[] =>
      ids.length === 0
        ? []
        : [{ kind, manifestNumber: manifest.number + 1, ids, epoch: 0, fromId: 0, toId: 0 }];
    const isBack = (id: Ulid): boolean => back.ssts.has(id) || back.lists.has(id);
    const left = manifest.retired.map((entry) =>
      isListable(entry) ? { ...entry, ids: entry.ids.filter((id) => !isBack(id)) } : entry,
    );
    const retired = [
      ...left.filter((entry) => !isListable(entry) || entry.ids.length > 0),
      ...retire(
        RetiredKind.sst,
        [...gone.ssts].filter((id) => !isBack(id)),
      ),
      ...retire(
        RetiredKind.run,
        [...gone.lists].filter((id) => !isBack(id)),
      ),
    ];
    return { ...manifest, l0: old.l0, runs: old.runs, retired };
  });
}
