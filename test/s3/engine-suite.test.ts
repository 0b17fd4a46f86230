/** The engine on real servers. */
import { afterAll, describe } from "vitest";
import type { S3ObjectStore } from "../../src/object-store/s3.js";
import { engineSuite } from "../support/engine-suite.js";
import { testServers } from "./servers.js";

for (const server of testServers()) {
  describe(server.name, () => {
    const stores: S3ObjectStore[] = [];
    afterAll(async () => {
      await Promise.all(stores.map((store) => store.close()));
    });
    engineSuite({
      makeStore: () => {
        const store = server.newStore();
        stores.push(store);
        return store;
      },
    });
  });
}
