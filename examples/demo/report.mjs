/** What the demo prints. */
import Table from "cli-table3";
import { costOf, sumRequests } from "./prices.mjs";

export const heading = (text) => console.log(`\n${text}`);
export const line = (text) => console.log(`  ${text}`);
export const count = (value) => value.toLocaleString("en");
const dollars = (value) => `$${value.toFixed(6)}`;

export function showRows(rows) {
  const table = newTable(["path", "size", "SHA-256", "first bytes"]);
  for (const { key, value } of rows) {
    const { size, sha256, head } = JSON.parse(Buffer.from(value).toString());
    const text = Buffer.from(head, "base64")
      .toString("latin1")
      .replace(/[^ -~]/g, ".");
    table.push([
      clipped(Buffer.from(key).toString()),
      count(size),
      `${sha256.slice(0, 12)}…`,
      text,
    ]);
  }
  console.log(table.toString());
}

export function showObjects(kinds) {
  const table = newTable(["kind", "objects", "bytes", "the last one", "its first bytes"]);
  for (const { kind, count: objects, bytes, example, head } of kinds) {
    const magic = Buffer.from(head.subarray(0, 4))
      .toString("latin1")
      .replace(/[^ -~]/g, ".");
    const hex = Buffer.from(head).toString("hex");
    table.push([kind, count(objects), count(bytes), clipped(example), `${magic}  ${hex}`]);
  }
  console.log(table.toString());
}

/** @param {Record<string, object>} byRole request counts of each process */
export function showCosts(byRole, storedBytes) {
  const table = newTable(["who", "PUT, LIST", "GET", "bytes sent", "bytes received", "on S3"]);
  for (const [role, counts] of Object.entries(byRole)) table.push(costRow(role, [counts]));
  table.push(costRow("all", Object.values(byRole)));
  console.log(table.toString());
  const { month } = costOf({ puts: 0, gets: 0, bytes: storedBytes });
  line(
    `${count(storedBytes)} bytes stored: ${dollars(month)} a month on S3. Prices: examples/demo/prices.mjs.`,
  );
}

function costRow(role, counts) {
  const { puts, gets, bytesPut, bytesGot } = sumRequests(counts);
  const cost = costOf({ puts, gets, bytes: 0 });
  return [role, ...[puts, gets, bytesPut, bytesGot].map(count), dollars(cost.puts + cost.gets)];
}

const newTable = (head) => new Table({ head, style: { head: [], border: [], compact: true } });
const clipped = (text) => (text.length <= 44 ? text : `…${text.slice(-43)}`);
