/** The part of the conformance suite about reading: get, its ranges, and head. */
import { encodeUtf8 } from "../common/bytes.js";
import type { ByteRange } from "../object-store/object-store.js";
import { expect, expectBytes, expectSame, patternBytes } from "./suite-assertions.js";
import type { SuiteCase, SuiteSizes } from "./suite-case.js";

/** Characters that a server, a signature or a file system may take for something else. */
const hardKeys = [
  "plain-key_1.sst",
  "a b/c  d",
  "per%20cent%/100%",
  "plus+and=equals",
  "question?mark&and#hash",
  "quotes'(and)!*",
  'xml<&>"',
  "at@colon:semi;comma,",
  "tilde~dollar$pipe|brackets[]{}^`",
  "ünïcödé/日本語/🪨",
  "...dots/.hidden/x..y",
];

export function readCases(sizes: SuiteSizes): SuiteCase[] {
  return [
    {
      name: "get and head of what is not there give undefined",
      async run(store) {
        await store.put("folder/object", encodeUtf8("x"));
        for (const key of ["absent", "folder/absent", "folder", "folder/objec", "folder/object1"]) {
          expectSame(await store.get(key), undefined, `get "${key}"`);
          expectSame(await store.head(key), undefined, `head "${key}"`);
          const ranged = await store.get(key, { range: { offset: 0, length: 1 } });
          expectSame(ranged, undefined, `get "${key}" with a range`);
        }
      },
    },
    {
      name: "a range gives its bytes and the size of the whole; what is past the end is left out",
      async run(store) {
        const whole = patternBytes(1_000, 1);
        await store.put("object", whole);
        const ranges: [ByteRange | undefined, number, number][] = [
          [undefined, 0, 1_000],
          [{ offset: 0, length: 1_000 }, 0, 1_000],
          [{ offset: 0, length: 1 }, 0, 1],
          [{ offset: 100, length: 50 }, 100, 150],
          [{ offset: 999, length: 1 }, 999, 1_000],
          [{ offset: 990, length: 100 }, 990, 1_000],
          [{ offset: 1_000, length: 10 }, 1_000, 1_000],
          [{ offset: 5_000, length: 10 }, 1_000, 1_000],
          [{ offset: 10, length: 0 }, 10, 10],
          [{ suffix: 1 }, 999, 1_000],
          [{ suffix: 64 }, 936, 1_000],
          [{ suffix: 1_000 }, 0, 1_000],
          [{ suffix: 9_999 }, 0, 1_000],
          [{ suffix: 0 }, 1_000, 1_000],
        ];
        for (const [range, start, end] of ranges) {
          const what = `the range ${JSON.stringify(range)}`;
          const object = await store.get("object", { range });
          expectBytes(object?.bytes, whole.subarray(start, end), what);
          expectSame(object?.size, 1_000, `the size with ${what}`);
        }
      },
    },
    {
      name: "ranges of an empty object give nothing",
      async run(store) {
        await store.put("empty", new Uint8Array(0));
        for (const range of [
          undefined,
          { offset: 0, length: 10 },
          { offset: 5, length: 1 },
          { suffix: 5 },
        ]) {
          const object = await store.get("empty", { range });
          expectSame([object?.bytes.length, object?.size], [0, 0], JSON.stringify(range));
        }
      },
    },
    {
      name: "ranges of a large object give the bytes at their place",
      async run(store) {
        const whole = patternBytes(sizes.largeBytes, 5);
        await store.put("large", whole);
        const middle = Math.floor(sizes.largeBytes / 2);
        const ranges = await Promise.all([
          store.get("large", { range: { offset: middle, length: 4_096 } }),
          store.get("large", { range: { suffix: 4_096 } }),
        ]);
        expectBytes(ranges[0]?.bytes, whole.subarray(middle, middle + 4_096), "the middle");
        expectBytes(ranges[1]?.bytes, whole.subarray(sizes.largeBytes - 4_096), "the end");
      },
    },
    {
      name: "size and time are the same from get, head and list, and the time is about now",
      async run(store) {
        await store.put("object", encodeUtf8("12345"));
        const head = await store.head("object");
        const get = await store.get("object", { range: { offset: 1, length: 1 } });
        expect(head !== undefined && get !== undefined, "the object is absent");
        for await (const listed of store.list({ prefix: "" })) {
          expectSame(listed.size, 5, "the size in a listing");
          // A listing may be more exact than a header that counts in seconds.
          const differenceMs = Math.abs(listed.lastModified - head.lastModified);
          expect(differenceMs <= 1_000, `the times differ by ${differenceMs} ms`);
        }
        expectSame([get.size, get.lastModified], [5, head.lastModified], "get against head");
        expectSame(head.size, 5, "the size of head");
        expect(
          head.lastModified > Date.UTC(2020, 0, 1),
          `the time ${head.lastModified} is no ms since 1970`,
        );
      },
    },
    {
      name: "returned bytes belong to the caller",
      async run(store) {
        await store.put("object", encodeUtf8("untouched"));
        for (const range of [undefined, { offset: 0, length: 4 }]) {
          const first = await store.get("object", { range });
          first?.bytes.fill(0);
        }
        const again = await store.get("object");
        expectBytes(again?.bytes, encodeUtf8("untouched"), "a get after its bytes were changed");
      },
    },
    {
      name: "keys may hold any characters that a path can",
      async run(store) {
        for (const key of hardKeys) await store.put(key, encodeUtf8(key));
        for (const key of hardKeys) {
          expectBytes((await store.get(key))?.bytes, encodeUtf8(key), `the content of "${key}"`);
          expect((await store.head(key)) !== undefined, `head does not find "${key}"`);
        }
        const listed: string[] = [];
        for await (const { key } of store.list({ prefix: "" })) listed.push(key);
        expectSame(listed.sort(), [...hardKeys].sort(), "the listed keys");
        await store.delete(hardKeys);
        for (const key of hardKeys)
          expectSame(await store.head(key), undefined, `"${key}" deleted`);
      },
    },
    {
      name: "get and head see a write as soon as it has resolved",
      async run(store) {
        for (let i = 0; i < 20; i++) {
          expectSame(await store.get(`o/${i}`), undefined, "before the create");
          await store.create(`o/${i}`, encodeUtf8(`${i}`));
          expectBytes((await store.get(`o/${i}`))?.bytes, encodeUtf8(`${i}`), "after the create");
          await store.put(`o/${i}`, encodeUtf8(`${i}, replaced`));
          expectBytes(
            (await store.get(`o/${i}`))?.bytes,
            encodeUtf8(`${i}, replaced`),
            "after a put",
          );
          await store.delete([`o/${i}`]);
          expectSame(await store.head(`o/${i}`), undefined, "after the delete");
        }
      },
    },
  ];
}
