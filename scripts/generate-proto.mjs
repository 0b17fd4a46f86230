// Generates src/format/generated/manifest.{js,d.ts} from proto/manifest.proto. With --check it writes nothing and exits 1
// when what is checked in is not what it would write.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const target = "src/format/generated";
const names = ["manifest.js", "manifest.d.ts"];
// pbjs would declare every message with mutable optional fields and Long; the codec checks each field anyway.
const declarations = `export interface MessageType {
  encode(message: object): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}
export declare const moraine: {
  v1: { Manifest: MessageType; Run: MessageType; LoadRecord: MessageType };
};
`;
const check = process.argv.includes("--check");
const folder = check ? mkdtempSync(join(tmpdir(), "moraine-proto-")) : target;

mkdirSync(folder, { recursive: true });
try {
  const file = join(folder, "manifest.js");
  const leaveOut = ["create", "verify", "convert", "delimited", "typeurl", "comments", "service"];
  execFileSync(
    process.execPath,
    [
      "node_modules/protobufjs-cli/bin/pbjs",
      ...["-t", "static-module", "--wrap", "es6", "--es6", "--force-number"],
      ...leaveOut.map((name) => `--no-${name}`),
      ...["-o", file, "proto/manifest.proto"],
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  writeFileSync(join(folder, "manifest.d.ts"), declarations);
  if (check) {
    for (const name of names) {
      if (readFileSync(join(folder, name), "utf8") !== readFileSync(join(target, name), "utf8")) {
        console.error(`${target}/${name} is stale: run "npm run proto".`);
        process.exitCode = 1;
      }
    }
  }
} finally {
  if (check) rmSync(folder, { recursive: true, force: true });
}
