/** The part of the conformance suite about writing: create, put, delete and copy. */
import { concatBytes, encodeUtf8 } from "../common/bytes.js";
import type { ObjectStore, PutSource } from "../object-store/object-store.js";
import {
  expect,
  expectBytes,
  expectRejection,
  expectSame,
  listAll,
  listKeys,
  patternBytes,
} from "./suite-assertions.js";
import type { SuiteCase, SuiteSizes } from "./suite-case.js";

export function writeCases(sizes: SuiteSizes): SuiteCase[] {
  return [
    {
      name: "create stores an object once, and refuses it afterwards",
      async run(store) {
        expectSame(await store.create("a/1", encodeUtf8("first")), "created", "the first create");
        expectSame(
          await store.create("a/1", encodeUtf8("first")),
          "exists",
          "the same bytes again",
        );
        expectSame(await store.create("a/1", encodeUtf8("second")), "exists", "other bytes");
        await expectText(store, "a/1", "first");
      },
    },
    {
      name: "what was stored stays when the caller uses the memory for something else",
      async run(store) {
        const body = patternBytes(1000, 3);
        const parts = async function* (): AsyncGenerator<Uint8Array> {
          for (let start = 0; start < body.length; start += 100) {
            yield body.subarray(start, start + 100);
          }
        };
        await store.create("a/1", body);
        await store.put("a/2", body);
        await store.put("a/3", parts);
        body.fill(0);
        for (const key of ["a/1", "a/2", "a/3"]) {
          const found = (await store.get(key))?.bytes;
          expectBytes(found, patternBytes(1000, 3), key);
        }
      },
    },
    {
      name: "create is refused by an object that was put, and possible again after a delete",
      async run(store) {
        await store.put("a/1", encodeUtf8("put"));
        expectSame(await store.create("a/1", encodeUtf8("created")), "exists", "over a put");
        await expectText(store, "a/1", "put");
        await store.delete(["a/1"]);
        expectSame(await store.create("a/1", encodeUtf8("again")), "created", "after a delete");
        await expectText(store, "a/1", "again");
      },
    },
    {
      name: `of ${sizes.raceWidth} creates that race for a key exactly one wins, and its bytes stay`,
      async run(store) {
        for (let keyIndex = 0; keyIndex < sizes.raceKeys; keyIndex++) {
          const key = `race/${keyIndex}`;
          const results = await Promise.all(
            Array.from({ length: sizes.raceWidth }, (_, i) =>
              store.create(key, encodeUtf8(`racer ${i}`)),
            ),
          );
          const winners = results.flatMap((result, i) => (result === "created" ? [i] : []));
          expectSame(winners.length, 1, `the winners of "${key}" (racers ${winners.join(", ")})`);
          await expectText(store, key, `racer ${winners[0]}`);
        }
      },
    },
    {
      name: "put stores and replaces, with shorter and with longer bytes",
      async run(store) {
        for (const text of ["first", "2nd", "the third and longest", ""]) {
          await store.put("a/1", encodeUtf8(text));
          await expectText(store, "a/1", text);
          expectSame((await store.head("a/1"))?.size, text.length, "the size after a put");
        }
        expectSame(await listKeys(store, ""), ["a/1"], "the keys after several puts");
      },
    },
    {
      name: "put takes a source of parts, as often as it is sent",
      async run(store) {
        const source: PutSource = async function* () {
          for (const part of ["one ", "", "two ", "three"]) yield encodeUtf8(part);
        };
        await store.put("a/1", source);
        await store.put("a/2", source);
        await expectText(store, "a/1", "one two three");
        await expectText(store, "a/2", "one two three");
      },
    },
    {
      name: "put takes a source without parts",
      async run(store) {
        await store.put("a/1", async function* () {});
        await expectText(store, "a/1", "");
      },
    },
    {
      name: "put takes a large source of uneven parts",
      async run(store) {
        const parts = [1, Math.floor(sizes.largeBytes / 3), 70_000].map(patternBytes);
        parts.push(patternBytes(sizes.largeBytes, 9));
        await store.put("large", async function* () {
          yield* parts;
        });
        expectBytes((await store.get("large"))?.bytes, concatBytes(parts), "the large object");
      },
    },
    {
      name: "put stores nothing when its source fails, and rejects with the failure or for its cause",
      async run(store) {
        await store.put("a/1", encodeUtf8("before"));
        const failure = new Error("the source failed");
        const source: PutSource = async function* () {
          yield encodeUtf8("half");
          throw failure;
        };
        await expectRejection(store.put("a/1", source), failure, "a put with a failing source");
        await expectRejection(store.put("a/2", source), failure, "a put with a failing source");
        await expectText(store, "a/1", "before");
        expectSame(await listKeys(store, ""), ["a/1"], "the keys after failed puts");
      },
    },
    {
      name: "empty, one-byte and large objects come back as they were",
      async run(store) {
        for (const size of [0, 1, sizes.largeBytes]) {
          const bytes = patternBytes(size, size);
          await store.put(`put/${size}`, bytes);
          expectSame(await store.create(`create/${size}`, bytes), "created", "the create");
          expectBytes((await store.get(`put/${size}`))?.bytes, bytes, `a put of ${size} bytes`);
          expectBytes(
            (await store.get(`create/${size}`))?.bytes,
            bytes,
            `a create of ${size} bytes`,
          );
        }
      },
    },
    {
      name: "what is passed in may be changed once the call has settled",
      async run(store) {
        const bytes = encodeUtf8("as it was");
        await store.put("put", bytes);
        await store.create("create", bytes);
        expectBytes(bytes, encodeUtf8("as it was"), "the array that was passed in");
        bytes.fill(0);
        await expectText(store, "put", "as it was");
        await expectText(store, "create", "as it was");
      },
    },
    {
      name: "a view of a larger array is stored alone",
      async run(store) {
        const view = encodeUtf8("....middle....").subarray(4, 10);
        await store.put("put", view);
        await store.create("create", view);
        await expectText(store, "put", "middle");
        await expectText(store, "create", "middle");
      },
    },
    {
      name: "delete removes many, absent ones included, and nothing else",
      async run(store) {
        const keys = Array.from({ length: 40 }, (_, i) => `many/${i}`);
        await Promise.all(keys.map((key) => store.put(key, encodeUtf8(key))));
        await store.put("many/4x", encodeUtf8("stays"));
        await store.delete([...keys, "many/absent", "absent/altogether"]);
        expectSame(await listKeys(store, ""), ["many/4x"], "the keys after a delete");
        expectSame((await store.get("many/7"))?.size, undefined, "a get after a delete");
        await store.delete([]);
        await store.delete(["many/absent"]);
        await expectText(store, "many/4x", "stays");
      },
    },
    {
      name: "copy copies and replaces, where the store has it",
      async run(store) {
        if (store.copy === undefined) return;
        const bytes = patternBytes(sizes.largeBytes, 3);
        await store.put("from", bytes);
        await store.put("to/2", encodeUtf8("replaced"));
        await store.copy("from", "to/1");
        await store.copy("from", "to/2", { source: store });
        await store.delete(["from"]);
        expectBytes((await store.get("to/1"))?.bytes, bytes, "a copy");
        expectBytes((await store.get("to/2"))?.bytes, bytes, "a copy over another object");
        expectSame(await listKeys(store, ""), ["to/1", "to/2"], "the keys after copies");
      },
    },
    {
      name: "an aborted call rejects with the signal's reason, whatever the operation",
      async run(store) {
        await store.put("a/1", encodeUtf8("kept"));
        const reason = new Error("aborted by the test");
        const options = { signal: AbortSignal.abort(reason) };
        const calls = new Map<string, () => Promise<unknown>>([
          ["get", () => store.get("a/1", options)],
          ["head", () => store.head("a/1", options)],
          ["create", () => store.create("a/2", encodeUtf8("never"), options)],
          ["put", () => store.put("a/2", encodeUtf8("never"), options)],
          ["list", () => listAll(store, { prefix: "", ...options })],
          ["delete", () => store.delete(["a/3"], options)],
        ]);
        const { copy } = store;
        if (copy !== undefined) calls.set("copy", () => copy.call(store, "a/1", "a/2", options));
        for (const [name, call] of calls) {
          await expectRejection(call(), reason, `an aborted ${name}`);
        }
        await expectText(store, "a/1", "kept");
      },
    },
  ];
}

async function expectText(store: ObjectStore, key: string, text: string): Promise<void> {
  const object = await store.get(key);
  expect(object !== undefined, `"${key}" is absent`);
  expectSame(new TextDecoder().decode(object.bytes), text, `the content of "${key}"`);
}
