// Builds dist/: compiles src/ and copies the generated code, which the compiler leaves alone.
import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json"], {
  stdio: "inherit",
});
cpSync("src/format/generated", "dist/format/generated", { recursive: true });
chmodSync("dist/cli/main.js", 0o755);
