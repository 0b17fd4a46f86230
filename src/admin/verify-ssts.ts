/** Reading SSTs whole: every byte is checked, and what the manifest says of each. */
import { equalBytes } from "../common/bytes.js";
import type { Ulid } from "../common/ids.js";
import type { Manifest, SstInfo } from "../format/manifest.js";
import { readFooter } from "../format/sst-tail.js";
import { verifySst } from "../format/verify-sst.js";
import { eachOf } from "../gc/pinned-states.js";
import { ObjectPaths } from "../object-store/paths.js";
import type { AdminContext } from "./context.js";
import type { Findings } from "./verify-findings.js";
import type { NamedSst } from "./verify-names.js";

export interface ReadSstsOptions {
  readonly signal: AbortSignal | undefined;
  readonly inFlight: number;
}

/** One that is missing is known to be already. */
export async function readSsts(
  { store, stored }: AdminContext,
  ssts: Iterable<NamedSst>,
  findings: Findings,
  { signal, inFlight }: ReadSstsOptions,
): Promise<void> {
  const ownId = stored.current.databaseId;
  const read = async ({ id, owner, info }: NamedSst): Promise<void> => {
    const object = ObjectPaths.sst(id, owner);
    const found = await store.get(object, { signal });
    if (found === undefined) return;
    findings.checked(found.bytes.length);
    const said = await findings.guard(object, () => {
      const databaseId =
        info === undefined ? ownerOf(found.bytes, object, stored.current) : owner || ownId;
      return verifySst(found.bytes, { object, databaseId, id });
    });
    if (said === undefined || info === undefined) return;
    for (const name of differences(info, said)) {
      findings.add(object, "contradiction", `its ${name} is not what the manifest says`);
    }
  };
  await eachOf(ssts, read, inFlight);
}

/** Of one of which only the id is named: after a detach, another database's copies lie beside this one's own. */
function ownerOf(bytes: Uint8Array, object: string, { databaseId, externals }: Manifest): Ulid {
  const said = readFooter(bytes, bytes.length, object).databaseId;
  return externals.some((one) => one.databaseId === said) ? said : databaseId;
}

const exact = [
  ...([
    "size",
    "metaOffset",
    "topOffset",
    "rowCount",
    "deleteCount",
    "rangeDeletesOffset",
  ] as const),
  ...(["maxExpiresAt"] as const),
];

function differences(named: SstInfo, found: SstInfo): readonly string[] {
  const different: string[] = exact.filter((name) => named[name] !== found[name]);
  if (!equalBytes(named.firstKey, found.firstKey)) different.push("first key");
  if (!equalBytes(named.lastKey, found.lastKey)) different.push("last key");
  // Rows of a load carry no seq: the manifest has it.
  if (named.seq === 0 && named.minSeq !== found.minSeq) different.push("lowest seq");
  if (named.seq === 0 && named.maxSeq !== found.maxSeq) different.push("highest seq");
  const spans = (sst: SstInfo): string =>
    JSON.stringify(
      sst.rangeDeletes.map(({ start, end, endless, count }) => [
        [...start],
        [...end],
        endless,
        count,
      ]),
    );
  if (spans(named) !== spans(found)) different.push("list of range deletes");
  return different;
}
