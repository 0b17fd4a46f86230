/** An inspection as tables for a terminal. */
import Table from "cli-table3";
import type { SstInfo } from "../format/manifest.js";
import { rangeDeleteCount } from "../format/tombstone-spans.js";
import { count } from "./count.js";
import { showBytes } from "./encoding.js";
import { inputsOf, jobStatusName, outputBytes } from "./inspect-compactions.js";
import type { Inspection } from "./inspect-database.js";
import { retiredKindName } from "./inspect-json.js";
import type { WalLogInspection } from "./inspect-wal.js";

const keyCharactersMax = 32;
const tableRowsMax = 50;

export function toTables(inspection: Inspection): string {
  const { manifest, objects } = inspection;
  const sections = [
    overview(inspection),
    table(
      "L0, oldest first",
      ["SST", "rows", "deletes", "range deletes", "bytes", "seqs", "first key", "last key"],
      manifest.l0.flatMap((entry) => entry.ssts.map((sst) => sstRow(sst, entry.seq))),
    ),
    table(
      "Sorted runs, newest first",
      ["run", "level", "SSTs", "rows", "bytes", "first key", "last key"],
      manifest.runs.map((run) => [
        ...[run.id, count(run.level), count(run.sstCount), count(run.rowCount), count(run.size)],
        ...[key(run.firstKey), key(run.lastKey)],
      ]),
    ),
    table(
      "Compactions under way",
      ["job", "state", "worker", "inputs", "why", "level", "output bytes", "failure"],
      (inspection.compactions?.jobs ?? []).map((job) => [
        ...[job.id, jobStatusName(job), text(job.worker), inputsOf(job), text(job.reason)],
        ...[count(job.level), count(outputBytes(job)), text(job.failure)],
      ]),
    ),
    table(
      "Write-ahead log",
      ["epoch", "objects", "bytes", "ids", "groups", "records", "loads", "seqs", "ends"],
      (inspection.wal ?? []).map(logRow),
    ),
    table(
      "Checkpoints",
      ["id", "name", "manifest", "created", "ttl ms"],
      manifest.checkpoints.map((checkpoint) => [
        ...[checkpoint.id, text(checkpoint.name)],
        ...[count(checkpoint.manifestNumber), time(checkpoint.createdAt), count(checkpoint.ttlMs)],
      ]),
    ),
    table(
      "Retired, to be collected",
      ["kind", "since manifest", "objects"],
      manifest.retired.map((entry) => [
        retiredKindName(entry.kind),
        count(entry.manifestNumber),
        entry.ids.length > 0
          ? count(entry.ids.length)
          : `epoch ${entry.epoch}, ids ${entry.fromId} to ${entry.toId - 1}`,
      ]),
    ),
    objects &&
      table(
        "Objects below the path",
        ["kind", "objects", "bytes"],
        objects.map(({ kind, count: objectCount, bytes }) => [
          text(kind),
          count(objectCount),
          count(bytes),
        ]),
      ),
  ];
  return sections.filter((section) => section !== undefined && section !== "").join("\n");
}

function overview({ manifest, manifestBytes, wal, totals }: Inspection): string {
  const { walStart, pinned } = manifest;
  const state = manifest.destroyed ? ", destroyed" : "";
  const lines: [string, string][] = [
    ["Database", `${manifest.databaseId}${state}`],
    [
      "Manifest",
      `${manifest.number}, ${count(manifestBytes)} bytes, created ${time(manifest.createdAt)}`,
    ],
    ["Epochs", `writer ${manifest.writerEpoch}, compactor ${manifest.compactorEpoch}`],
    [
      "Seqs",
      `last ${manifest.lastSeq}, in L0 up to ${manifest.lastL0Seq}, compacted up to ${manifest.compactedSeq}`,
    ],
    ["Replay from", `epoch ${walStart.epoch}, id ${walStart.id}`],
    [
      "SSTs",
      `${count(totals.sstCount)}, ${count(totals.sstBytes)} bytes, ${count(totals.rowCount)} rows`,
    ],
    ["Retired", count(totals.retiredCount, "object")],
    [
      "WAL",
      wal === undefined
        ? `on the store ${pinned.walStoreId} at "${pinned.walPath}": add ?wal=URL to see it`
        : `${count(totals.walObjectCount, "object")}, ${count(totals.walBytes, "byte")}`,
    ],
  ];
  return lines.map(([name, text]) => `${name.padEnd(12)} ${text}\n`).join("");
}

function sstRow(sst: SstInfo, loadSeq: number): string[] {
  const seqs = loadSeq > 0 ? `${loadSeq} (load)` : `${sst.minSeq} to ${sst.maxSeq}`;
  return [
    ...[sst.id, count(sst.rowCount), count(sst.deleteCount), count(rangeDeleteCount(sst))],
    ...[count(sst.size), seqs, key(sst.firstKey), key(sst.lastKey)],
  ];
}

function logRow(log: WalLogInspection): string[] {
  const { content } = log;
  const ids = log.lastId === undefined ? `from ${log.fromId}` : `${log.fromId} to ${log.lastId}`;
  const listed = [String(log.epoch), count(log.objectCount), count(log.bytes), ids];
  if (content === undefined) return [...listed, "?", "?", "?", "?", "? (--wal reads it)"];
  const seqs = content.firstSeq === 0 ? "" : `${content.firstSeq} to ${content.lastSeq}`;
  const { fence, missingId, ignoredCount } = content;
  const end =
    fence !== undefined
      ? `fence ${fence.id} by epoch ${fence.closerEpoch}`
      : missingId !== undefined
        ? `${missingId} is missing`
        : "open";
  const ignored = ignoredCount > 0 ? `; ${ignoredCount} after it` : "";
  const { groupCount, recordCount, loadCount, loadSstCount } = content;
  const loads = loadCount === 0 ? "0" : `${count(loadCount)} (${count(loadSstCount)} SSTs)`;
  return [...listed, count(groupCount), count(recordCount), loads, seqs, end + ignored];
}

/** Empty when there are no rows. Only the last rows of a long table, which are the newest. */
function table(title: string, head: string[], rows: string[][]): string {
  if (rows.length === 0) return "";
  const result = new Table({ head, style: { head: [], border: [], compact: true } });
  result.push(...rows.slice(-tableRowsMax));
  const hidden = rows.length - tableRowsMax;
  const note = hidden > 0 ? ` (${hidden} more; --json shows all)` : "";
  return `${title}${note}\n${result.toString()}\n`;
}

const text = (value: string): string => showBytes(new TextEncoder().encode(value), 60);
const key = (bytes: Uint8Array): string => showBytes(bytes, keyCharactersMax);
const time = (ms: number): string => new Date(ms).toISOString();
