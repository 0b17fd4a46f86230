/** The engine suite, and those of maintenance and of points in time, on the stores that need no server. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { FileObjectStore } from "../../../src/object-store/file.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { engineSuite } from "../../support/engine-suite.js";
import { maintenanceSuite } from "../../support/maintenance-suite.js";
import { pointsSuite } from "../../support/points-suite.js";

describe("in memory", () => {
  engineSuite({ makeStore: () => new MemoryObjectStore() });
  maintenanceSuite({ makeStore: () => new MemoryObjectStore() });
  pointsSuite({
    makeStore: () => new MemoryObjectStore(),
    otherStore: () => new MemoryObjectStore(),
  });
});

describe("in a folder", () => {
  const folder = mkdtempSync(join(tmpdir(), "moraine-engine-"));
  let storeCount = 0;
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const makeStore = (): FileObjectStore =>
    new FileObjectStore({ directory: join(folder, String(++storeCount)) });
  engineSuite({ makeStore });
  maintenanceSuite({ makeStore });
  pointsSuite({ makeStore, otherStore: () => new MemoryObjectStore() });
});
