/** What the crash sweeps of restore and destroy share: a store that is copied for each case, and an operation that is cut at one request. */
import { decodeUtf8 } from "../../../src/common/bytes.js";
import type { Reads } from "../../../src/db/reads.js";
import { MemoryObjectStore } from "../../../src/object-store/memory.js";
import { FaultyObjectStore } from "../../../src/testing/index.js";
import { isLong } from "../../support/run-counts.js";

export async function copyOf(store: MemoryObjectStore): Promise<MemoryObjectStore> {
  const copy = new MemoryObjectStore();
  for await (const { key } of store.list({ prefix: "" })) {
    await copy.put(key, (await store.get(key))!.bytes);
  }
  return copy;
}

/** The process dies with the request, before or after it is applied; or its reply is lost. */
export type Cut = "crash" | "crash applied" | "reply lost";
export const cuts: readonly Cut[] = ["crash", "crash applied", "reply lost"];

/** Each request meets all cuts where there is time (`npm run test:sim`); else one, in turn. Gives how many requests there were. */
export async function sweepRequests(
  cut: Cut,
  runCase: (at: number, cut: Cut) => Promise<boolean>,
): Promise<number> {
  let at = isLong ? 0 : cuts.indexOf(cut);
  while (await runCase(at, cut)) at += isLong ? 1 : cuts.length;
  return at;
}

export interface CutRun {
  /** Undefined: the process is gone. */
  readonly outcome: PromiseSettledResult<unknown> | undefined;
  readonly hit: boolean;
}

/** Runs `work` with a store that cuts one of its requests. A process that is gone never settles. */
export async function runCut(
  inner: MemoryObjectStore,
  at: number,
  cut: Cut,
  work: (store: FaultyObjectStore) => Promise<unknown>,
): Promise<CutRun> {
  let hit = false;
  let onGone = (): void => undefined;
  const gone = new Promise<undefined>((resolve) => {
    onGone = () => setTimeout(() => resolve(undefined), 2);
  });
  const store = new FaultyObjectStore(inner, {
    intercept: ({ index }) => {
      if (index !== at) return undefined;
      hit = true;
      if (cut === "reply lost") return { kind: "after" };
      onGone();
      return { kind: "crash", applied: cut === "crash applied" };
    },
  });
  const settled = Promise.allSettled([work(store)]).then(([outcome]) => outcome);
  return { outcome: await Promise.race([settled, gone]), hit };
}

export async function contentOf(reads: Reads): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { key, value } of reads.scan()) content[decodeUtf8(key)] = decodeUtf8(value);
  return content;
}
