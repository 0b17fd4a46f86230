// node count.mjs JSON OUTPUT RC: prints "PASSED FAILED" of a suite, from vitest's JSON or from a last line in OUTPUT that
// has "N passed" (or "N scenarios"). A suite that ran nothing, or failed without naming a test, counts as one failure.
import { existsSync, readFileSync } from "node:fs";

const [json, output, rc] = process.argv.slice(2);
let passed = 0;
let failed = 0;
if (existsSync(json)) {
  const report = JSON.parse(readFileSync(json, "utf8"));
  passed = report.numPassedTests;
  failed = report.numFailedTests;
} else {
  const text = readFileSync(output, "utf8");
  passed = Number(
    text
      .match(/(\d+) (?:scenarios )?passed/g)
      ?.at(-1)
      ?.match(/\d+/)[0] ?? 0,
  );
  failed = Number(
    text
      .match(/(\d+) (?:scenarios )?failed/g)
      ?.at(-1)
      ?.match(/\d+/)[0] ?? 0,
  );
}
if (failed === 0 && (rc !== "0" || passed === 0)) failed = 1;
console.log(`${passed} ${failed}`);
