/** Compaction and collection on real servers. */
import { afterAll, describe } from "vitest";
import type { S3ObjectStore } from "../../src/object-store/s3.js";
import { maintenanceSuite } from "../support/maintenance-suite.js";
import { serversAndTransports } from "./servers.js";

for (const [server, transport] of serversAndTransports()) {
  describe(`${server.name}, ${transport}`, () => {
    const stores: S3ObjectStore[] = [];
    afterAll(async () => {
      await Promise.all(stores.map((store) => store.close()));
    });
    maintenanceSuite({
      makeStore: () => {
        const store = server.newStore({ transport });
        stores.push(store);
        return store;
      },
    });
  });
}
