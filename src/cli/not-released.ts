/** What is said of databases that hold objects for another one, which needs them no more, and that were not found. */

/** Empty when all were found. `force` is how to go on without them. */
export function notReleasedText(paths: readonly string[], force = "--force"): string {
  if (paths.length === 0) return "";
  const shown = paths.slice(0, 10).map((path) => `"${path}"`);
  return `Not found, and so not told that its objects are needed no more: ${shown.join(", ")}. Repeat this where it can be reached, or with ${force} when it is gone.\n`;
}
