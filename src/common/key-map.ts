/** `KeyMap`: a map whose keys are byte strings. */

/** Not UTF-8 but one character for each byte, so that different bytes are different strings. */
const decoder = new TextDecoder("latin1");

/** Does not keep the keys that it is asked with. */
export class KeyMap<V> {
  readonly #values = new Map<string, V>();

  get size(): number {
    return this.#values.size;
  }

  get(key: Uint8Array): V | undefined {
    return this.#values.get(decoder.decode(key));
  }

  has(key: Uint8Array): boolean {
    return this.#values.has(decoder.decode(key));
  }

  set(key: Uint8Array, value: V): void {
    this.#values.set(decoder.decode(key), value);
  }

  delete(key: Uint8Array): void {
    this.#values.delete(decoder.decode(key));
  }

  /** In the order in which their keys were first set. */
  values(): IterableIterator<V> {
    return this.#values.values();
  }
}
