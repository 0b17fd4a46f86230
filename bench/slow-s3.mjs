/**
 * A server that speaks as much S3 as the engines here use, in memory, with a delay before each answer.
 *
 *   LAT_MS=25 node bench/slow-s3.mjs [port]
 *
 * It listens on the loopback address only, checks no signatures, and takes any bucket, path style. Port 0 (the default)
 * takes a free one; the first line of output is its URL. `GET /__counts` answers how many requests there were and with how
 * many bytes, by operation; `DELETE /__counts` starts them again from zero. Neither is delayed nor counted.
 */
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const countsPath = "/__counts";
const pageKeysMax = 1_000;

/** Starts a server; resolves with its URL and the means to end it. */
export async function startSlowS3({ port = 0, latencyMs = 0 } = {}) {
  const bucket = new Bucket();
  let counts = {};

  const server = createServer((request, response) => {
    answer(request, response).catch((error) => {
      if (!response.headersSent) send(response, failure(500, "InternalError", String(error)));
      else response.destroy();
    });
  });

  async function answer(request, response) {
    const url = new URL(request.url, "http://localhost");
    const body = await readBody(request);
    if (url.pathname === countsPath) {
      const text = JSON.stringify(counts);
      if (request.method === "DELETE") counts = {};
      send(response, { status: 200, body: Buffer.from(text) });
      return;
    }
    const operation = operationOf(request, url.searchParams);
    counts[operation] ??= { requests: 0, bytesIn: 0, bytesOut: 0 };
    const count = counts[operation];
    count.requests++;
    count.bytesIn += body.length;
    if (latencyMs > 0) await sleep(latencyMs);
    const result = bucket.handle(operation, {
      key: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
      body,
    });
    count.bytesOut += result.body?.length ?? 0;
    send(response, result, operation === "HEAD");
  }

  server.keepAliveTimeout = 60_000;
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What a request is, in the words of the counts. */
function operationOf({ method, headers }, query) {
  if (query.has("uploads")) return "UPLOAD-START";
  if (query.has("uploadId")) {
    return (
      { PUT: "UPLOAD-PART", POST: "UPLOAD-COMPLETE", DELETE: "UPLOAD-ABORT" }[method] ?? "OTHER"
    );
  }
  if (query.has("list-type")) return "LIST";
  if (query.has("delete")) return "DELETE-MANY";
  if (method === "GET" && headers.range !== undefined) return "GET-RANGE";
  return ["GET", "HEAD", "PUT", "DELETE"].includes(method) ? method : "OTHER";
}

class Bucket {
  /** By `/bucket/key`. */
  #objects = new Map();
  #uploads = new Map();
  #serial = 0;

  handle(operation, request) {
    switch (operation) {
      case "PUT":
        return this.#put(request);
      case "GET":
      case "GET-RANGE":
      case "HEAD":
        return this.#get(request);
      case "DELETE":
        this.#objects.delete(request.key);
        return { status: 204 };
      case "DELETE-MANY":
        return this.#deleteMany(request);
      case "LIST":
        return this.#list(request);
      case "UPLOAD-START":
        return this.#startUpload(request);
      case "UPLOAD-PART":
        return this.#putPart(request);
      case "UPLOAD-COMPLETE":
        return this.#completeUpload(request);
      case "UPLOAD-ABORT":
        this.#uploads.delete(request.query.get("uploadId"));
        return { status: 204 };
      default:
        return failure(501, "NotImplemented");
    }
  }

  #put({ key, headers, body }) {
    if (headers["x-amz-copy-source"] !== undefined) return this.#copy(key, headers);
    // Its frames would be stored as if they were the object.
    if (headers["content-encoding"]?.includes("aws-chunked")) return failure(501, "NotImplemented");
    const present = this.#objects.get(key);
    const ifMatch = headers["if-match"];
    if (headers["if-none-match"] === "*" && present !== undefined) {
      return failure(412, "PreconditionFailed");
    }
    if (ifMatch !== undefined && present?.etag !== ifMatch)
      return failure(412, "PreconditionFailed");
    return { status: 200, headers: { etag: this.#store(key, body) } };
  }

  #copy(key, headers) {
    const source = decodeURIComponent(headers["x-amz-copy-source"]).replace(/^\/?/, "/");
    const object = this.#objects.get(source);
    if (object === undefined) return failure(404, "NoSuchKey");
    const etag = this.#store(key, object.bytes);
    return xml(`<CopyObjectResult><ETag>${toXml(etag)}</ETag></CopyObjectResult>`);
  }

  #store(key, bytes) {
    const etag = `"${(++this.#serial).toString(16).padStart(32, "0")}"`;
    this.#objects.set(key, { bytes, etag, time: new Date() });
    return etag;
  }

  #get({ key, headers }) {
    const object = this.#objects.get(key);
    if (object === undefined) return failure(404, "NoSuchKey");
    const { bytes, etag, time } = object;
    const common = { etag, "last-modified": time.toUTCString(), "accept-ranges": "bytes" };
    if (headers.range === undefined) return { status: 200, headers: common, body: bytes };
    const range = resolveRange(headers.range, bytes.length);
    if (range === undefined) return failure(416, "InvalidRange");
    const { start, end } = range;
    return {
      status: 206,
      headers: { ...common, "content-range": `bytes ${start}-${end - 1}/${bytes.length}` },
      body: bytes.subarray(start, end),
    };
  }

  #deleteMany({ key, body }) {
    const bucket = key.replace(/\/+$/, "");
    for (const [, name] of body.toString().matchAll(/<Key>([^<]*)<\/Key>/g)) {
      this.#objects.delete(`${bucket}/${fromXml(name)}`);
    }
    return xml("<DeleteResult></DeleteResult>");
  }

  #list({ key, query }) {
    const root = `${key.replace(/\/+$/, "")}/`;
    const prefix = query.get("prefix") ?? "";
    const delimiter = query.get("delimiter") ?? "";
    const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
    const limit = Math.min(Number(query.get("max-keys") ?? pageKeysMax), pageKeysMax);
    const names = [];
    for (const path of this.#objects.keys()) {
      if (!path.startsWith(root + prefix)) continue;
      const name = path.slice(root.length);
      const cut = delimiter === "" ? -1 : name.indexOf(delimiter, prefix.length);
      names.push(cut < 0 ? name : name.slice(0, cut + delimiter.length));
    }
    const page = [...new Set(names)].filter((name) => name > after).sort();
    const isTruncated = page.length > limit;
    page.length = Math.min(page.length, limit);
    const entries = page.map((name) => {
      const object = this.#objects.get(root + name);
      if (object === undefined || (delimiter !== "" && name.endsWith(delimiter))) {
        return `<CommonPrefixes><Prefix>${toXml(name)}</Prefix></CommonPrefixes>`;
      }
      return `<Contents><Key>${toXml(name)}</Key><LastModified>${object.time.toISOString()}</LastModified><ETag>${toXml(object.etag)}</ETag><Size>${object.bytes.length}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
    });
    const next = isTruncated
      ? `<NextContinuationToken>${toXml(page.at(-1))}</NextContinuationToken>`
      : "";
    return xml(
      `<ListBucketResult><Name>bucket</Name><Prefix>${toXml(prefix)}</Prefix><KeyCount>${page.length}</KeyCount><MaxKeys>${limit}</MaxKeys><IsTruncated>${isTruncated}</IsTruncated>${next}${entries.join("")}</ListBucketResult>`,
    );
  }

  #startUpload({ key }) {
    const id = `upload-${++this.#serial}`;
    this.#uploads.set(id, new Map());
    return xml(
      `<InitiateMultipartUploadResult><Bucket>bucket</Bucket><Key>${toXml(key)}</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
    );
  }

  #putPart({ query, body }) {
    const parts = this.#uploads.get(query.get("uploadId"));
    if (parts === undefined) return failure(404, "NoSuchUpload");
    const number = Number(query.get("partNumber"));
    parts.set(number, body);
    return { status: 200, headers: { etag: `"part-${number}"` } };
  }

  #completeUpload({ key, query, headers }) {
    const id = query.get("uploadId");
    const parts = this.#uploads.get(id);
    if (parts === undefined) return failure(404, "NoSuchUpload");
    if (headers["if-none-match"] === "*" && this.#objects.has(key)) {
      return failure(412, "PreconditionFailed");
    }
    const inOrder = [...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes);
    this.#uploads.delete(id);
    const etag = this.#store(key, Buffer.concat(inOrder));
    return xml(
      `<CompleteMultipartUploadResult><Key>${toXml(key)}</Key><ETag>${toXml(etag)}</ETag></CompleteMultipartUploadResult>`,
    );
  }
}

/** `bytes=a-b`, `bytes=a-` or `bytes=-n`, as half-open offsets; undefined when nothing of the object is in it. */
function resolveRange(header, size) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header) ?? [];
  if (first === undefined || (first === "" && last === "")) return undefined;
  const start = first === "" ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === "" || last === "" ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : undefined;
}

async function readBody(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return parts.length === 1 ? parts[0] : Buffer.concat(parts);
}

function send(response, { status, headers, body }, withoutBody = false) {
  response.writeHead(status, { ...headers, "content-length": body?.length ?? 0 });
  response.end(withoutBody ? undefined : body);
}

function xml(text, status = 200) {
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`);
  return { status, headers: { "content-type": "application/xml" }, body };
}

function failure(status, code, message = code) {
  return xml(`<Error><Code>${code}</Code><Message>${toXml(message)}</Message></Error>`, status);
}

function toXml(text) {
  return text.replace(
    /[&<>"]/g,
    (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c],
  );
}

function fromXml(text) {
  return text.replace(
    /&(amp|lt|gt|quot|apos);/g,
    (_, name) => ({ amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" })[name],
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const latencyMs = Number(process.env.LAT_MS ?? 0);
  const { url } = await startSlowS3({ port: Number(process.argv[2] ?? 0), latencyMs });
  console.log(url);
}
