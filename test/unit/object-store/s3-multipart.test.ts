/** How bytes and sources are cut into the parts of an upload, and how an upload ends. */
import { describe, expect, test } from "vitest";
import { concatBytes } from "../../../src/common/bytes.js";
import { seededRandom } from "../../../src/common/random.js";
import type { PutSource } from "../../../src/object-store/object-store.js";
import { SourceError, uploadParts } from "../../../src/object-store/s3-multipart.js";

/** An upload's requests, kept in memory. `hold` delays the part of a number, or makes it fail. */
class Parts {
  whole: Uint8Array | undefined;
  readonly sizes: number[] = [];
  readonly events: string[] = [];
  inFlight = 0;
  inFlightMax = 0;
  hold: (partNumber: number, signal: AbortSignal) => Promise<void> = async () => undefined;
  readonly #parts: Uint8Array[] = [];

  upload(source: PutSource, partsInFlight = 2, signal?: AbortSignal): Promise<void> {
    return uploadParts(
      source,
      { partBytes: 10, partsInFlight, signal },
      {
        put: async (bytes) => {
          this.events.push("put");
          this.whole = bytes.slice();
        },
        start: async () => {
          this.events.push("start");
          return { key: "a", id: "u" };
        },
        part: async (_, partNumber, bytes, stop) => {
          this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
          try {
            await this.hold(partNumber, stop);
          } finally {
            this.inFlight--;
          }
          this.sizes[partNumber - 1] = bytes.length;
          this.#parts[partNumber - 1] = bytes.slice();
          return { partNumber, etag: `etag ${partNumber}` };
        },
        complete: async (_, parts) => {
          expect(parts.map(({ partNumber }) => partNumber)).toEqual(parts.map((_, i) => i + 1));
          this.events.push("complete");
          this.whole = concatBytes(this.#parts);
        },
        remove: async () => {
          expect(this.inFlight).toBe(0);
          this.events.push("remove");
        },
      },
    );
  }
}

async function* pieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

describe("parts are equal but for the last, and make up the whole", () => {
  test.each([
    [0, 1],
    [1, 1],
    [10, 3],
    [11, 3],
    [20, 10],
    [25, 40],
    [99, 7],
    [100, 1],
  ])("%i bytes in pieces of %i", async (length, pieceBytes) => {
    const bytes = seededRandom(length).bytes(length);
    for (const source of [bytes, () => pieces(bytes, pieceBytes)]) {
      const parts = new Parts();
      await parts.upload(source);
      expect(parts.whole).toEqual(bytes);
      if (length <= 10) {
        expect(parts.events).toEqual(["put"]);
      } else {
        expect(parts.events).toEqual(["start", "complete"]);
        expect(parts.sizes.slice(0, -1).every((size) => size === 10)).toBe(true);
        expect(parts.sizes).toHaveLength(Math.ceil(length / 10));
      }
    }
  });
});

test("parts that end out of order are put in order, and only so many are sent at once", async () => {
  const bytes = seededRandom(1).bytes(200);
  const parts = new Parts();
  parts.hold = (partNumber) =>
    new Promise((resolve) => setTimeout(resolve, partNumber % 3 === 0 ? 8 : 1));
  await parts.upload(bytes, 3);
  expect(parts.whole).toEqual(bytes);
  expect(parts.inFlightMax).toBe(3);
});

test("a part that fails ends the others, and then the upload is removed", async () => {
  const failure = new Error("part 3");
  const parts = new Parts();
  parts.hold = (partNumber, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener("abort", () => setTimeout(() => reject(signal.reason), 5));
      if (partNumber === 3) setTimeout(() => reject(failure), 5);
    });
  await expect(parts.upload(new Uint8Array(100), 3)).rejects.toBe(failure);
  expect(parts.events).toEqual(["start", "remove"]);
});

test("a source that fails is told from the store, and the upload is removed", async () => {
  const failure = new Error("the source is broken");
  async function* source(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(35);
    throw failure;
  }
  const parts = new Parts();
  const error = await parts.upload(source).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(SourceError);
  expect((error as Error).cause).toBe(failure);
  expect(parts.events).toEqual(["start", "remove"]);
});

test("an upload is given up at once, though its source hangs", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  async function* source(): AsyncGenerator<Uint8Array> {
    yield new Uint8Array(35);
    await new Promise(() => undefined);
  }
  const parts = new Parts();
  const upload = parts.upload(source, 2, controller.signal);
  setTimeout(() => controller.abort(reason), 10);
  await expect(upload).rejects.toBe(reason);
  expect(parts.events).toEqual(["start", "remove"]);
});

test("more than 10,000 parts are refused with the remedy", async () => {
  const parts = new Parts();
  await expect(parts.upload(new Uint8Array(100_001), 8)).rejects.toMatchObject({
    reason: "invalid",
    message: expect.stringContaining("partBytes"),
  });
  expect(parts.events).toEqual(["start", "remove"]);
  const most = new Parts();
  await most.upload(new Uint8Array(100_000), 8);
  expect(most.sizes).toHaveLength(10_000);
});
