/** `ObjectPaths`: the only file that knows an object's name. Names are relative to the database's path. */
import type { Ulid } from "../common/ids.js";

/** A number as objects are named by it: 20 decimal digits, so that names sort as numbers do. */
export function paddedNumber(value: number): string {
  return String(value).padStart(20, "0");
}

export const ObjectPaths = {
  manifestPrefix: "manifest/",
  manifestHint: "manifest/latest",
  manifest: (number: number): string => `manifest/${paddedNumber(number)}.manifest`,
  sstPrefix: "sst/",
  /** `owner`: the database whose it is, where that is another one: external-routes.ts knows where that lies. */
  sst: (id: Ulid, owner: Ulid = ""): string => `${ofOwner(owner)}sst/${id}.sst`,
  runPrefix: "runs/",
  run: (id: Ulid, owner: Ulid = ""): string => `${ofOwner(owner)}runs/${id}.run`,
  retiredPrefix: "retired/",
  retiredList: (id: Ulid): string => `retired/${id}.retired`,
  compactionsPrefix: "compactions/",
  compactions: (number: number): string => `compactions/${paddedNumber(number)}.compactions`,
  walsPrefix: "wal/",
  walPrefix: (epoch: number): string => `wal/${paddedNumber(epoch)}/`,
  wal: (epoch: number, id: number): string => `wal/${paddedNumber(epoch)}/${paddedNumber(id)}.wal`,
  probe: (token: string): string => `probe/${token}.probe`,
  probePrefix: "probe/",
  externalPrefix: "databases/",
  claimPrefix: "claims/",
  claim: (number: number): string => `claims/${paddedNumber(number)}.claim`,
  claimHeartbeat: (number: number): string => `claims/${paddedNumber(number)}.heartbeat`,
} as const;

function ofOwner(owner: Ulid): string {
  return owner === "" ? "" : `${ObjectPaths.externalPrefix}${owner}/`;
}

const manifestName = /^manifest\/(\d{20})\.manifest$/;
const sstName = /^sst\/([0-9A-HJKMNP-TV-Z]{26})\.sst$/;
const ownedSstName =
  /^(?:databases\/([0-9A-HJKMNP-TV-Z]{26})\/)?sst\/([0-9A-HJKMNP-TV-Z]{26})\.sst$/;
const runName = /^runs\/([0-9A-HJKMNP-TV-Z]{26})\.run$/;
const retiredListName = /^retired\/([0-9A-HJKMNP-TV-Z]{26})\.retired$/;
const compactionsName = /^compactions\/(\d{20})\.compactions$/;
const claimName = /^claims\/(\d{20})\.(claim|heartbeat)$/;
const walName = /^wal\/(\d{20})\/(\d{20})\.wal$/;

/** The number of a manifest's name, or undefined when it is none. */
export function parseManifestPath(path: string): number | undefined {
  const match = manifestName.exec(path);
  return match === null ? undefined : Number(match[1]);
}

/** Epoch and id of a WAL object's name, or undefined when it is none. */
export function parseWalPath(path: string): { epoch: number; id: number } | undefined {
  const match = walName.exec(path);
  return match === null ? undefined : { epoch: Number(match[1]), id: Number(match[2]) };
}

/** Id and owner of an SST's name, where the owner is `""` for this database itself; undefined when it is none. */
export function parseOwnedSstPath(path: string): { id: Ulid; owner: Ulid } | undefined {
  const match = ownedSstName.exec(path);
  return match === null ? undefined : { id: match[2]!, owner: match[1] ?? "" };
}

/** The id of an SST's name, or undefined when it is none of this database. */
export function parseSstPath(path: string): Ulid | undefined {
  return sstName.exec(path)?.[1];
}

/** The id of a run's own object, or undefined when it is none. */
export function parseRunPath(path: string): Ulid | undefined {
  return runName.exec(path)?.[1];
}

/** The id of a list of retired objects, or undefined when it is none. */
export function parseRetiredListPath(path: string): Ulid | undefined {
  return retiredListName.exec(path)?.[1];
}

/** The number of a state of compactions, or undefined when it is none. */
export function parseCompactionsPath(path: string): number | undefined {
  const match = compactionsName.exec(path);
  return match === null ? undefined : Number(match[1]);
}

/** The number of an exporter's claim, and whether it is its heartbeat; undefined when it is neither. */
export function parseClaimPath(path: string): { number: number; isHeartbeat: boolean } | undefined {
  const match = claimName.exec(path);
  return match === null
    ? undefined
    : { number: Number(match[1]), isHeartbeat: match[2] === "heartbeat" };
}
