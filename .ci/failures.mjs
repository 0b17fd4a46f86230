// node failures.mjs SUITE JSON OUTPUT: names what failed in a suite and the first lines why, from vitest's JSON, or the lines
// of OUTPUT that say FAILED. Whoever reads only the end of a log reads this.
import { existsSync, readFileSync } from "node:fs";
import { relative } from "node:path";

const [suite, json, output] = process.argv.slice(2);
const linesOfWhy = 12;
const ansi = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
const found = existsSync(json) ? ofReport() : ofOutput();
const text = found.length === 0 ? tailOfOutput() : found.join("\n");
console.log(`=== ${suite}\n${text}`);

function ofReport() {
  const { testResults } = JSON.parse(readFileSync(json, "utf8"));
  return testResults.flatMap((file) => {
    const failed = file.assertionResults.filter((test) => test.status === "failed");
    // A file that could not be loaded has no tests that say so.
    if (failed.length === 0 && file.status === "failed")
      return [why(relative(".", file.name), [file.message])];
    return failed.map((test) =>
      why(`${relative(".", file.name)}: ${test.fullName}`, test.failureMessages),
    );
  });
}

function ofOutput() {
  return outputLines().filter((line) => line.startsWith("FAILED"));
}

/** What failed without a test that did: an error outside all tests, or the runner itself. */
function tailOfOutput() {
  return outputLines().slice(-40).join("\n");
}

function outputLines() {
  return readFileSync(output, "utf8").replaceAll(ansi, "").trimEnd().split("\n");
}

function why(name, messages) {
  const lines = messages.join("\n").replaceAll(ansi, "").split("\n").slice(0, linesOfWhy);
  return [name, ...lines.map((line) => `    ${line}`)].join("\n");
}
