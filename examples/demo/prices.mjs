/**
 * What requests and bytes cost on S3, in US dollars: S3 Standard in US East (N. Virginia), the first 50 TB, from
 * https://aws.amazon.com/s3/pricing/ as of November 2026. DELETE is free, and so is traffic within a region.
 */
const prices = {
  /** PUT, COPY, POST and LIST, for 1,000 requests. */
  putPerThousand: 0.005,
  /** GET and HEAD, for 1,000 requests. */
  getPerThousand: 0.0004,
  storagePerGbMonth: 0.023,
};

/** One PUT or LIST per count: nothing here is large enough for a multipart upload, or for a second page of a listing. */
export function costOf({ puts, gets, bytes }) {
  return {
    puts: (puts * prices.putPerThousand) / 1000,
    gets: (gets * prices.getPerThousand) / 1000,
    month: (bytes / 1e9) * prices.storagePerGbMonth,
  };
}

/** Sums request counts, as `stats().requests` gives them. */
export function sumRequests(all) {
  const sum = { puts: 0, gets: 0, bytesPut: 0, bytesGot: 0 };
  for (const counts of all) {
    if (counts === undefined) continue;
    for (const name of ["create", "put", "list", "copy"]) sum.puts += counts[name].requests;
    for (const name of ["get", "head"]) sum.gets += counts[name].requests;
    sum.bytesPut += counts.total.bytesPut;
    sum.bytesGot += counts.total.bytesGot;
  }
  return sum;
}
