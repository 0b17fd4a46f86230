/** A progress bar, or a line now and then where there is no terminal. */
import { Presets, SingleBar } from "cli-progress";

export function startProgress(label, total, start = 0) {
  const bar = new SingleBar(
    {
      format: `  ${label} {bar} {percentage}% | {value}/{total} files | {duration} s`,
      barsize: 30,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: 1000,
    },
    Presets.shades_classic,
  );
  bar.start(total, start);
  return bar;
}
