/**
 * The merge operator `jsonMergePatch`: values are JSON documents, operands patches as in RFC 7396.
 *
 * Both are UTF-8. What it writes is canonical as in RFC 8785 (members sorted by UTF-16 code units, no white space), so that the result has
 * the same bytes however operands were joined on the way. Numbers are doubles, as in `JSON.parse`; one that is
 * too large for a double is refused. Of members with the same name the last counts.
 */
import { encodeUtf8 } from "../common/bytes.js";
import { InvalidArgumentError, messageOf } from "../common/errors.js";
import type { MergeOperator } from "./merge-operator.js";

/** Objects are maps: a member may be called `__proto__`, and numeric names keep their place. */
type Json = null | boolean | number | string | readonly Json[] | JsonObject;
type JsonObject = ReadonlyMap<string, Json>;

/**
 * Applies the patches to the document, oldest first: a member that is null removes, an object is gone into, all else replaces. Where there is no
 * document, the first patch is applied to nothing; a patch that is no object, `null` too, becomes the document.
 */
export const jsonMergePatch: MergeOperator = {
  merge(_key, value, operands) {
    let document = value === undefined ? undefined : parse(value);
    for (const operand of operands) document = patched(document, parse(operand));
    return serialize(document!);
  },
  combine(_key, operands) {
    let patch: Json | undefined = parse(operands[0]!);
    for (let i = 1; i < operands.length && patch !== undefined; i++) {
      patch = combined(patch, parse(operands[i]!));
    }
    return patch === undefined ? undefined : serialize(patch);
  },
  check: (operand) => void parse(operand),
};

const isObject = (json: Json | undefined): json is JsonObject => json instanceof Map;

/** MergePatch of RFC 7396, section 2. */
function patched(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? target : []);
  for (const [name, member] of patch) {
    if (member === null) result.delete(name);
    else result.set(name, patched(result.get(name), member));
  }
  return result;
}

/**
 * The patch that does `older`, then `newer`; undefined where there is none: a patch can go into an object or replace it by anything but an
 * object, so "replace by this object" cannot be said.
 */
function combined(older: Json, newer: Json): Json | undefined {
  if (!isObject(newer)) return newer;
  if (!isObject(older)) return undefined;
  const result = new Map(older);
  for (const [name, member] of newer) {
    const before = result.get(name);
    const joined = before === undefined ? member : combined(before, member);
    if (joined === undefined) return undefined;
    result.set(name, joined);
  }
  return result;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(bytes: Uint8Array): Json {
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new InvalidArgumentError(`The bytes are no JSON: ${messageOf(cause)}`, { cause });
  }
  return toJson(parsed);
}

function toJson(parsed: unknown): Json {
  if (typeof parsed === "number" && !Number.isFinite(parsed)) {
    throw new InvalidArgumentError("A number of the JSON is too large for a double.");
  }
  if (typeof parsed !== "object" || parsed === null) return parsed as Json;
  if (Array.isArray(parsed)) return parsed.map(toJson);
  return new Map(Object.entries(parsed).map(([name, member]) => [name, toJson(member)]));
}

function serialize(json: Json): Uint8Array {
  return encodeUtf8(textOf(json));
}

function textOf(json: Json): string {
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(textOf).join(",")}]`;
  const members = [...(json as JsonObject)].sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${textOf(member)}`).join(",")}}`;
}
