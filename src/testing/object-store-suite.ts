/** `objectStoreSuite`: the contract of `ObjectStore` as tests, for any implementation and any test framework. */
import type { ObjectStore } from "../object-store/object-store.js";
import type { SuiteSizes } from "./suite-case.js";
import { listingCases } from "./suite-listing.js";
import { readCases } from "./suite-reads.js";
import { writeCases } from "./suite-writes.js";

export interface ObjectStoreSuiteOptions {
  /** Registers a test: `test` of vitest or `node:test`, or anything that is called the same way. */
  test: (name: string, body: () => Promise<void>) => unknown;
  /** A store for one test. It is empty: on a server, wrap it with `prefixed` and a new path each time. */
  makeStore: () => ObjectStore | Promise<ObjectStore>;
  /** Called with the store when its test has ended. */
  disposeStore?: ((store: ObjectStore) => void | Promise<void>) | undefined;
  /** Bytes of the large objects; more than 5 MiB cross the part size of S3. Default 5 MiB + 1. */
  largeBytes?: number | undefined;
  /** Keys of the large listing; more than 1,000 cross a page of S3. Default 1,100; 0 leaves the test out. */
  manyKeys?: number | undefined;
  /** Requests that race for one key. Default 32. */
  raceWidth?: number | undefined;
  /** Keys that are raced for. Default 8. */
  raceKeys?: number | undefined;
}

/** Passing is necessary, not sufficient: a race that a store loses once in a million times is not found. */
export function objectStoreSuite(options: ObjectStoreSuiteOptions): void {
  const sizes: SuiteSizes = {
    largeBytes: options.largeBytes ?? 5 * 1024 * 1024 + 1,
    manyKeys: options.manyKeys ?? 1_100,
    raceWidth: options.raceWidth ?? 32,
    raceKeys: options.raceKeys ?? 8,
  };
  for (const { name, run } of [...writeCases(sizes), ...readCases(sizes), ...listingCases(sizes)]) {
    options.test(name, async () => {
      const store = await options.makeStore();
      try {
        await run(store);
      } finally {
        await options.disposeStore?.(store);
      }
    });
  }
}
