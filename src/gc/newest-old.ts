/** `newestOld`: which of ascending manifest numbers are old, in few looks, because a manifest is older than all that follow it. */

/**
 * The highest of the ascending numbers, counted by index, of which `isOld` is true, by bisection; -1 when none is. The first is looked at
 * first: mostly nothing is old, and then that is all.
 */
export async function newestOld(
  count: number,
  isOld: (index: number) => Promise<boolean>,
): Promise<number> {
  if (count === 0 || !(await isOld(0))) return -1;
  let old = 0;
  let young = count;
  // All but the last, or all, is the next frequent case.
  for (let look = count - 1; young - old > 1; look = old + Math.floor((young - old) / 2)) {
    if (await isOld(look)) old = look;
    else young = look;
  }
  return old;
}
