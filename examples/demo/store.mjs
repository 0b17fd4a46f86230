/** The demo's part of the store: what lies there, and how it is removed. */
import { rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { FileObjectStore } from "moraine";

/** The store that a URL names, rooted at the database. */
export async function openStore(url) {
  if (url.startsWith("file:")) {
    return {
      store: new FileObjectStore({ directory: fileURLToPath(url) }),
      close: () => undefined,
    };
  }
  const { s3StoreFromUrl } = await import("moraine/s3");
  const store = s3StoreFromUrl(new URL(url));
  return { store, close: () => store.close() };
}

/** @returns objects by kind, each with the first bytes of its youngest one */
export async function describeObjects(store) {
  const kinds = new Map();
  for await (const { key, size } of store.list({ prefix: "" })) {
    const kind = key === "manifest/latest" ? key : key.slice(0, key.indexOf("/"));
    const known = kinds.get(kind) ?? { kind, count: 0, bytes: 0, example: "" };
    known.count++;
    known.bytes += size;
    if (key > known.example) known.example = key;
    kinds.set(kind, known);
  }
  const described = [...kinds.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1));
  for (const kind of described) {
    const range = { offset: 0, length: 8 };
    kind.head = (await store.get(kind.example, { range }))?.bytes ?? new Uint8Array(0);
  }
  return described;
}

/** Removes what the demo made. */
export async function removeDatabase({ url, folder }) {
  if (folder !== undefined) return rm(folder, { recursive: true, force: true });
  const { store, close } = await openStore(url);
  const keys = [];
  for await (const { key } of store.list({ prefix: "" })) keys.push(key);
  await store.delete(keys);
  close();
}
