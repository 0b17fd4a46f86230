/** What must hold of a database whatever collectors and sweeps do: what someone may ask for is there, and in the end nothing else is. */
import { expect } from "vitest";
import type { Ulid } from "../../../src/common/ids.js";
import {
  type Manifest,
  noUlid,
  RetiredKind,
  type SortedRun,
  type SstInfo,
} from "../../../src/format/manifest.js";
import { decodeRunList } from "../../../src/format/run-list.js";
import { lowerFloor } from "../../../src/manifest/gc-transitions.js";
import { ManifestStore } from "../../../src/manifest/manifest-store.js";
import { comparePositions, firstWalId } from "../../../src/manifest/transitions.js";
import type { ObjectStore } from "../../../src/object-store/object-store.js";
import {
  ObjectPaths,
  parseRetiredListPath,
  parseRunPath,
  parseSstPath,
  parseWalPath,
} from "../../../src/object-store/paths.js";
import { databaseId } from "../manifest/manifests.js";
import type { GcWorld } from "./world.js";

export async function sstsOf(store: ObjectStore, run: SortedRun): Promise<readonly SstInfo[]> {
  if (run.listBytes === 0) return run.ssts;
  const path = ObjectPaths.run(run.id);
  const object = await store.get(path);
  expect(object, `${path} is there`).toBeDefined();
  return decodeRunList(object!.bytes, path, databaseId, run);
}

export async function namedBy(
  store: ObjectStore,
  manifest: Manifest,
): Promise<{ ssts: Set<Ulid>; lists: Set<Ulid> }> {
  const ssts = new Set(manifest.l0.flatMap((entry) => entry.ssts.map(({ id }) => id)));
  const lists = new Set<Ulid>();
  for (const run of manifest.runs) {
    if (run.listBytes > 0) lists.add(run.id);
    for (const { id } of await sstsOf(store, run)) ssts.add(id);
  }
  return { ssts, lists };
}

/** Every object that someone may ask for is there. */
export async function expectReachable(world: GcWorld): Promise<void> {
  await world.refresh();
  const manifests = new ManifestStore(world.store);
  const { manifest } = world;
  const states = [manifest];
  for (const { id, base, wal, loads, manifestNumber, refreshedNumber } of manifest.checkpoints) {
    const isBaseThere = base === noUlid || manifest.checkpoints.some((one) => one.id === base);
    expect(isBaseThere, `checkpoint ${base}, the base of ${id}, is there`).toBe(true);
    for (const { epoch, fromId, toId } of wal) {
      for (let id = fromId; id < toId; id++) {
        await expectThere(world.store, ObjectPaths.wal(epoch, id), "which a checkpoint names");
      }
    }
    for (const load of loads) {
      await expectThere(world.store, ObjectPaths.sst(load), "a load that a checkpoint names");
    }
    const found = await manifests.get(manifestNumber);
    expect(found, `manifest ${manifestNumber} of a checkpoint is there`).toBeDefined();
    states.push(found!.manifest);
    await expectThere(
      world.store,
      ObjectPaths.manifest(refreshedNumber),
      "which a checkpoint's age needs",
    );
  }
  for (const state of states) {
    const { ssts, lists } = await namedBy(world.store, state);
    for (const id of ssts)
      await expectThere(world.store, ObjectPaths.sst(id), `of ${state.number}`);
    for (const id of lists)
      await expectThere(world.store, ObjectPaths.run(id), `of ${state.number}`);
  }
  for (const { kind, ids } of manifest.retired) {
    if (kind !== RetiredKind.list) continue;
    for (const id of ids)
      await expectThere(world.store, ObjectPaths.retiredList(id), "which is named");
  }
  for (const { epoch } of manifest.walChain) {
    const end = epoch === world.epoch ? world.walId : world.logEnds.get(epoch)!;
    for (let id = firstWalId(manifest, epoch); id < end; id++) {
      await expectThere(world.store, ObjectPaths.wal(epoch, id), "which replay needs");
    }
  }
  for (const path of world.fences) await expectThere(world.store, path, "a fence");
  for (const { sst } of world.loads) {
    await expectThere(world.store, ObjectPaths.sst(sst.id), "of a load under way");
  }
  for (const job of world.jobs) {
    // A restore may have taken its inputs; its outputs nobody has.
    const inputs = new Set(job.inputs.map(({ id }) => id));
    for (const { id } of job.outputs) {
      if (!inputs.has(id))
        await expectThere(world.store, ObjectPaths.sst(id), "of a job under way");
    }
    if (job.run.listBytes > 0)
      await expectThere(world.store, ObjectPaths.run(job.run.id), "of a job");
  }
}

async function expectThere(store: ObjectStore, path: string, why: string): Promise<void> {
  expect(await store.head(path), `${path}, ${why}`).toBeDefined();
}

/** Once nothing is under way: what no manifest names is above the floors, or a fence. */
export async function expectNoOrphans(world: GcWorld): Promise<void> {
  const manifests = new ManifestStore(world.store);
  const named = new Set<string>();
  const { manifest } = world;
  for (const { loads } of manifest.checkpoints) {
    for (const id of loads) named.add(ObjectPaths.sst(id));
  }
  const bases = new Set(manifest.checkpoints.map(({ base }) => base));
  for (const { id, isExpired } of manifest.checkpoints) {
    expect(isExpired && !bases.has(id), `checkpoint ${id} lingers for nothing`).toBe(false);
  }
  const numbers = manifest.checkpoints.map(({ manifestNumber }) => manifestNumber);
  for (const number of [...numbers, manifest.number]) {
    const state = (await manifests.get(number))!.manifest;
    const { ssts, lists } = await namedBy(world.store, state);
    for (const id of ssts) named.add(ObjectPaths.sst(id));
    for (const id of lists) named.add(ObjectPaths.run(id));
  }
  for (const { kind, ids } of manifest.retired) {
    for (const id of ids) {
      const isInList = kind === RetiredKind.list;
      named.add(isInList ? ObjectPaths.retiredList(id) : ObjectPaths.sst(id));
      named.add(ObjectPaths.run(id));
    }
  }
  const floor = lowerFloor(manifest);
  for (const path of await world.names()) {
    const id = parseSstPath(path) ?? parseRunPath(path) ?? parseRetiredListPath(path);
    if (id !== undefined && id <= floor) expect(named, path).toContain(path);
    const position = parseWalPath(path);
    if (position === undefined || world.fences.has(path)) continue;
    const { epoch: at, id: walId } = position;
    const ranges = manifest.checkpoints.flatMap(({ wal }) => wal);
    if (ranges.some(({ epoch, fromId, toId }) => epoch === at && fromId <= walId && walId < toId)) {
      continue;
    }
    expect(comparePositions(position, manifest.walStart), path).toBeGreaterThanOrEqual(0);
  }
}
