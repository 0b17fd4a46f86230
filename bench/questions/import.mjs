import { median } from "../lib/numbers.mjs";
import { outputOf } from "../lib/process.mjs";

export const question = "How long does import() of an engine take in a fresh process?";

const imports = 10;
const store = "file";
const modules = {
  moraine: { alone: ["../dist/index.js"], s3: ["../dist/index.js", "../dist/object-store/s3.js"] },
  uniffi: { alone: ["@slatedb/uniffi"], s3: ["@slatedb/uniffi"] },
  "classic-level": { alone: ["classic-level"] },
  lmdb: { alone: ["lmdb"] },
};

export const cases = [
  {
    name: "the package",
    engines: ["moraine", "uniffi", "classic-level", "lmdb"],
    store,
    what: "alone",
  },
  { name: "and its S3 store", engines: ["moraine", "uniffi"], store, what: "s3" },
];

export const figures = { ms: "lower", "least ms": "lower" };

/** One process more than is counted: the first reads the files from the disk. */
export async function measure({ options, engineName }) {
  const samples = [];
  for (let i = 0; i <= imports; i++) {
    const output = await outputOf(
      new URL("../import-once.mjs", import.meta.url),
      modules[engineName][options.what],
    );
    samples.push(Number(output));
  }
  const counted = samples.slice(1);
  return { ms: median(counted), "least ms": Math.min(...counted) };
}
