/** The layers of DESIGN 5 are checked by dependency-cruiser; a planted violation shows that the check can fail. */
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const binary = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");

interface Cruise {
  readonly exitCode: number;
  readonly output: string;
}

function cruise(directory: string): Promise<Cruise> {
  const args = [binary, "src", "--config", ".dependency-cruiser.mjs"];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: directory }, (error, stdout, stderr) => {
      resolve({ exitCode: error === null ? 0 : 1, output: stdout + stderr });
    });
  });
}

test("the sources keep to their layers", async () => {
  const { exitCode, output } = await cruise(root);
  expect(output).toContain("no dependency violations found");
  expect(exitCode).toBe(0);
});

/** A file and what it imports; each is what a rule is there for. */
const violations: [rule: string, file: string, imports: string][] = [
  ["layer-format", "src/format/planted.ts", "../db/db.js"],
  ["layer-common", "src/common/planted.ts", "../format/manifest.js"],
  ["layer-read", "src/read/planted.ts", "../flush/flusher.js"],
  ["layer-testing", "src/testing/planted.ts", "../db/db.js"],
  ["every-folder-is-a-layer", "src/helpers/planted.ts", "../common/bytes.js"],
  ["aws-sdk-only-in-s3", "src/db/planted.ts", "@aws-sdk/client-s3"],
  ["xml-only-in-s3-xml", "src/db/planted-xml.ts", "@aws-sdk/xml-builder"],
  ["aws4-only-in-s3-signing", "src/db/planted-signer.ts", "aws4"],
  ["ulid-only-in-ids", "src/wal/planted.ts", "ulid"],
  ["protobuf-only-in-protobuf-wire", "src/format/planted-wire.ts", "@bufbuild/protobuf/wire"],
  ["no-dev-dependency-in-src", "src/format/planted-protobuf.ts", "protobufjs/minimal.js"],
  ["io-only-in-object-store", "src/sst/planted.ts", "node:fs"],
  ["threads-only-in-compaction", "src/db/planted-thread.ts", "node:worker_threads"],
  ["os-only-for-io-and-the-compaction-thread", "src/compaction/planted-os.ts", "node:os"],
  ["no-cycles", "src/common/cycle.ts", "./cycle-back.js"],
];

describe("a planted violation", () => {
  let copy = "";
  let report: Cruise;

  beforeAll(async () => {
    copy = await mkdtemp(join(tmpdir(), "moraine-layers-"));
    for (const name of [".dependency-cruiser.mjs", "tsconfig.json", "package.json"]) {
      await cp(join(root, name), join(copy, name));
    }
    await symlink(join(root, "node_modules"), join(copy, "node_modules"));
    for (const file of ["common/bytes", "db/db", "format/manifest", "flush/flusher"]) {
      await plant(`src/${file}.ts`, "export const planted = 1;\n");
    }
    for (const [, file, imports] of violations) {
      await plant(file, `import "${imports}";\n`);
    }
    await plant("src/common/cycle-back.ts", 'import "./cycle.js";\n');
    report = await cruise(copy);
  });
  afterAll(() => rm(copy, { recursive: true, force: true }));

  async function plant(file: string, text: string): Promise<void> {
    await mkdir(dirname(join(copy, file)), { recursive: true });
    await writeFile(join(copy, file), text);
  }

  test("fails the check", () => {
    expect(report.exitCode).toBe(1);
  });

  test.each(violations)("of %s is named with its file", (rule, file) => {
    const reports = report.output
      .split(/(?=\berror )/)
      .filter((text) => text.startsWith(`error ${rule}:`));
    expect(reports.join("")).toContain(file);
  });
});
