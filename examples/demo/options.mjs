/** What the demo is asked to do, from the command line. */
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const usage = `npm run demo -- [options]
  --root FOLDER   the tree of files to index (node_modules)
  --url URL       where the demo makes its database, in a folder of its own: file:///… or s3://bucket/path (a temporary folder)
  --files COUNT   at most so many files (all)
  --keep          leave the database there at the end`;

/**
 * @typedef {object} DemoOptions
 * @property {string} root the tree of files
 * @property {string} url the database, which is not there yet
 * @property {number} files at most so many
 * @property {boolean} keep
 * @property {string | undefined} folder to be removed at the end, where the database is in one
 */

/** @returns {Promise<DemoOptions>} */
export async function readOptions() {
  const { values } = parseArgs({
    options: {
      root: { type: "string" },
      url: { type: "string" },
      files: { type: "string" },
      keep: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const files = values.files === undefined ? Number.POSITIVE_INFINITY : Number(values.files);
  if (!(files >= 1)) throw new Error(`--files must be a number from 1, not "${values.files}"`);
  const root = resolve(
    values.root ?? fileURLToPath(new URL("../../node_modules", import.meta.url)),
  );
  if (!(await stat(root)).isDirectory()) throw new Error(`--root "${root}" is no folder`);
  return { root, files, keep: values.keep, ...(await ownPlace(values.url)) };
}

/** The demo deletes what it made, so it never works in a folder that somebody else may use. */
async function ownPlace(url) {
  if (url === undefined) {
    const folder = await mkdtemp(join(tmpdir(), "moraine-demo-"));
    return { folder, url: pathToFileURL(join(folder, "db")).href };
  }
  const own = new URL(url);
  if (own.protocol !== "file:" && own.protocol !== "s3:") {
    throw new Error("--url must be file:///… or s3://…: memory is not shared between processes");
  }
  const name = `moraine-demo-${Date.now().toString(36)}`;
  own.pathname = `${own.pathname.replace(/\/$/, "")}/${name}`;
  return { folder: own.protocol === "file:" ? fileURLToPath(own) : undefined, url: own.href };
}
