/** Points in time on real servers: exports go from each server to the next one. */
import { afterAll, describe } from "vitest";
import type { S3ObjectStore } from "../../src/object-store/s3.js";
import { pointsSuite } from "../support/points-suite.js";
import { serversAndTransports } from "./servers.js";

const all = serversAndTransports();
all.forEach(([server, transport], i) => {
  // Each server stands there once for each transport, and the last one exports to the first.
  const [other] = all[(i + all.length / 2 + 1) % all.length]!;
  describe(`${server.name}, ${transport}`, () => {
    const stores: S3ObjectStore[] = [];
    afterAll(async () => {
      await Promise.all(stores.map((store) => store.close()));
    });
    const made = (store: S3ObjectStore): S3ObjectStore => {
      stores.push(store);
      return store;
    };
    pointsSuite({
      makeStore: () => made(server.newStore({ transport })),
      otherStore: () => made(other.newStore({ transport })),
    });
  });
});
