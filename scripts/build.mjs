// Builds dist/: declarations by the compiler, and the modules of each entry point put together with the few packages that
// they need. A module of its own costs a third of a millisecond of every start, and there are over a hundred.
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { rolldown } from "rolldown";

const entries = [
  "index",
  "object-store/s3",
  "db/compactor",
  "db/collect",
  "admin/index",
  "testing/index",
  "cli/main",
];
// No module imports it: the chunk that starts a thread names it, as the file beside it.
const threadEntry = "compaction/compaction-thread";
// Loaded by what needs them, and only then.
const external = [
  /^node:/,
  /^@aws-sdk\/(?!xml-builder)/,
  /^@smithy\//,
  "commander",
  "cli-table3",
  "cli-progress",
];
// Each file costs a start a third of a millisecond: a group is one, with all that it imports and no group above it has.
const groups = {
  core: "index",
  open: "db/open-reader",
  claim: "db/open-writer",
  reader: "db/start-reader",
  writer: "db/start-writer",
  maintenance: "db/start-maintenance",
  compactor: "db/open-compactor",
  s3: "object-store/s3(-lean)?",
};
const codeSplitting = {
  groups: Object.entries(groups).map(([name, module], i) => ({
    name,
    test: new RegExp(`/src/${module}\\.ts$`.replaceAll("/", "[\\\\/]")),
    priority: Object.keys(groups).length - i,
  })),
};
// Names are kept where a stack trace would show them; the maps have the others.
const keepNames = { function: true, class: true };

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
writeFileSync("dist/THIRD-PARTY-LICENSES.txt", licensesOf(await bundle()));
chmodSync("dist/cli/main.js", 0o755);

/** What entry points share is in dist/chunks/. Gives the modules of packages that were put in, by the package's folder. */
async function bundle() {
  const build = await rolldown({
    input: Object.fromEntries([...entries, threadEntry].map((entry) => [entry, `src/${entry}.ts`])),
    platform: "node",
    external,
    resolve: { extensionAlias: { ".js": [".ts", ".js"] } },
  });
  const { output } = await build.write({
    dir: "dist",
    format: "esm",
    entryFileNames: ({ name }) =>
      name === threadEntry ? "chunks/compaction-thread.js" : "[name].js",
    chunkFileNames: "chunks/[name].js",
    sourcemap: true,
    codeSplitting,
    minify: {
      compress: { keepNames },
      mangle: { toplevel: true, keepNames },
      codegen: { removeWhitespace: true },
    },
  });
  requireThreadFiles(output);
  const files = new Map();
  for (const { modules = {} } of output) {
    for (const id of Object.keys(modules)) {
      const folder = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0];
      if (folder !== undefined) files.set(folder, [...(files.get(folder) ?? []), id]);
    }
  }
  return files;
}

/** The file of a thread has to be where the chunk that starts it says. */
function requireThreadFiles(output) {
  for (const { fileName, code = "" } of output) {
    for (const [, named] of code.matchAll(
      /new URL\([`"']([^`"']+-thread\.js)[`"'], *import\.meta\.url\)/g,
    )) {
      const file = join("dist", dirname(fileName), named);
      if (!existsSync(file)) throw new Error(`${fileName} names ${file}, which is not there.`);
    }
  }
}

/** Of a package without a file for it, the licence is what stands at the head of its modules. */
function licensesOf(files) {
  return [...files.keys()]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(
        readFileSync(join(folder, "package.json"), "utf8"),
      );
      const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
      const text =
        file === undefined
          ? headsOf(files.get(folder))
          : readFileSync(join(folder, file), "utf8").trim();
      if (text === "") throw new Error(`Package ${name} says nothing of its licence.`);
      return `${name} ${version} (${license})\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

function headsOf(modules) {
  const heads = modules.map((id) => /^(?:\/\/.*\n|\s)+/.exec(readFileSync(id, "utf8"))?.[0] ?? "");
  return [...new Set(heads.map((head) => head.replaceAll(/^\/\/ ?/gm, "").trim()))]
    .filter((head) => /copyright/i.test(head))
    .sort()
    .join("\n\n");
}
