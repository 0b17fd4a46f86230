/**
 * `foldVersions`: the value that the versions of one key add up to, where the newest is a merge.
 *
 * From the newest to the oldest, operands are collected until a put, which is what they are folded onto, or until a delete, an expired
 * row of any kind or the end, where they are folded onto nothing. What lies behind does not count. If the newest row itself
 * has expired there is no value.
 */
import { copyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { RowKind } from "../common/row.js";
import { showKey } from "../common/show-key.js";
import { unpackOperands } from "./packed-operands.js";

/** A row without its key. */
export interface Version {
  readonly kind: RowKind;
  /** ms since 1970; 0 when it does not expire */
  readonly expiresAt: number;
  /** 0 when it is no merge */
  readonly operatorId: number;
  /** Of a put the value, of a merge its packed operands. */
  readonly value: Uint8Array;
}

/** Folds operands, oldest first, onto a value. Value and operands are the callee's own. */
export type ApplyOperator = (
  operatorId: number,
  key: Uint8Array,
  value: Uint8Array | undefined,
  operands: readonly Uint8Array[],
) => Uint8Array | undefined;

/** True when nothing that is older than the version counts. */
export function hidesOlder(version: Version, now: number): boolean {
  return version.kind !== RowKind.merge || isExpired(version, now);
}

/**
 * The value, or undefined where there is none. `versions` are newest first; `now` is in ms since 1970. Throws what `apply` throws, and
 * `CorruptionError` for what are not packed operands.
 */
export function foldVersions(
  key: Uint8Array,
  versions: readonly Version[],
  now: number,
  apply: ApplyOperator,
): Uint8Array | undefined {
  let count = versions.findIndex((version) => hidesOlder(version, now));
  if (count < 0) count = versions.length;
  const base = versions[count];
  let value: Uint8Array | undefined;
  if (base?.kind === RowKind.put && !isExpired(base, now)) value = copyBytes(base.value);
  // Rows of the same operator are folded in one call, oldest first.
  for (let i = count - 1; i >= 0; ) {
    const { operatorId } = versions[i]!;
    const operands: Uint8Array[] = [];
    for (; i >= 0 && versions[i]!.operatorId === operatorId; i--) {
      for (const operand of operandsOf(key, versions[i]!)) operands.push(copyBytes(operand));
    }
    value = apply(operatorId, key, value, operands);
  }
  return value;
}

function operandsOf(key: Uint8Array, version: Version): readonly Uint8Array[] {
  const object = `merge row of key ${showKey(key)}`;
  const operands = unpackOperands(version.value, object);
  if (operands.length === 0) throw new CorruptionError(object, "it has no operand");
  return operands;
}

function isExpired({ expiresAt }: Version, now: number): boolean {
  return expiresAt !== 0 && expiresAt <= now;
}
