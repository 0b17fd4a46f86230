/** Signature Version 4 as a server checks it, from what came over the wire. Written from AWS's document, without a client's code. */
import { createHash, createHmac } from "node:crypto";

export interface ReceivedRequest {
  readonly method: string;
  /** As it stands in the request line. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Uint8Array;
}

/** What is wrong with the signature, or undefined. */
export function signatureProblem(
  { method, target, headers, body }: ReceivedRequest,
  secretAccessKey: string,
): string | undefined {
  const header = (name: string): string => String(headers[name] ?? "");
  const [, scope, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=[^/]+\/(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]{64})$/.exec(
      header("authorization"),
    ) ?? [];
  if (scope === undefined) return "no signature";
  const signed = names!.split(";");
  const unsigned = Object.keys(headers).filter(
    (name) => /^(x-amz-|host$|range$|content-md5$|if-)/.test(name) && !signed.includes(name),
  );
  if (unsigned.length > 0) return `not signed: ${unsigned.join(", ")}`;
  const bodyHash = header("x-amz-content-sha256");
  if (bodyHash !== hash(body)) return "the body is not the one that was signed";
  const [path = "", query = ""] = target.split("?", 2);
  const decoded = path.split("/").map((segment) => encode(decodeURIComponent(segment)));
  if (decoded.join("/") !== path) return `the path is not in the form of signatures: ${path}`;
  const pairs = query === "" ? [] : query.split("&").map((pair) => pair.split("=", 2));
  const canonicalQuery = pairs
    .map(
      ([name, value]) =>
        `${encode(decodeURIComponent(name!))}=${encode(decodeURIComponent(value ?? ""))}`,
    )
    .sort();
  const canonical = [
    method,
    path,
    canonicalQuery.join("&"),
    ...signed.map((name) => `${name}:${header(name).trim().replace(/ +/g, " ")}`),
    "",
    names,
    bodyHash,
  ].join("\n");
  const text = ["AWS4-HMAC-SHA256", header("x-amz-date"), scope, hash(canonical)].join("\n");
  const key = scope
    .split("/")
    .reduce<Uint8Array | string>((from, part) => hmac(from, part), `AWS4${secretAccessKey}`);
  const expected = Buffer.from(hmac(key, text)).toString("hex");
  return signature === expected ? undefined : `not the signature of:\n${canonical}`;
}

function encode(text: string): string {
  return [...new TextEncoder().encode(text)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      if (/[A-Za-z0-9._~-]/.test(character)) return character;
      return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

function hash(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

function hmac(key: string | Uint8Array, data: string): Uint8Array {
  return createHmac("sha256", key).update(data).digest();
}
