/**
 * `withSample`: the samples of a manifest's history with one more, so that a moment is found in few requests (find-at.ts). A hint, and no
 * more: which manifest was there when, its own bytes say. `sampleOfEnd`: what they tell of a database that was destroyed at the same path.
 */
import { historySamplesMax, type Manifest, type TimeSample } from "../format/manifest.js";

/**
 * The history of the manifest that follows `manifest`: with a sample of `manifest` itself, whose time is known, and without those of manifests
 * that are deleted. Of more than may be kept, one goes whose neighbours are nearest to each other, measured by its age: so that gaps grow
 * with age, and the oldest and the newest stay.
 */
export function withSample(manifest: Manifest): readonly TimeSample[] {
  const { number, createdAt, lastSeq, firstNumber } = manifest;
  const kept = manifest.history.filter(({ manifestNumber }) => manifestNumber >= firstNumber);
  if (number === 0) return kept;
  const sample: TimeSample = { seq: lastSeq, manifestNumber: number, at: createdAt };
  return thinned(appended(kept, sample));
}

/**
 * The sample of the last manifest of the database that was destroyed here before this one was made; undefined where there was none, and where all
 * manifests up to that one are deleted. The base of a database that is made anew has the number of that one and no time, and nothing takes the
 * first sample out while its manifest is there. A clock that begins at 0 makes one like it: the manifest itself says whether it is the end.
 */
export function sampleOfEnd({ history, firstNumber }: Manifest): TimeSample | undefined {
  const first = history[0];
  return first?.at === 0 && first.manifestNumber >= firstNumber ? first : undefined;
}

/** Times never fall: of a clock that was ahead once, or is behind once, the sample that does not fit goes. */
function appended(samples: readonly TimeSample[], sample: TimeSample): readonly TimeSample[] {
  const last = samples.at(-1);
  if (last === undefined) return [sample];
  if (sample.manifestNumber <= last.manifestNumber) return samples;
  if (sample.at >= last.at) return [...samples, sample];
  const before = samples.at(-2);
  const isLastAhead = before === undefined || before.at <= sample.at;
  return isLastAhead ? [...samples.slice(0, -1), sample] : samples;
}

function thinned(samples: readonly TimeSample[]): readonly TimeSample[] {
  let left = samples;
  while (left.length > historySamplesMax) {
    const superfluous = leastNeeded(left);
    left = left.filter((_, i) => i !== superfluous);
  }
  return left;
}

/** Never the first, nor the last. */
function leastNeeded(samples: readonly TimeSample[]): number {
  const now = samples.at(-1)!.at;
  let least = 1;
  let leastGap = Number.POSITIVE_INFINITY;
  for (let i = 1; i < samples.length - 1; i++) {
    const between = samples[i + 1]!.at - samples[i - 1]!.at;
    // Those of one moment have no age: numbers tell them apart no better.
    const gap = between / Math.max(1, now - samples[i]!.at);
    if (gap >= leastGap) continue;
    least = i;
    leastGap = gap;
  }
  return least;
}
