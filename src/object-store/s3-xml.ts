/** The XML of S3: what its answers say, and the bodies of its requests. */
// The SDK's own parser: it takes the control characters that S3 writes into names though XML knows none.
import { parseXML } from "@aws-sdk/xml-builder";
import type { S3KeyError, S3Page, S3Part } from "./s3-transport.js";

type Element = Readonly<Record<string, unknown>>;

/** The document's root element, or undefined for a body that is not XML. */
export function parseXml(bytes: Uint8Array): { name: string; content: Element } | undefined {
  try {
    const document: unknown = parseXML(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    const [name, content] = Object.entries(document as Element)[0]!;
    return { name, content: isElement(content) ? content : {} };
  } catch {
    return undefined;
  }
}

function isElement(value: unknown): value is Element {
  return typeof value === "object" && value !== null;
}

/** The text of a child, or undefined without one. */
export function textOf(element: Element, child: string): string | undefined {
  const value = element[child];
  return typeof value === "string" ? value : undefined;
}

/** Children of one name: the parser gives an array only where there are several. */
function childrenOf(element: Element, child: string): Element[] {
  const value = element[child];
  return (Array.isArray(value) ? value : [value]).filter(isElement);
}

export function readPage(content: Element): S3Page {
  return {
    objects: childrenOf(content, "Contents").map((object) => {
      const key = textOf(object, "Key");
      const size = textOf(object, "Size") ?? "";
      if (key === undefined) throw new Error("A listed object has no key.");
      return {
        key,
        size: /^\d+$/.test(size) ? Number(size) : undefined,
        lastModified: Date.parse(textOf(object, "LastModified") ?? ""),
      };
    }),
    isTruncated: textOf(content, "IsTruncated") === "true",
    continuation: textOf(content, "NextContinuationToken"),
  };
}

export function readKeyErrors(content: Element): S3KeyError[] {
  return childrenOf(content, "Error").map((error) => ({
    key: textOf(error, "Key"),
    code: textOf(error, "Code") ?? "",
    message: textOf(error, "Message") ?? "",
  }));
}

export function deleteBody(keys: readonly string[]): string {
  const objects = keys.map((key) => `<Object><Key>${escapeXml(key)}</Key></Object>`);
  return `<Delete xmlns="${namespace}"><Quiet>true</Quiet>${objects.join("")}</Delete>`;
}

export function completeBody(parts: readonly S3Part[]): string {
  const elements = parts.map(
    ({ partNumber, etag }) =>
      `<Part><PartNumber>${partNumber}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload xmlns="${namespace}">${elements.join("")}</CompleteMultipartUpload>`;
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

/** Control characters too: a parser would take a carriage return for a line feed. */
function escapeXml(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped.
    /[&<>"'\u0000-\u001f\u007f-\u009f\u2028]/g,
    (character) =>
      entities[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`,
  );
}
