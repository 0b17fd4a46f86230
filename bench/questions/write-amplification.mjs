export const question =
  "How many bytes are PUT for each byte ingested in batches of 1,000 rows of 100 B, without compaction?";

const batchRows = 1_000;

export const cases = [
  {
    name: "distinct keys in random order",
    engines: ["moraine", "uniffi"],
    store: "slow-s3",
    rounds: 3,
  },
];

// Once durable, an engine may have begun to write SSTs: how many depends on the size of its MemTable.
export const figures = {
  "bytes PUT per byte, once durable": "lower",
  "bytes PUT per byte, once in SSTs": "lower",
  PUTs: "lower",
  "MB ingested": "higher",
};

export async function measure({ engine, rows, seconds, server }) {
  const rowCount = Math.min(200_000, Math.ceil(seconds * 100) * batchRows);
  await server.reset();
  for (let i = 0; i < rowCount; i += batchRows) {
    const batch = Array.from({ length: batchRows }, (_, j) => rows.rowAt(i + j));
    await engine.batch(batch, false);
  }
  await engine.flush();
  const bytesIngested = rowCount * rows.rowBytes;
  const onceDurable = await server.counts();
  await engine.flushToTables();
  const onceInTables = await server.counts();
  return {
    "bytes PUT per byte, once durable": bytesPut(onceDurable) / bytesIngested,
    "bytes PUT per byte, once in SSTs": bytesPut(onceInTables) / bytesIngested,
    PUTs: putRequests(onceInTables),
    "MB ingested": bytesIngested / 1e6,
  };
}

function bytesPut(counts) {
  return (counts.PUT?.bytesIn ?? 0) + (counts["UPLOAD-PART"]?.bytesIn ?? 0);
}

function putRequests(counts) {
  return (counts.PUT?.requests ?? 0) + (counts["UPLOAD-PART"]?.requests ?? 0);
}
