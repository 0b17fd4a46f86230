/** What a scan has given: each row's key and value are touched, as a program does that uses them. */
export class Tally {
  rows = 0;
  bytes = 0;
  /** Of bytes that were read; of no meaning. */
  sum = 0;

  add(key, value) {
    this.rows++;
    this.bytes += key.length + value.length;
    this.sum += key[key.length - 1] + value[0];
  }
}
