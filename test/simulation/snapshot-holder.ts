/**
 * `holdSnapshots`: snapshots and scans that are held open while others flush, compact and collect, and must go on showing what they showed. On a
 * `Db`, and on a reader of a checkpoint, they always do; on any other reader they may end with `SnapshotGoneError`, and never show anything else.
 */
import { decodeUtf8 } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { Db } from "../../src/db/db.js";
import type { DbReader } from "../../src/db/db-reader.js";
import { type Content, difference, equalContent, scanContent } from "./history.js";
import type { MaintenanceCounts } from "./maintainers.js";
import type { SimulatedProcess } from "./simulated-process.js";

const expectedKinds: ReadonlySet<string> = new Set(["fenced", "closed", "unknown", "unavailable"]);

/** Until the handle ends, or for so many snapshots. Never rejects: what is wrong is put down in the oracle. */
export async function holdSnapshots(
  process: SimulatedProcess,
  handle: Db | DbReader,
  oracle: { violation: Error | undefined },
  counts: Pick<MaintenanceCounts, "snapshots" | "gone">,
  snapshots = 3,
): Promise<void> {
  const { clock, random } = process;
  try {
    for (let i = 0; i < snapshots; i++) {
      await clock.sleep(randomBelow(random, 150));
      const snapshot = handle.snapshot();
      try {
        const scan = snapshot.scan();
        const begun: Content = new Map();
        const first = await scanContent(snapshot);
        const row = await scan.next();
        if (row !== undefined) begun.set(decodeUtf8(row.key), decodeUtf8(row.value));
        for (let look = 0; look < 3; look++) {
          await clock.sleep(randomBelow(random, 300));
          requireSame(process, "a snapshot", first, await scanContent(snapshot));
          counts.snapshots++;
        }
        for (let next = await scan.next(); next !== undefined; next = await scan.next()) {
          begun.set(decodeUtf8(next.key), decodeUtf8(next.value));
        }
        requireSame(process, "a scan that was held open", first, begun);
      } finally {
        await snapshot.close();
      }
    }
  } catch (error) {
    if (isMoraineError(error, "gone") && !(handle instanceof Db)) counts.gone++;
    else if (!isMoraineError(error) || !expectedKinds.has(error.kind)) {
      oracle.violation ??= error as Error;
    }
  }
}

function requireSame(
  { name }: SimulatedProcess,
  what: string,
  first: Content,
  then: Content,
): void {
  if (equalContent(first, then)) return;
  throw new Error(`${name}: ${what} has changed: ${difference(first, then)}`);
}
