/** `moraine/testing`: what tests of a program on Moraine, or of a store for it, can use. */
export type { Bytes } from "../common/bytes.js";
export type { Clock, Timer } from "../common/clock.js";
export { type Random, seededRandom } from "../common/random.js";
export { MemoryObjectStore } from "../object-store/memory.js";
export type {
  ByteRange,
  CopyOptions,
  GetOptions,
  ListedObject,
  ListOptions,
  ObjectMeta,
  ObjectStore,
  PutSource,
  RequestOptions,
  StoredObject,
  StoreOperation,
} from "../object-store/object-store.js";
export { type CountedRequest, CountingObjectStore } from "./counting-object-store.js";
export type { Fault, FaultyRequest, Intercept } from "./fault.js";
export { FaultyObjectStore, type FaultyObjectStoreOptions } from "./faulty-object-store.js";
export { ManualClock } from "./manual-clock.js";
export { type ObjectStoreSuiteOptions, objectStoreSuite } from "./object-store-suite.js";
export type { FaultRates } from "./seeded-faults.js";
