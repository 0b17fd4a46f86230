import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { Db } from "../../../src/db/db.js";
import { bytesAppend } from "../../../src/index.js";
import { cli } from "./cli-run.js";

const folder = mkdtempSync(join(tmpdir(), "moraine-cli-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let names = 0;

describe.each([
  ["memory", () => `memory:///cli-${++names}`],
  ["file", () => pathToFileURL(join(folder, `db-${++names}`)).href],
])("get, put and delete on %s", (_name, newUrl) => {
  it("gets what was put, byte for byte", async () => {
    const url = newUrl();
    expect(await cli(["put", url, "key", "välue"])).toMatchObject({ code: 0, stdout: "" });
    const got = await cli(["get", url, "key"]);
    expect(got).toMatchObject({ code: 0, stdout: "välue", stderr: "" });
  });

  it("says so and exits with 1 when the key is absent", async () => {
    const url = newUrl();
    await cli(["put", url, "key", "value"]);
    const got = await cli(["get", url, "other\nkey"]);
    expect(got).toMatchObject({ code: 1, stdout: "" });
    expect(got.stderr).toBe('moraine: The key "other\\nkey" is not in the database.\n');
  });

  it("deletes several keys at once, present or not", async () => {
    const url = newUrl();
    await cli(["put", url, "a", "1"]);
    await cli(["put", url, "b", "2"]);
    expect((await cli(["delete", url, "a", "absent"])).code).toBe(0);
    expect((await cli(["scan", url])).stdout).toBe("b\t2\n");
  });

  it("reads a value from the standard input", async () => {
    const url = newUrl();
    const stdin = Readable.from([Uint8Array.of(0, 255), Uint8Array.of(10)]);
    await cli(["put", url, "key"], { stdin });
    expect([...(await cli(["get", url, "key"])).bytes]).toEqual([0, 255, 10]);
  });

  it("writes to a database with merge operators, of which it has the code of none", async () => {
    const url = newUrl();
    await (await Db.open(url, { mergeOperators: { log: bytesAppend } })).close();
    expect((await cli(["put", url, "a", "1"])).code).toBe(0);
    expect((await cli(["delete", url, "b"])).code).toBe(0);
    expect((await cli(["get", url, "a"])).stdout).toBe("1");
    await expect(Db.open(url)).rejects.toMatchObject({ kind: "invalid" });
  });

  it("does not make a database unless it is put to, nor with --no-create", async () => {
    const url = newUrl();
    expect((await cli(["delete", url, "a"])).code).toBe(3);
    expect((await cli(["put", url, "a", "b", "--no-create"])).code).toBe(3);
    expect((await cli(["get", url, "a"])).code).toBe(3);
  });
});

describe("forms of keys and values", () => {
  it("reads a value from a file, and says when it cannot", async () => {
    const url = `memory:///cli-${++names}`;
    const path = join(folder, "value.bin");
    writeFileSync(path, "from a file");
    expect((await cli(["put", url, "key", "--file", path])).code).toBe(0);
    expect((await cli(["get", url, "key"])).stdout).toBe("from a file");
    const failed = await cli(["put", url, "key", "--file", join(folder, "absent")]);
    expect(failed.code).toBe(2);
    expect(failed.stderr).toMatch(/^moraine: invalid: The file cannot be read: ENOENT[^\n]*\n$/);
  });

  it("takes keys and values in hex and base64", async () => {
    const url = `memory:///cli-${++names}`;
    const put = ["put", url, "00ff", "AQID", "--key-encoding", "hex", "--value-encoding", "base64"];
    expect((await cli(put)).code).toBe(0);
    const get = ["get", url, "AP8=", "--key-encoding", "base64", "--encoding"];
    expect((await cli([...get, "hex"])).stdout).toBe("010203\n");
    expect((await cli([...get, "base64"])).stdout).toBe("AQID\n");
    expect((await cli(["get", url, "0g", "--key-encoding", "hex"])).code).toBe(2);
  });

  it("prints an entry as JSON, with base64 for what is no UTF-8", async () => {
    const url = `memory:///cli-${++names}`;
    await cli(["put", url, "key", "ff", "--value-encoding", "hex"]);
    const { stdout } = await cli(["get", url, "key", "--encoding", "json"]);
    expect(JSON.parse(stdout)).toEqual({
      key: "key",
      valueBase64: "/w==",
      seq: 1,
      createdAt: expect.any(Number),
    });
    const utf8 = await cli(["get", url, "key", "--encoding", "utf8"]);
    expect(utf8).toMatchObject({ code: 2, stdout: "" });
  });

  it("takes the path of a folder for its URL", async () => {
    const path = join(folder, "a folder");
    await cli(["put", path, "key", "value"]);
    expect((await cli(["get", pathToFileURL(path).href, "key"])).stdout).toBe("value");
  });

  it("ends the writer that has the database open", async () => {
    const url = `memory:///cli-${++names}`;
    const db = await Db.open(url);
    expect((await cli(["put", url, "key", "value"])).stderr).toBe("");
    await expect(db.put("key", "other")).rejects.toMatchObject({ kind: "fenced" });
    expect((await cli(["get", url, "key"])).stdout).toBe("value");
  });
});
