/** The few assertions of the conformance suite, so that it needs no test framework. Each throws an `Error`. */
import { compareBytes } from "../common/bytes.js";
import type { ListedObject, ListOptions, ObjectStore } from "../object-store/object-store.js";

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function expectSame(actual: unknown, expected: unknown, what: string): void {
  const actualText = JSON.stringify(actual);
  const expectedText = JSON.stringify(expected);
  expect(actualText === expectedText, `${what}: expected ${expectedText}, got ${actualText}`);
}

export function expectBytes(
  actual: Uint8Array | undefined,
  expected: Uint8Array,
  what: string,
): void {
  expect(actual !== undefined, `${what}: the object is absent`);
  expect(
    actual.length === expected.length,
    `${what}: expected ${expected.length} bytes, got ${actual.length}`,
  );
  expect(compareBytes(actual, expected) === 0, `${what}: the bytes differ`);
}

/** `reason` may also be the cause of what is thrown. */
export async function expectRejection(
  promise: Promise<unknown>,
  reason: unknown,
  what: string,
): Promise<void> {
  let outcome: { error: unknown } | undefined;
  await promise.catch((error: unknown) => {
    outcome = { error };
  });
  expect(outcome !== undefined, `${what} did not reject`);
  const { error } = outcome;
  const matches = error === reason || (error instanceof Error && error.cause === reason);
  expect(matches, `${what} rejected with ${error}, not with the reason`);
}

export async function listAll(store: ObjectStore, options: ListOptions): Promise<ListedObject[]> {
  const objects: ListedObject[] = [];
  for await (const object of store.list(options)) objects.push(object);
  return objects;
}

/** The keys below a prefix, sorted here, since a store may list in any order. */
export async function listKeys(store: ObjectStore, prefix: string): Promise<string[]> {
  return (await listAll(store, { prefix })).map(({ key }) => key).sort();
}

/** Bytes that look random and depend on `seed`. */
export function patternBytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = (seed + 1) * 2_654_435_761;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}
