import { fill } from "../lib/data-set.mjs";
import { median } from "../lib/numbers.mjs";
import { outputOf } from "../lib/process.mjs";

export const question =
  "How long does a fresh process take to open a database of 200,000 rows of 100 B and get a first key, and with how many requests?";

const rowCount = 200_000;
const opens = 5;
const ofObjects = ["moraine", "uniffi"];
const state = "closed";

export const cases = [
  { name: "reader, 25 ms store", engines: ofObjects, store: "slow-s3", state, role: "reader" },
  { name: "writer, 25 ms store", engines: ofObjects, store: "slow-s3", state, role: "writer" },
  { name: "reader, local disk", engines: ofObjects, store: "file", state, role: "reader" },
  {
    name: "writer, local disk",
    engines: [...ofObjects, "classic-level", "lmdb"],
    store: "file",
    state,
    role: "writer",
  },
];

/** The first two contain the next three; the time from the start has that of Node itself in it. */
export const figures = {
  "from process start ms": "lower",
  "from import() ms": "lower",
  "import() ms": "lower",
  "open ms": "lower",
  "first get ms": "lower",
  requests: "lower",
};

export function prepare({ engine, rows }) {
  return fill({ engine, rows, count: rowCount });
}

/** One process more than is counted: the first reads the files of the engine from the disk. */
export async function measure({ rows, options, engineName, location, server }) {
  const samples = [];
  for (let i = 0; i <= opens; i++) {
    if (location.kind === "s3") await server.reset();
    const key = rows.keyAt(i * 1_000).toString();
    const task = { engineName, location, role: options.role, key };
    const output = await outputOf(new URL("../open-once.mjs", import.meta.url), [
      JSON.stringify(task),
    ]);
    samples.push(JSON.parse(output));
  }
  const counted = samples.slice(1);
  return Object.fromEntries(
    Object.keys(figures)
      .filter((figure) => counted[0][figure] !== undefined)
      .map((figure) => [figure, median(counted.map((sample) => sample[figure]))]),
  );
}
