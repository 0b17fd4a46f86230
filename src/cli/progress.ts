/** `withProgress`: a bar on the terminal while a long command works. Nothing is shown where errors do not go to a terminal. */
import type { Writable } from "node:stream";

/** How much is done of how much; both may grow. */
export type ReportProgress = (done: number, total: number) => void;

export interface ProgressUnit {
  /** What it does, a word or two: "exporting". */
  readonly label: string;
  /** Bytes are shown as such; anything else is counted. */
  readonly unit: "bytes" | "objects";
}

/** Gives what `work` gives. The bar is gone when it settles, so that what is printed then has a line of its own. */
export async function withProgress<T>(
  err: Writable,
  { label, unit }: ProgressUnit,
  work: (report: ReportProgress) => Promise<T>,
): Promise<T> {
  if ((err as { isTTY?: boolean }).isTTY !== true) return work(() => undefined);
  // Loaded by who sees it: a millisecond or two of each start.
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar({
    format: `${label} {bar} {percentage}% | {value} of {total} | {eta_formatted} left`,
    stream: err as NodeJS.WritableStream,
    barsize: 30,
    barCompleteChar: "#",
    barIncompleteChar: "-",
    hideCursor: true,
    clearOnComplete: true,
    // Of a stream that never ends, an interrupt is the program's to handle.
    gracefulExit: false,
    formatValue: (value, _options, type) =>
      type === "value" || type === "total" ? shown(value, unit) : String(value),
  });
  bar.start(0, 0);
  try {
    return await work((done, total) => {
      if (bar.getTotal() !== total) bar.setTotal(total);
      bar.update(done);
    });
  } finally {
    bar.stop();
  }
}

function shown(value: number, unit: ProgressUnit["unit"]): string {
  if (unit !== "bytes") return `${value.toLocaleString("en")} ${unit}`;
  return `${(value / 1024 / 1024).toLocaleString("en", { maximumFractionDigits: 1 })} MiB`;
}
