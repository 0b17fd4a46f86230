/**
 * A protobuf message as a table of its fields, which says all that there is to know for writing and reading it: the tables
 * of the manifest are in manifest-messages.ts. What is written is canonical: fields in the order of their numbers, defaults
 * left out, lists of numbers packed.
 *
 * Reading is as strict as proto3 allows, as nobody but Moraine writes these bytes: unknown fields are skipped, and lists
 * of numbers may be packed or not, but a field of another wire type, a required one that is missing or there twice, a
 * number that is too large and a part that overruns the whole are damage.
 */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type { ValueType } from "./protobuf-types.js";
import { WireReader, WireType, WireWriter } from "./protobuf-wire.js";

/** Any number of values, in order. */
export class Repeated<V> {
  readonly type: ValueType<V>;

  constructor(type: ValueType<V>) {
    this.type = type;
  }
}

export const repeated = <V>(type: ValueType<V>): Repeated<V> => new Repeated(type);

type FieldType<V> = ValueType<V> | (V extends readonly (infer E)[] ? Repeated<E> : never);

/** One entry for each property, in the order of the numbers. */
export type FieldTable<T> = {
  readonly [K in keyof T]-?: readonly [number: number, type: FieldType<T[K]>];
};

interface Field {
  readonly name: string;
  readonly number: number;
  readonly type: ValueType<unknown>;
  readonly repeated: boolean;
}

type Values = Record<string, unknown>;

/** Also the type of a field that holds such a message, which must be there. */
export class MessageType<T extends object> implements ValueType<T> {
  readonly name: string;
  readonly wireType: WireType = WireType.LengthDelimited;
  readonly absent: undefined = undefined;
  /** For tests, which compare them with the specification. */
  readonly fields: readonly Field[];
  readonly #byNumber: (Field | undefined)[] = [];
  readonly #required: readonly Field[];
  readonly #lists: readonly Field[];
  readonly #empty: Values = {};
  readonly #contradiction: (message: T) => string | undefined;

  /** `contradiction` says what is wrong with a message whose fields are right one by one. */
  constructor(
    name: string,
    table: FieldTable<T>,
    contradiction: (message: T) => string | undefined = () => undefined,
  ) {
    this.name = name;
    this.#contradiction = contradiction;
    this.fields = Object.entries<readonly [number, unknown]>(table).map(([key, [number, of]]) => {
      const list = of instanceof Repeated;
      return { name: key, number, type: (list ? of.type : of) as Field["type"], repeated: list };
    });
    for (const field of this.fields) {
      this.#byNumber[field.number] = field;
      this.#empty[field.name] = field.repeated ? undefined : field.type.absent;
    }
    this.#lists = this.fields.filter((field) => field.repeated);
    this.#required = this.fields.filter((field) => !field.repeated && isRequired(field));
  }

  encode(message: T): Bytes {
    const writer = new WireWriter();
    this.#write(writer, message);
    return writer.finish();
  }

  /** `object` is for messages only. Throws `CorruptionError`. */
  decode(payload: Uint8Array, object: string): T {
    try {
      return this.#read(new WireReader(payload, object), payload.length);
    } catch (cause) {
      if (cause instanceof CorruptionError) throw cause;
      throw new CorruptionError(object, "its protobuf message does not decode", { cause });
    }
  }

  isDefault(): boolean {
    return false;
  }

  write(writer: WireWriter, message: T): void {
    writer.fork();
    this.#write(writer, message);
    writer.join();
  }

  read(reader: WireReader): T {
    return this.#read(reader, reader.lengthEnd());
  }

  #write(writer: WireWriter, message: T): void {
    const values = message as Values;
    for (const { name, number, type, repeated } of this.fields) {
      const value = values[name];
      if (repeated) writeList(writer, number, type, value as readonly unknown[]);
      else if (!type.isDefault(value)) {
        writer.tag(number, type.wireType);
        type.write(writer, value);
      }
    }
  }

  #read(reader: WireReader, end: number): T {
    const values = { ...this.#empty };
    for (const { name } of this.#lists) values[name] = [];
    while (reader.pos < end) {
      const [number, wireType] = reader.tag();
      const field = this.#byNumber[number];
      if (field === undefined) reader.skip(wireType, number);
      else if (field.repeated) readList(reader, wireType, field, values[field.name] as unknown[]);
      else {
        const { name, type } = field;
        if (wireType !== type.wireType) failWireType(reader, name, wireType);
        if (isRequired(field) && values[name] !== undefined) {
          reader.fail(`field ${name} is there twice`);
        }
        values[name] = type.read(reader, name);
      }
    }
    if (reader.pos !== end) reader.fail(`message ${this.name} does not end where it should`);
    for (const { name } of this.#required) {
      if (values[name] === undefined) reader.fail(`field ${name} is missing`);
    }
    const message = values as T;
    const wrong = this.#contradiction(message);
    if (wrong !== undefined) reader.fail(wrong);
    return message;
  }
}

const isRequired = (field: Field): boolean => field.type.absent === undefined;
/** As the lists of numbers in proto3 are written. */
const isPacked = (type: ValueType<unknown>): boolean => type.wireType === WireType.Varint;

function writeList(
  writer: WireWriter,
  number: number,
  type: ValueType<unknown>,
  list: readonly unknown[],
): void {
  if (list.length === 0) return;
  if (!isPacked(type)) {
    for (const value of list) {
      writer.tag(number, type.wireType);
      type.write(writer, value);
    }
    return;
  }
  writer.tag(number, WireType.LengthDelimited).fork();
  for (const value of list) type.write(writer, value);
  writer.join();
}

function readList(
  reader: WireReader,
  wireType: WireType,
  { name, type }: Field,
  list: unknown[],
): void {
  if (wireType === type.wireType) {
    list.push(type.read(reader, name));
    return;
  }
  if (!isPacked(type) || wireType !== WireType.LengthDelimited) {
    failWireType(reader, name, wireType);
  }
  const end = reader.lengthEnd();
  while (reader.pos < end) list.push(type.read(reader, name));
  if (reader.pos !== end) reader.fail(`field ${name} does not end where it should`);
}

function failWireType(reader: WireReader, field: string, wireType: WireType): never {
  return reader.fail(`field ${field} has wire type ${wireType}`);
}
