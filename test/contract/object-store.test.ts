/** Every store and every wrapper of this project keeps the contract of `ObjectStore`. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { systemClock } from "../../src/common/clock.js";
import { seededRandom, systemRandom } from "../../src/common/random.js";
import { FileObjectStore } from "../../src/object-store/file.js";
import { limited } from "../../src/object-store/limited.js";
import { MemoryObjectStore } from "../../src/object-store/memory.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";
import { observed } from "../../src/object-store/observed.js";
import { prefixed } from "../../src/object-store/prefixed.js";
import { retrying } from "../../src/object-store/retrying.js";
import { CountingObjectStore } from "../../src/testing/counting-object-store.js";
import { FaultyObjectStore } from "../../src/testing/faulty-object-store.js";
import { objectStoreSuite } from "../../src/testing/object-store-suite.js";

const directories: string[] = [];

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "moraine-test-"));
  directories.push(directory);
  return directory;
}

afterAll(async () => {
  for (const directory of directories) await rm(directory, { recursive: true });
});

const quickRetries = { clock: systemClock, deadlineMs: Infinity, baseDelayMs: 0.01, maxDelayMs: 1 };

const makers: Record<string, () => ObjectStore | Promise<ObjectStore>> = {
  memory: () => new MemoryObjectStore(),
  file: async () => new FileObjectStore({ directory: await temporaryDirectory() }),
  "prefixed memory": () => prefixed(new MemoryObjectStore(), "some/path"),
  "limited memory": () => limited(new MemoryObjectStore(), { requestsInFlight: 3 }),
  "memory with one request at a time": () =>
    limited(new MemoryObjectStore(), { requestsInFlight: 1 }),
  "observed memory": () => observed(new MemoryObjectStore(), () => undefined, systemClock),
  "counted memory": () => new CountingObjectStore(new MemoryObjectStore()),
  "faultless faulty memory": () => new FaultyObjectStore(new MemoryObjectStore()),
  "retrying memory": () =>
    retrying(new MemoryObjectStore(), { ...quickRetries, random: systemRandom }),
  "retrying, over a memory that fails three times in ten": () => {
    const rates = { before: 0.1, after: 0.1, throttled: 0.05, conflict: 0.05 };
    const faulty = FaultyObjectStore.seeded(new MemoryObjectStore(), seededRandom(7), rates);
    return retrying(faulty, { ...quickRetries, random: seededRandom(8) });
  },
  "all wrappers around files": async () => {
    const file = new FileObjectStore({ directory: await temporaryDirectory() });
    const sent = observed(limited(file, { requestsInFlight: 8 }), () => undefined, systemClock);
    return prefixed(retrying(sent, { ...quickRetries, random: systemRandom }), "a/database");
  },
};

for (const [name, makeStore] of Object.entries(makers)) {
  describe(name, () => {
    objectStoreSuite({ test, makeStore });
  });
}
