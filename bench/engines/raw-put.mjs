/** No engine: each put is one PUT of the value through the same S3 store. What a request costs, to compare with. */
import { S3ObjectStore } from "../../dist/object-store/s3.js";

export async function open({ endpoint, bucket, credentials }) {
  const store = new S3ObjectStore({ endpoint, bucket, credentials });
  let count = 0;
  return {
    put: (_key, value) => store.create(`raw/${count++}`, value),
    flush: () => Promise.resolve(),
    close: async () => store.close(),
    stats: () => ({ putRequests: count }),
  };
}
