/** `MergeOperator`: how operands that were merged into a key become its value. */

/**
 * Given to `Db.open` and `DbReader.open` under a name, which the database remembers. `db.merge(key, operand)` writes the operand without reading;
 * what the key's value is, is worked out when it is read.
 *
 * The functions are pure: they depend on their arguments alone, for as long as there is data of that name. For all values and operands:
 *
 * - operands may be folded in any number of steps: `merge(key, v, [a, b])` is `merge(key, merge(key, v, [a]), [b])`;
 * - what `combine` answers stands for what it was made of: `merge(key, v, [combine(key, [a, b]), c])` is `merge(key, v, [a, b, c])`.
 *
 * The arrays that they get are theirs: the engine does not use them again. One that throws fails the read of that key alone, with a
 * `MergeError`.
 */
export interface MergeOperator {
  /**
   * The new value: the operands, oldest first and at least one, folded onto `value`, which is undefined where the key has none.
   * Undefined: the key is deleted. May be one of the arrays that were passed.
   */
  merge(
    key: Uint8Array,
    value: Uint8Array | undefined,
    operands: readonly Uint8Array[],
  ): Uint8Array | undefined;

  /**
   * One operand that does what these do one after the other, oldest first and at least two; undefined where there is none. It saves
   * space where a batch merges into a key more than once, from the flush on; without it, all operands are kept until there is a value to fold
   * them onto. One that throws, or answers what is no operand or a longer one, has not combined them.
   */
  combine?(key: Uint8Array, operands: readonly Uint8Array[]): Uint8Array | undefined;

  /**
   * Throws where the bytes are no operand: then the write that brings them is refused with `InvalidArgumentError`. Without it every
   * operand is accepted, and one that `merge` throws for makes its key unreadable until it is put or deleted.
   */
  check?(operand: Uint8Array): void;
}
