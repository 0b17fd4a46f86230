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
  sst: (id: Ulid): string => `sst/${id}.sst`,
  run: (id: Ulid): string => `runs/${id}.run`,
  walPrefix: (epoch: number): string => `wal/${paddedNumber(epoch)}/`,
  wal: (epoch: number, id: number): string => `wal/${paddedNumber(epoch)}/${paddedNumber(id)}.wal`,
  probe: (token: string): string => `probe/${token}.probe`,
  probePrefix: "probe/",
} as const;

const manifestName = /^manifest\/(\d{20})\.manifest$/;
const sstName = /^sst\/([0-9A-HJKMNP-TV-Z]{26})\.sst$/;
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

/** The id of an SST's name, or undefined when it is none. */
export function parseSstPath(path: string): Ulid | undefined {
  return sstName.exec(path)?.[1];
}
