import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { describeError, exitCodes } from "../../../src/cli/exit-code.js";
import { CorruptionError, InvalidArgumentError } from "../../../src/common/errors.js";
import { cli } from "./cli-run.js";

describe("errors", () => {
  it.each([
    [["get", "memory:///cli-none", "a"], 3, "not-found"],
    [["inspect", "memory:///cli-none"], 3, "not-found"],
    [["get", "nowhere", "a"], 2, "invalid"],
    [["get"], 2, "invalid"],
    [["gte"], 2, "invalid"],
    [["scan", "memory:///cli-none", "--limit", "-1"], 2, "invalid"],
    [["get", "memory:///cli-none", "a", "--encoding", "rot13"], 2, "invalid"],
    [["put", "memory:///cli-none", "a", "b", "--file", "c"], 2, "invalid"],
  ])("%j exits with %i and one line that names the kind", async (argv, code, kind) => {
    const result = await cli(argv);
    expect(result).toMatchObject({ code, stdout: "" });
    expect(result.stderr).toMatch(new RegExp(`^moraine: ${kind}: [^\\n]+\\.\\n$`));
  });

  it("names the object that is damaged", async () => {
    const folder = mkdtempSync(join(tmpdir(), "moraine-cli-"));
    await cli(["put", folder, "key", "value"]);
    const [sst] = readdirSync(join(folder, "sst"));
    writeFileSync(join(folder, "sst", sst!), "nonsense");
    const result = await cli(["get", folder, "key"]);
    expect(result.code).toBe(11);
    expect(result.stderr).toContain(sst);
    rmSync(folder, { recursive: true });
  });

  it("refuses a folder that holds something else", async () => {
    const folder = mkdtempSync(join(tmpdir(), "moraine-cli-"));
    mkdirSync(join(folder, "photos"));
    writeFileSync(join(folder, "photos", "one.jpg"), "");
    expect((await cli(["put", folder, "key", "value"])).code).toBe(2);
    rmSync(folder, { recursive: true });
  });

  it("shows the stack only with --verbose", async () => {
    const quiet = await cli(["get", "memory:///cli-none", "a"]);
    const verbose = await cli(["--verbose", "get", "memory:///cli-none", "a"]);
    expect(quiet.stderr).not.toContain("    at ");
    expect(verbose.stderr).toContain("NotFoundError: ");
    expect(verbose.stderr).toContain("    at ");
  });

  it("says everything in one line, causes only with the stack", () => {
    const cause = new InvalidArgumentError("inner");
    const error = new CorruptionError("sst/x", "two\nlines", { cause });
    expect(describeError(error, false).trimEnd().split("\n")).toHaveLength(1);
    expect(describeError(error, true)).toContain("caused by: InvalidArgumentError: inner");
    expect(describeError("thrown", false)).toMatch(/^moraine: internal: thrown\./);
  });

  it("gives every kind a code of its own, none of them 0 or 1", () => {
    const codes = Object.values(exitCodes);
    expect(new Set(codes).size).toBe(codes.length);
    expect(Math.min(...codes)).toBe(2);
  });

  it("prints version and help on the standard output", async () => {
    expect(await cli(["--version"])).toMatchObject({ code: 0, stdout: "0.1.0\n", stderr: "" });
    const help = await cli(["help", "scan"]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--prefix");
  });
});
