/** What Node warns of, such as listeners that look like a leak. */

/** The names of the warnings of a run of `fn`, until they have been given out. */
export async function warningsOf(fn: () => Promise<void>): Promise<string[]> {
  const names: string[] = [];
  const onWarning = (warning: Error): void => void names.push(warning.name);
  process.on("warning", onWarning);
  try {
    await fn();
    // A warning is given out in a tick of its own.
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("warning", onWarning);
  }
  return names;
}
