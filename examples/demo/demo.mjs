/**
 * The main job of Moraine, runnable: a tree of files is indexed into a database, the writer is killed in the middle, another process
 * carries on, and then it is proved that every acknowledged write is there. `npm run demo -- --help` lists the options.
 */
import { DbReader } from "moraine";
import { Follower } from "./follower.mjs";
import { readOptions } from "./options.mjs";
import { startProgress } from "./progress.mjs";
import { prove } from "./proof.mjs";
import { count, heading, line, showCosts, showObjects, showRows } from "./report.mjs";
import { describeObjects, openStore, removeDatabase } from "./store.mjs";
import { listFiles } from "./tree.mjs";
import { WriterProcess } from "./writer-process.mjs";

const options = await readOptions().catch((error) => {
  console.error(error.message);
  process.exit(2);
});
let writer;
process.once("SIGINT", () => {
  writer?.kill();
  void removeDatabase(options).finally(() => process.exit(130));
});
try {
  process.exitCode = (await demo()) ? 0 : 1;
} finally {
  writer?.kill();
  if (options.keep) line(`The database is kept: moraine inspect "${options.url}"`);
  else await removeDatabase(options);
}

async function demo() {
  const startMs = performance.now();
  const total = (await listFiles(options.root, options.files)).length;
  heading(`Indexing ${count(total)} files of ${options.root} into ${options.url}`);
  /** path → SHA-256 of the value, for every write that the writer has acknowledged */
  const acknowledged = new Map();
  const killed = await writeUntilKilled(acknowledged, total);
  const { finished, follower } = await carryOn(acknowledged, total);
  const { proof, stats } = await proveAll(acknowledged);
  const { store, close } = await openStore(options.url);
  heading("Objects in the store");
  const kinds = await describeObjects(store);
  close();
  showObjects(kinds);
  heading("Requests");
  showCosts(
    {
      "first writer (until shortly before it was killed)": killed?.requests,
      "second writer": finished?.requests,
      "reader that followed": follower.stats.requests,
      "reader of the proof": stats.requests,
    },
    kinds.reduce((sum, kind) => sum + kind.bytes, 0),
  );
  for (const problem of proof.wrong.slice(0, 20)) line(`WRONG  ${problem}`);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  const verdict =
    proof.wrong.length === 0
      ? `Every one of ${count(acknowledged.size)} acknowledged writes is there.`
      : `${count(proof.wrong.length)} things are wrong.`;
  heading(`${verdict} ${seconds} s\n`);
  return proof.wrong.length === 0;
}

/** The first writer is killed when half of the files are acknowledged. */
async function writeUntilKilled(acknowledged, total) {
  heading("A writer, in a process of its own");
  const half = Math.ceil(total / 2);
  const bar = startProgress("first writer ", total);
  writer = new WriterProcess(options, {
    onPath({ path, digest }) {
      acknowledged.set(path, digest);
      bar.update(acknowledged.size);
      if (acknowledged.size === half) writer.kill();
    },
  });
  const ended = await writer.ended;
  bar.stop();
  // A handful of files may be written before the kill arrives.
  if (ended !== "SIGKILL" && ended !== 0) throw new Error(`the first writer ended with ${ended}`);
  line(
    `process ${writer.pid}: ${ended === 0 ? "finished before it could be killed" : `ended by ${ended}`}, ${count(acknowledged.size)} writes acknowledged`,
  );
  return writer.stats;
}

/** Another process opens the database, which ends the first writer's log, replays it, and writes what is missing. */
async function carryOn(acknowledged, total) {
  heading("Another process carries on, and a reader in this one follows it");
  const follower = await Follower.open(options.url);
  let lastSeq = 0;
  let opened;
  const before = acknowledged.size;
  const bar = startProgress("second writer", total, acknowledged.size);
  let written = 0;
  const startMs = performance.now();
  writer = new WriterProcess(options, {
    onOpen(open) {
      opened = { ...open, afterMs: performance.now() - startMs };
      bar.update(open.known);
    },
    onPath({ path, seq, digest }) {
      acknowledged.set(path, digest);
      lastSeq = Math.max(lastSeq, seq);
      follower.acknowledged(seq);
      bar.update(opened.known + ++written);
    },
  });
  const ended = await writer.ended;
  bar.stop();
  if (ended !== 0) {
    await follower.close();
    throw new Error(`the second writer ended with ${ended}`);
  }
  const followed = await follower.finish(lastSeq);
  line(
    `process ${writer.pid}: open ${Math.round(opened.afterMs)} ms after its start, epoch ${opened.epoch}, ${count(opened.known)} files found (${count(opened.known - before)} of them durable before the kill, but not acknowledged), ${count(written)} written`,
  );
  const { medianMs, worstMs, samples } = followed;
  line(
    `the reader saw a write ${medianMs.toFixed(1)} ms after this process had heard of it (median of ${samples}, at worst ${worstMs.toFixed(1)} ms), and now sees seq ${count(followed.seq)}`,
  );
  return { finished: writer.stats, follower: followed };
}

async function proveAll(acknowledged) {
  heading("The proof, by a new reader");
  const reader = await DbReader.open(options.url);
  try {
    const bar = startProgress("get          ", acknowledged.size);
    const { root } = options;
    const proof = await prove(reader, {
      root,
      acknowledged,
      advance: (step) => bar.increment(step),
    });
    bar.stop();
    line(
      `${count(acknowledged.size)} acknowledged writes read back, ${count(proof.wrong.length)} wrong`,
    );
    line(
      `${count(proof.sampleCount)} files hashed again${proof.changed > 0 ? ` (${proof.changed} have changed on disk since)` : ""}; a scan gives ${count(proof.rowCount)} rows in order`,
    );
    const prefix = (await reader.keys({ prefix: "typescript/", limit: 1 }).next())
      ? "typescript/"
      : "";
    heading(`A scan: the first rows of ${prefix === "" ? "all" : `"${prefix}"`}`);
    showRows(await reader.scan({ prefix, limit: 8 }).nextMany(8));
    return { proof, stats: reader.stats() };
  } finally {
    await reader.close();
  }
}
