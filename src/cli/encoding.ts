/** Keys and values as text: what users type, what is printed for eyes, and what is printed for programs. */
import { type Bytes, encodeUtf8 } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";

export const textEncodings = ["utf8", "hex", "base64"] as const;
export type TextEncoding = (typeof textEncodings)[number];

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What an argument stands for. Throws `InvalidArgumentError` when it is not in the encoding. */
export function parseBytes(text: string, encoding: TextEncoding, what: string): Bytes {
  if (encoding === "utf8") return encodeUtf8(text);
  const bytes = Uint8Array.from(Buffer.from(text, encoding));
  const same =
    encoding === "hex"
      ? Buffer.from(bytes).toString("hex") === text.toLowerCase()
      : Buffer.from(bytes).toString("base64").replace(/=+$/, "") === text.replace(/=+$/, "");
  if (!same) throw new InvalidArgumentError(`The ${what} "${text}" is not ${encoding}.`);
  return bytes;
}

/** Throws `InvalidArgumentError` for bytes that are no UTF-8: printing something else would be a lie. */
export function formatBytes(bytes: Uint8Array, encoding: TextEncoding, what: string): string {
  if (encoding !== "utf8") return Buffer.from(bytes).toString(encoding);
  const text = utf8OrUndefined(bytes);
  if (text === undefined) {
    throw new InvalidArgumentError(`The ${what} is not UTF-8. Use another encoding, such as hex.`);
  }
  return text;
}

function utf8OrUndefined(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Controls, invisible characters, and the backslash of the escapes themselves. */
const unsafe = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\\]/gu;

/** For a terminal: text with everything that could disturb one escaped; `hex:…` for what is no text. Never a line break. */
export function showBytes(
  bytes: Uint8Array,
  charactersMax: number = Number.POSITIVE_INFINITY,
): string {
  const text = utf8OrUndefined(bytes);
  const shown =
    text === undefined
      ? `hex:${Buffer.from(bytes).toString("hex")}`
      : text.replace(unsafe, escaped);
  return shown.length <= charactersMax ? shown : `${shown.slice(0, charactersMax - 1)}…`;
}

function escaped(character: string): string {
  if (character === "\\") return "\\\\";
  if (character === "\n") return "\\n";
  if (character === "\t") return "\\t";
  return `\\u{${character.codePointAt(0)!.toString(16)}}`;
}

/** A field of a JSON object: `{ name: text }`, or `{ nameBase64: … }` for bytes that are no UTF-8. */
export function jsonBytes(name: string, bytes: Uint8Array): Record<string, string> {
  const text = utf8OrUndefined(bytes);
  if (text !== undefined) return { [name]: text };
  return { [`${name}Base64`]: Buffer.from(bytes).toString("base64") };
}
