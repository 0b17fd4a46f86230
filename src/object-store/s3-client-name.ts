/** `clientName`: tells apart the S3 clients that users give, of which nothing says where they send their requests. */
import type { S3Client } from "./s3-sdk.js";

let clientCount = 0;
const clientNames = new WeakMap<S3Client, string>();

export function clientName(client: S3Client): string {
  const name = clientNames.get(client) ?? `client-${++clientCount}`;
  clientNames.set(client, name);
  return name;
}
