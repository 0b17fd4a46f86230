/** Builds an index block; `index-block.ts` draws the layout. */
import { ByteWriter } from "../common/byte-writer.js";
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { indexRestartInterval } from "./index-block.js";

export class IndexBlockBuilder {
  readonly #writer = new ByteWriter(4096);
  #restarts: number[] = [];
  #count = 0;
  #lastKey: Bytes = emptyBytes;

  get count(): number {
    return this.#count;
  }

  /** Bytes of the payload, if it were finished now. */
  get byteLength(): number {
    return this.#writer.length + this.#restarts.length * 4 + 4;
  }

  get lastKey(): Bytes {
    return this.#lastKey;
  }

  /** Keys come in ascending order; equal ones are allowed. */
  add(key: Uint8Array, columns: readonly number[]): void {
    const writer = this.#writer;
    let shared = 0;
    if (this.#count % indexRestartInterval === 0) {
      this.#restarts.push(writer.length);
    } else {
      const sharedMax = Math.min(key.length, this.#lastKey.length);
      while (shared < sharedMax && key[shared] === this.#lastKey[shared]) shared++;
    }
    writer.varint(shared);
    writer.varint(key.length - shared);
    for (const column of columns) writer.varint(column);
    writer.raw(key, shared);
    this.#lastKey = copyBytes(key);
    this.#count++;
  }

  /** A private copy of the payload; the builder is empty afterwards. */
  finish(): Bytes {
    for (const restart of this.#restarts) this.#writer.u32(restart);
    this.#writer.u32(this.#restarts.length);
    const payload = this.#writer.copy();
    this.#writer.length = 0;
    this.#restarts = [];
    this.#count = 0;
    this.#lastKey = emptyBytes;
    return payload;
  }
}
