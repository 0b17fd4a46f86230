import { expect, test } from "vitest";
import { WalTail } from "../../../src/wal/wal-tail.js";

const mebibyte = 1024 * 1024;
const at = (id: number): { epoch: number; id: number } => ({ epoch: 1, id });

test("nothing is kept while nobody reads along", () => {
  const tail = new WalTail();
  tail.add(at(1), new Uint8Array(10), false);
  expect(tail.get(at(1))).toBeUndefined();
});

test("an object is kept until every reader has passed it", () => {
  const tail = new WalTail();
  const [first, second] = [{ position: at(1) }, { position: at(1) }];
  tail.attach(first);
  tail.attach(second);
  tail.add(at(1), new Uint8Array(10), false);
  tail.add(at(2), new Uint8Array(10), false);
  first.position = at(3);
  tail.trim();
  expect(tail.get(at(1))).toBeDefined();
  second.position = at(2);
  tail.trim();
  expect(tail.get(at(1))).toBeUndefined();
  expect(tail.get(at(2))).toBeDefined();
  tail.detach(second);
  expect(tail.get(at(2))).toBeUndefined();
});

test("lent bytes are copied", () => {
  const tail = new WalTail();
  tail.attach({ position: at(1) });
  const bytes = Uint8Array.of(1, 2, 3);
  tail.add(at(1), bytes, true);
  bytes.fill(9);
  expect(tail.get(at(1))).toEqual(Uint8Array.of(1, 2, 3));
});

test("a reader that falls behind by more than 4 MiB leaves, and takes nothing of the others with it", () => {
  const tail = new WalTail();
  const slow = { position: at(1) };
  const quick = { position: at(1) };
  tail.attach(slow);
  tail.attach(quick);
  for (let id = 1; id <= 6; id++) {
    tail.add(at(id), new Uint8Array(mebibyte), false);
    quick.position = at(id);
    tail.trim();
  }
  expect(tail.get(at(1))).toBeUndefined();
  expect(tail.get(at(6))).toBeDefined();
  quick.position = at(7);
  tail.trim();
  // Only the quick one counted.
  expect(tail.get(at(6))).toBeUndefined();
});

test("one that nobody reads any more holds nothing once it has been left behind", () => {
  const tail = new WalTail();
  tail.attach({ position: at(1) });
  for (let id = 1; id <= 5; id++) tail.add(at(id), new Uint8Array(mebibyte), false);
  for (let id = 1; id <= 5; id++) expect(tail.get(at(id))).toBeUndefined();
});

test("an object larger than all that is kept leaves everybody behind who needs it", () => {
  const tail = new WalTail();
  const reader = { position: at(1) };
  const ahead = { position: at(3) };
  tail.attach(reader);
  tail.attach(ahead);
  tail.add(at(1), new Uint8Array(10), false);
  tail.add(at(2), new Uint8Array(5 * mebibyte), false);
  expect(tail.get(at(1))).toBeUndefined();
  tail.add(at(3), new Uint8Array(10), false);
  expect(tail.get(at(3))).toBeDefined();
});
