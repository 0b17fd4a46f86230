import { drive } from "../lib/drive.mjs";

export const question =
  "What does each codec cost, and save, on 200,000 JSON documents of 200 B: a load, scans, and gets with a cache of 4 MiB?";

const rowCount = 200_000;
const words =
  "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi".split(" ");
const hasZstd = await import("node:zlib").then(
  ({ zstdCompressSync }) => zstdCompressSync !== undefined,
);

const choices = [
  ["none", "none"],
  ["lz4", "lz4"],
  ["deflate 1", "deflate"],
  ["deflate 6", { codec: "deflate", level: 6 }],
  ...(hasZstd ? [["zstd 3", "zstd"]] : []),
];

export const cases = [4, 16].flatMap((blockKiB) =>
  choices.map(([name, compression]) => ({
    name: `${name}, blocks of ${blockKiB} KiB`,
    engines: ["moraine"],
    store: "memory",
    rounds: 3,
    // Enough for the indexes; most reads decompress.
    settings: { compression, blockBytes: blockKiB * 1024, blockCacheBytes: 4 * 1024 * 1024 },
  })),
);

/** CPU times, because they hold still on a machine that does other things too. */
export const figures = {
  "bytes stored per byte": "lower",
  "CPU µs/row loaded": "lower",
  "CPU µs/row scanned": "lower",
  "CPU µs/get": "lower",
};

export async function measure({ engine, seconds }) {
  const documents = Array.from({ length: rowCount }, (_, i) => documentAt(i));
  const rawBytes = documents.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  // The compiler has seen the way once.
  await engine.load(documents.slice(0, rowCount / 10));
  const before = engine.stats().bytesPut;
  const load = await cpuOf(() => engine.load(documents));
  const stored = engine.stats().bytesPut - before;
  await engine.flushToTables();
  await engine.scan({});
  const scan = await cpuOf(() => engine.scan({}));
  let gets = 0;
  const get = await cpuOf(async () => {
    const run = await drive({
      concurrency: 8,
      seconds,
      act: (n) => engine.get(documents[(n * 7919) % rowCount].key),
    });
    gets = run.operations;
  });
  return {
    "bytes stored per byte": stored / rawBytes,
    "CPU µs/row loaded": load / rowCount,
    "CPU µs/row scanned": scan / rowCount,
    "CPU µs/get": get / gets,
  };
}

async function cpuOf(act) {
  const start = process.cpuUsage();
  await act();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Mixed by a multiplication, so that neighbours differ as documents of users do. */
function documentAt(i) {
  const random = (salt) => (Math.imul(i + 1, 0x9e3779b1 + 2 * salt) >>> 7) % 1_000_003;
  const word = (salt) => words[random(salt) % words.length];
  const value = {
    id: i,
    user: `user-${random(1)}`,
    email: `${word(2)}.${word(3)}${random(4) % 1000}@example.com`,
    isActive: random(5) % 2 === 0,
    score: random(6) / 100,
    tags: [word(7), word(8)],
    createdAt: new Date(1.6e12 + random(9) * 1e5).toISOString(),
  };
  return {
    key: Buffer.from(`user:${String(i).padStart(15, "0")}`),
    value: Buffer.from(JSON.stringify(value)),
  };
}
