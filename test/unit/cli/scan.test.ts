import { Writable } from "node:stream";
import { beforeAll, describe, expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { cli } from "./cli-run.js";

const url = "memory:///cli-scan";
const rowCount = 20_000;
const keyOf = (i: number): string => `row/${String(i).padStart(6, "0")}`;

describe("scan", () => {
  beforeAll(async () => {
    const db = await Db.open(url);
    const batch = db.batch().put(Uint8Array.of(0xff), Uint8Array.of(0xfe)).put("tab\t", "line\n\\");
    for (let i = 0; i < rowCount; i++) batch.put(keyOf(i), `value ${i}`);
    await db.write(batch);
    await db.close();
  });

  const lines = async (...options: string[]): Promise<string[]> => {
    const { code, stdout } = await cli(["scan", url, "--keys-only", ...options]);
    expect(code).toBe(0);
    return stdout.split("\n").slice(0, -1);
  };

  it("prints every row in order", async () => {
    const keys = await lines("--prefix", "row/");
    expect(keys).toHaveLength(rowCount);
    expect(keys[1234]).toBe(keyOf(1234));
  });

  it("takes bounds, a direction and a limit", async () => {
    expect(await lines("--gt", keyOf(5), "--lte", keyOf(7))).toEqual([keyOf(6), keyOf(7)]);
    expect(await lines("--gte", keyOf(5), "--lt", keyOf(7))).toEqual([keyOf(5), keyOf(6)]);
    expect(await lines("--lt", keyOf(3), "--reverse", "--limit", "2")).toEqual([
      keyOf(2),
      keyOf(1),
    ]);
    expect(await lines("--gt", "b", "--lt", "a")).toEqual([]);
    expect(await lines("--limit", "0")).toEqual([]);
    expect(await lines("--gte", "ff", "--key-encoding", "hex")).toEqual(["hex:ff"]);
  });

  it("escapes what would disturb a line", async () => {
    const { stdout } = await cli(["scan", url, "--prefix", "tab"]);
    expect(stdout).toBe("tab\\t\tline\\n\\\\\n");
  });

  it("prints a JSON object a line", async () => {
    const { stdout } = await cli(["scan", url, "--gte", "tab", "--json"]);
    expect(
      stdout
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { key: "tab\t", value: "line\n\\" },
      { keyBase64: "/w==", valueBase64: "/g==" },
    ]);
    const keys = await cli(["scan", url, "--gte", "tab", "--json", "--keys-only", "--limit", "1"]);
    expect(JSON.parse(keys.stdout)).toEqual({ key: "tab\t" });
  });

  it("waits for a slow reader", async () => {
    let pending = 0;
    let most = 0;
    let bytes = 0;
    const stdout = new Writable({
      highWaterMark: 1,
      write(part: Uint8Array, _encoding, done) {
        pending++;
        most = Math.max(most, pending, stdout.writableLength / 100_000);
        bytes += part.length;
        setTimeout(() => {
          pending--;
          done();
        }, 1);
      },
    });
    expect((await cli(["scan", url], { stdout })).code).toBe(0);
    expect(bytes).toBeGreaterThan(rowCount * 16);
    expect(most).toBe(1);
  });

  it("ends without a word when nobody reads any more", async () => {
    let writes = 0;
    const stdout = new Writable({
      write(_part, _encoding, done) {
        writes++;
        done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      },
    });
    expect(await cli(["scan", url], { stdout })).toMatchObject({ code: 0, stderr: "" });
    expect(writes).toBe(1);
  });

  it("ends with 130 when the user interrupts", async () => {
    const interrupt = new AbortController();
    const stdout = new Writable({
      highWaterMark: 1,
      // Never done: only the interruption ends the wait.
      write: () => interrupt.abort(new Error("Interrupted.")),
    });
    const ended = await cli(["scan", url], { stdout, signal: interrupt.signal });
    expect(ended).toMatchObject({ code: 130, stderr: "" });
  });
});
