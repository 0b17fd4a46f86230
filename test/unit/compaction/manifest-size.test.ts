/** A flush writes as many manifest bytes to a large database as to a small one: lists of long runs stand elsewhere. */
import { expect, test } from "vitest";
import { type Bytes, encodeUtf8 } from "../../../src/common/bytes.js";
import { leveled } from "../../../src/compaction/leveled.js";
import { sizeTiered } from "../../../src/compaction/size-tiered.js";
import type { L0Entry, Manifest, SortedRun, SstInfo } from "../../../src/format/manifest.js";
import { encodeManifest } from "../../../src/format/manifest-codec.js";
import { buildSortedRun } from "../../../src/manifest/sorted-run.js";
import { claimed, databaseId, ulid } from "../manifest/manifests.js";

const MiB = 1024 * 1024;
const commitBytesMax = 16 * 1024;
let ids = 0;

/** Keys as applications have them. */
const key = (number: number): Bytes => encodeUtf8(`customer/${String(number).padStart(12, "0")}`);

function sstsOf(count: number): SstInfo[] {
  return Array.from({ length: count }, (_, i) => ({
    ...{ id: ulid(++ids), size: 64 * MiB, metaOffset: 63 * MiB, topOffset: 63 * MiB + 9000 },
    ...{ firstKey: key(i * 1000), lastKey: key(i * 1000 + 999), minSeq: 2 ** 33, maxSeq: 2 ** 34 },
    ...{ rowCount: 400_000, deleteCount: 0, maxExpiresAt: 0, seq: 0 },
    ...{ rangeDeletesOffset: 0, rangeDeletes: [], shadowedCount: 0, expiringCount: 0, owner: "" },
  }));
}

/** With the whole list; and as it stands in the manifest. */
interface FakeRun {
  readonly whole: SortedRun;
  readonly named: SortedRun;
}

const made = new Map<number, FakeRun>();

function runOf(count: number, level: number): FakeRun {
  let like = made.get(count);
  if (like === undefined) {
    const ssts = sstsOf(count);
    const { run } = buildSortedRun(databaseId, { id: ulid(++ids), level }, ssts);
    like = { whole: { ...run, ssts }, named: run };
    made.set(count, like);
  }
  const id = ulid(++ids);
  return { whole: { ...like.whole, id, level }, named: { ...like.named, id, level } };
}

const manifestOf = (l0: readonly L0Entry[], runs: readonly SortedRun[]): Manifest => ({
  ...claimed,
  ...{ l0, runs, lastL0Seq: 2 ** 34, lastSeq: 2 ** 34 },
});

/** What a commit writes besides its entries of L0. */
function commitBytes(l0: readonly L0Entry[], runs: readonly SortedRun[]): number {
  const whole = encodeManifest(manifestOf(l0, runs)).length;
  return (
    whole - (encodeManifest(manifestOf(l0, [])).length - encodeManifest(manifestOf([], [])).length)
  );
}

const entry = (): L0Entry => ({
  ssts: sstsOf(1).map((sst) => ({ ...sst, size: 16 * MiB })),
  seq: 0,
});

/** The most that a flush writes while jobs are carried out at once, each for as many flushes as its bytes say. */
function mostOfSizeTiered(sstCount: number, flushes: number): number {
  const strategy = sizeTiered();
  let runs = [runOf(sstCount, 0)];
  let l0: L0Entry[] = [];
  let most = 0;
  const jobs: { inputs: ReturnType<typeof strategy.pick>[number]["inputs"]; doneAt: number }[] = [];
  for (let flush = 0; flush < flushes; flush++) {
    l0.push(entry());
    most = Math.max(
      most,
      commitBytes(
        l0,
        runs.map(({ named }) => named),
      ),
    );
    for (const job of jobs.filter(({ doneAt }) => doneAt <= flush)) {
      jobs.splice(jobs.indexOf(job), 1);
      const { inputs } = job;
      const taken = runs.filter(({ whole }) => inputs.runs.some(({ id }) => id === whole.id));
      const bytes = taken.reduce((sum, { whole }) => sum + whole.size, inputs.l0.length * 16 * MiB);
      // Updates of what the oldest run has.
      const isFull = taken.includes(runs.at(-1)!);
      const result = runOf(isFull ? sstCount : Math.ceil(bytes / (64 * MiB)), 0);
      const at = taken.length === 0 ? 0 : runs.indexOf(taken[0]!);
      runs = [...runs.slice(0, at), result, ...runs.slice(at + taken.length)];
      l0 = l0.slice(inputs.l0.length);
    }
    const running = jobs.map(({ inputs }) => inputs);
    const manifest = manifestOf(
      l0,
      runs.map(({ whole }) => whole),
    );
    for (const { inputs } of strategy.pick(manifest, running, 0).slice(0, 3 - jobs.length)) {
      const bytes = runs
        .filter(({ whole }) => inputs.runs.some(({ id }) => id === whole.id))
        .reduce((sum, { whole }) => sum + whole.size, 0);
      jobs.push({ inputs, doneAt: flush + 1 + Math.ceil(bytes / (64 * MiB)) });
    }
  }
  return most;
}

test.each([
  [100, 600],
  [1_000, 1000],
  [10_000, 600],
  [100_000, 100],
])("size-tiered, %i SSTs: a commit writes 16 KiB besides L0 at most", (sstCount, flushes) => {
  const most = mostOfSizeTiered(sstCount, flushes);
  report("size-tiered", sstCount, most);
  expect(most).toBeLessThanOrEqual(commitBytesMax);
});

test.each([1_000, 10_000, 100_000])(
  "leveled in 7 levels, %i SSTs: a commit writes 16 KiB besides L0 at most",
  (sstCount) => {
    const runs = Array.from({ length: 7 }, (_, i) =>
      runOf(Math.max(1, Math.round((0.9 * sstCount) / 10 ** (6 - i))), i + 1),
    );
    const manifest = manifestOf(
      [],
      runs.map(({ whole }) => whole),
    );
    expect(
      leveled()
        .pick(manifest, [], 0)
        .every(({ level }) => level > 0),
    ).toBe(true);
    const most = commitBytes(
      [entry()],
      runs.map(({ named }) => named),
    );
    report("leveled", sstCount, most);
    expect(most).toBeLessThanOrEqual(commitBytesMax);
  },
);

test("the lists of 100,000 SSTs would be a thousand times as much", () => {
  const { whole, named } = runOf(100_000, 0);
  expect(commitBytes([], [whole])).toBeGreaterThan(8 * MiB);
  expect(commitBytes([], [named])).toBeLessThan(512);
});

function report(name: string, sstCount: number, bytes: number): void {
  if (process.env["MORAINE_REPORT"] !== "1") return;
  process.stdout.write(`manifest of ${sstCount} SSTs, ${name}: ${bytes} bytes besides L0\n`);
}
