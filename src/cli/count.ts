/** Numbers as the program shows them. */

/** "1,234", or with what is counted: "1 object", "1,234 objects". */
export function count(value: number, singular?: string): string {
  const shown = value.toLocaleString("en");
  if (singular === undefined) return shown;
  return `${shown} ${value === 1 ? singular : `${singular}s`}`;
}
