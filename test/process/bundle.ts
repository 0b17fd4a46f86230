/** Plain JavaScript of the sources in a temporary folder, for child processes: they have neither a build nor a test runner. */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface PlainSources {
  /** Where a script can `import "moraine"` and `"moraine/testing"`. */
  readonly directory: string;
  remove(): void;
}

export function plainSources(): PlainSources {
  const directory = mkdtempSync(join(tmpdir(), "moraine-process-"));
  const files = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" });
  for (const name of files) {
    if (!name.endsWith(".ts") || name.endsWith(".d.ts")) continue;
    const target = join(directory, "dist", name.replace(/ts$/, "js"));
    mkdirSync(dirname(target), { recursive: true });
    const { outputText } = ts.transpileModule(readFileSync(join(root, "src", name), "utf8"), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2023,
        module: ts.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
      },
    });
    writeFileSync(target, outputText);
  }
  cpSync(join(root, "package.json"), join(directory, "package.json"));
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
