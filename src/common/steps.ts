/** `Steps`: long work that can be left off every ms or so. Who has time for it runs it at once; others look at the clock in between. */

export type Steps<T> = Generator<undefined, T, undefined>;

/** A step of work on keys ends after so many bytes, where each key counts for some more: about a ms. */
export const stepBytes: number = 64 * 1024;
export const stepKeyOverheadBytes = 16;

/** All steps at once. */
export function runSteps<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
