/** Reading decoded protobuf messages field by field, with checks. The only place that sees the 64-bit objects of protobufjs. */
import { type Bytes, copyBytes, emptyBytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import { type Ulid, ulidFromBytes } from "../common/ids.js";

/** No id: the floor of a role that has named nothing. */
export const noUlid: Ulid = "";

/** `object` is for messages only. Throws `CorruptionError` for bytes that are no message. */
export function decodeMessage(
  decode: (bytes: Uint8Array) => unknown,
  payload: Uint8Array,
  object: string,
): Fields {
  try {
    return new Fields(decode(payload), object);
  } catch (cause) {
    throw new CorruptionError(object, "its protobuf message does not decode", { cause });
  }
}

/** One decoded message, read field by field with checks; an absent field is its default. */
export class Fields {
  readonly #message: Record<string, unknown>;
  readonly #object: string;

  constructor(message: unknown, object: string) {
    this.#message = message as Record<string, unknown>;
    this.#object = object;
  }

  fail(detail: string): never {
    throw new CorruptionError(this.#object, detail);
  }

  integer(name: string): number {
    return this.#toInteger(this.#message[name], name);
  }

  integers(name: string): number[] {
    return this.list(name).map((value) => this.#toInteger(value, name));
  }

  boolean(name: string): boolean {
    return this.#message[name] === true;
  }

  string(name: string): string {
    return String(this.#message[name] ?? "");
  }

  bytes(name: string): Bytes {
    const value = this.#message[name];
    return value instanceof Uint8Array ? copyBytes(value) : emptyBytes;
  }

  ulid(name: string): Ulid {
    return this.toUlid(this.#message[name], name);
  }

  ulidOrNone(name: string): Ulid {
    const value = this.#message[name];
    return value instanceof Uint8Array && value.length > 0 ? this.toUlid(value, name) : noUlid;
  }

  toUlid(value: unknown, name: string): Ulid {
    if (!(value instanceof Uint8Array) || value.length !== 16) {
      return this.fail(`field ${name} is not an id`);
    }
    return ulidFromBytes(value);
  }

  message(name: string): Fields {
    const value = this.#message[name];
    if (value === null || value === undefined) return this.fail(`field ${name} is missing`);
    return new Fields(value, this.#object);
  }

  messages(name: string): Fields[] {
    return this.list(name).map((value) => new Fields(value, this.#object));
  }

  list(name: string): readonly unknown[] {
    return (this.#message[name] as readonly unknown[] | undefined) ?? [];
  }

  #toInteger(value: unknown, name: string): number {
    const number =
      typeof value === "object" && value !== null ? Number(String(value)) : (value ?? 0);
    if (!Number.isSafeInteger(number)) this.fail(`field ${name} is not a safe integer`);
    return number as number;
  }
}
