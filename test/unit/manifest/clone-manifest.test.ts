/** The first manifest of a clone, as a pure function of what it is made from. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Feature, type Manifest } from "../../../src/format/manifest.js";
import { cloneManifest } from "../../../src/manifest/clone-manifest.js";
import { ownedBy, ownersOf } from "../../../src/manifest/clone-owners.js";
import { manifests } from "../format/manifest-arbitrary.js";
import { ulid } from "./manifests.js";

const cloneOf = (parent: Manifest, id: string): Manifest => {
  const { owners } = ownersOf(ownedBy(parent.databaseId, parent));
  const externals = [...owners, parent.databaseId].map((databaseId, i) => ({
    ...{ databaseId, path: "p", checkpointId: ulid(i), isLeaving: false },
  }));
  const part = {
    ...ownedBy(parent.databaseId, parent),
    state: parent,
    seq: parent.lastL0Seq,
    externals,
  };
  return cloneManifest(id, [part], () => ulid(999)).manifest;
};

test("every object that a clone names, or a clone of it, has an owner whose place it knows", () => {
  void fc.assert(
    fc.property(manifests, (parent) => {
      const clone = cloneOf(parent, ulid(1));
      for (const manifest of [clone, cloneOf(clone, ulid(2))]) {
        const kept = manifest.externals.filter(({ isLeaving }) => !isLeaving);
        const known = new Set(kept.map(({ databaseId }) => databaseId));
        for (const { ssts } of [...manifest.l0, ...manifest.runs]) {
          for (const { owner } of ssts) expect(known).toContain(owner);
        }
        for (const { owner, listBytes } of manifest.runs) {
          if (listBytes > 0) expect(known).toContain(owner);
        }
        expect(manifest.requiredFeatures).toContain(Feature.externals);
        expect(manifest).toMatchObject({
          writerEpoch: 0,
          walChain: [],
          checkpoints: [],
          retired: [],
        });
      }
    }),
    { numRuns: 100 },
  );
});
