/** The part of the conformance suite about listing. */
import { encodeUtf8 } from "../common/bytes.js";
import type { ObjectStore } from "../object-store/object-store.js";
import { expect, expectSame, listAll, listKeys } from "./suite-assertions.js";
import type { SuiteCase, SuiteSizes } from "./suite-case.js";

const keys = ["a/1", "a/2", "a/b/1", "ab", "b/1", "b/10", "b/2"];

export function listingCases(sizes: SuiteSizes): SuiteCase[] {
  const cases: SuiteCase[] = [
    {
      name: "list gives exactly what is below the prefix, which need not end at a segment",
      async run(store) {
        await fill(store);
        for (const prefix of [
          "",
          "a",
          "a/",
          "a/b",
          "a/b/",
          "ab",
          "b/1",
          "b/10",
          "c",
          "c/d/",
          "a/1/",
        ]) {
          const expected = keys.filter((key) => key.startsWith(prefix));
          expectSame(await listKeys(store, prefix), expected, `the keys below "${prefix}"`);
        }
      },
    },
    {
      name: "list of an empty store gives nothing",
      async run(store) {
        expectSame(await listKeys(store, ""), [], "all keys");
        expectSame(await listKeys(store, "some/where/"), [], "keys below a prefix");
      },
    },
    {
      name: "list with `after` leaves out nothing that is above it",
      async run(store) {
        await fill(store);
        for (const after of ["", "a", "a/1", "a/15", "a/b/1", "ab", "b/10", "b/2", "zzz"]) {
          for (const prefix of ["", "a/", "b/"]) {
            const listed = await listAll(store, { prefix, after });
            // It is a hint: what is not above it may come or not.
            const above = listed.map(({ key }) => key).filter((key) => key > after);
            const expected = keys.filter((key) => key.startsWith(prefix) && key > after);
            expectSame(above.sort(), expected, `below "${prefix}" after "${after}"`);
            expect(
              listed.every(({ key }) => key.startsWith(prefix)),
              `"after" brought keys that are not below "${prefix}"`,
            );
          }
        }
      },
    },
    {
      name: "list yields at most `limit` keys, no key twice",
      async run(store) {
        await fill(store);
        for (const limit of [1, 2, 5, keys.length, keys.length + 5]) {
          const listed = await listAll(store, { prefix: "", limit });
          const different = new Set(listed.map(({ key }) => key));
          expectSame(different.size, Math.min(limit, keys.length), `the keys with limit ${limit}`);
          expectSame(listed.length, different.size, `the keys and repetitions with limit ${limit}`);
        }
      },
    },
    {
      name: "list can be left early and begun again",
      async run(store) {
        await fill(store);
        for await (const object of store.list({ prefix: "" })) {
          expect(keys.includes(object.key), `"${object.key}" was never written`);
          break;
        }
        expectSame(await listKeys(store, ""), keys, "all keys");
      },
    },
    {
      name: "list sees a write or a delete as soon as it has resolved",
      async run(store) {
        const expected: string[] = [];
        for (let i = 10; i < 25; i++) {
          await store.create(`o/${i}`, encodeUtf8("x"));
          expected.push(`o/${i}`);
          expectSame(await listKeys(store, "o/"), expected, `the keys after create ${i}`);
        }
        while (expected.length > 0) {
          await store.delete([expected.shift()!]);
          expectSame(await listKeys(store, "o/"), expected, "the keys after a delete");
        }
      },
    },
  ];
  if (sizes.manyKeys > 0) cases.push(manyKeysCase(sizes.manyKeys));
  return cases;
}

function manyKeysCase(count: number): SuiteCase {
  return {
    name: `list gives all of ${count} keys, once each, and delete removes them`,
    async run(store) {
      const many = Array.from({ length: count }, (_, i) => `many/${String(i).padStart(6, "0")}`);
      for (let i = 0; i < many.length; i += 50) {
        await Promise.all(many.slice(i, i + 50).map((key) => store.put(key, encodeUtf8(key))));
      }
      await store.put("others/1", encodeUtf8("x"));
      expectSame(missing(many, await listKeys(store, "many/")), none, "the difference");
      const after = many[Math.floor(count / 2)]!;
      const above = (await listAll(store, { prefix: "many/", after })).map(({ key }) => key);
      expectSame(
        missing(
          many.filter((key) => key > after),
          above.filter((key) => key > after).sort(),
        ),
        none,
        `the difference after "${after}"`,
      );
      expectSame(
        (await listAll(store, { prefix: "many/", limit: count - 10 })).length,
        count - 10,
        "the limit",
      );
      await store.delete(many);
      expectSame(await listKeys(store, ""), ["others/1"], "the keys after a delete of all");
    },
  };
}

const none = { missing: [], unexpected: [], repeated: 0 };

/** How two lists of keys differ, in few words: a thousand keys make no readable message. */
function missing(expected: readonly string[], actual: readonly string[]): object {
  const listed = new Set(actual);
  const wanted = new Set(expected);
  return {
    missing: expected.filter((key) => !listed.has(key)).slice(0, 5),
    unexpected: actual.filter((key) => !wanted.has(key)).slice(0, 5),
    repeated: actual.length - listed.size,
  };
}

async function fill(store: ObjectStore): Promise<void> {
  await Promise.all(keys.map((key) => store.put(key, encodeUtf8(`content of ${key}`))));
}
