/** What a scan gives for each row: key and value, the key, or the value. What is left out is not copied. */
import type { Bytes } from "../common/bytes.js";

export interface ScanShape<T> {
  readonly hasKey: boolean;
  readonly hasValue: boolean;
  /** The arrays belong to the result; what the shape leaves out is empty. */
  map(this: void, key: Bytes, value: Bytes): T;
}

export interface KeyValue {
  key: Bytes;
  value: Bytes;
}

export const entryShape: ScanShape<KeyValue> = {
  hasKey: true,
  hasValue: true,
  map: (key, value) => ({ key, value }),
};

export const keyShape: ScanShape<Bytes> = { hasKey: true, hasValue: false, map: (key) => key };

export const valueShape: ScanShape<Bytes> = {
  hasKey: false,
  hasValue: true,
  map: (_key, value) => value,
};
