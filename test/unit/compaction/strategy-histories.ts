/** Long histories for strategies, and the figures that come of them. */
import type { Operation, StrategyModel } from "./strategy-model.js";

/** What a MemTable of 16 MiB becomes. */
export const flushBytes: number = 12 * 1024 * 1024;

export interface Figures {
  /** Bytes stored for each byte put, WAL and flush included. */
  readonly writes: number;
  /** Bytes that the manifest names for each that a full compaction would leave, over the second half: the mean, and the most. */
  readonly space: number;
  readonly spaceMost: number;
  /** L0 entries and runs whose keys span a key, over the second half. */
  readonly sources: number;
  readonly sourcesMost: number;
  readonly runsMost: number;
  readonly jobs: number;
  readonly stalls: number;
}

export interface History {
  readonly flushes: number;
  readonly operations: (flush: number) => Iterable<Operation>;
  readonly sampleKey: (flush: number) => number;
}

export function figuresOf(model: StrategyModel, history: History): Figures {
  const { flushes, operations, sampleKey } = history;
  let [space, spaceMost, sources, sourcesMost, samples] = [0, 0, 0, 0, 0];
  for (let flush = 0; flush < flushes; flush++) {
    model.flush(operations(flush));
    if (flush % 100 === 0) model.check();
    // Not a multiple of what a round of compactions takes.
    if (flush < flushes / 2 || flush % 7 !== 0) continue;
    samples++;
    const amplification = model.namedBytes / model.liveBytes;
    space += amplification;
    spaceMost = Math.max(spaceMost, amplification);
    const found = model.sourcesOf(sampleKey(flush));
    sources += found;
    sourcesMost = Math.max(sourcesMost, found);
  }
  model.check();
  const round = (value: number): number => Math.round(value * 100) / 100;
  return {
    writes: round(model.writeAmplification),
    ...{ space: round(space / samples), spaceMost: round(spaceMost) },
    ...{ sources: round(sources / samples), sourcesMost },
    ...{ runsMost: model.runsMost, jobs: model.jobs, stalls: model.stalls },
  };
}

/** Prints the figures where `MORAINE_REPORT=1` asks for them. */
export function report(name: string, figures: Figures): Figures {
  if (process.env["MORAINE_REPORT"] === "1") {
    process.stdout.write(`${name}: ${JSON.stringify(figures)}\n`);
  }
  return figures;
}

/** Numbers below a bound, the same for a seed. */
export function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
