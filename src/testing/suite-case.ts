/** `SuiteCase`: one test of the conformance suite, and the sizes that it may be run with. */
import type { ObjectStore } from "../object-store/object-store.js";

export interface SuiteSizes {
  largeBytes: number;
  manyKeys: number;
  raceWidth: number;
  raceKeys: number;
}

export interface SuiteCase {
  name: string;
  run: (store: ObjectStore) => Promise<void>;
}
