/** Random layers of views, with range deletes among their rows, and what a read should make of those. */
import fc from "fast-check";
import { RowKind } from "../../../src/common/row.js";
import type { Layer, StringTombstone, Version } from "./view-builder.js";

/** A row before it has a seq. */
export type DrawnRow = Omit<Version, "seq" | "value">;

interface DrawnDelete {
  readonly start: string;
  readonly end: string | undefined;
  /** Before which of the rows. */
  readonly at: number;
}

const places = fc
  .tuple(
    fc.array(fc.constantFrom("run" as const, "listed run" as const), { maxLength: 2 }),
    fc.array(fc.constantFrom("flush" as const, "load" as const), { maxLength: 3 }),
    fc.array(fc.constantFrom("memory" as const, "pending load" as const), { maxLength: 4 }),
  )
  .map((parts) => parts.flat());

/** Oldest first. A load is puts of one seq, one for each key. */
export function layersOf(
  rows: fc.Arbitrary<DrawnRow[]>,
  keys: fc.Arbitrary<string>,
): fc.Arbitrary<Layer[]> {
  const deletes: fc.Arbitrary<DrawnDelete[]> = fc.array(
    fc.record({ start: keys, end: fc.option(keys, { nil: undefined }), at: fc.nat(25) }),
    { maxLength: 4 },
  );
  return places
    .chain((all) => fc.tuple(...all.map((place) => fc.tuple(fc.constant(place), rows, deletes))))
    .map((all) => {
      let seq = 0;
      const next = (): number => ++seq;
      return all.map(([place, drawn, ranges]) =>
        place === "load" || place === "pending load"
          ? loadOf(place, drawn, next())
          : layerOf(place, drawn, ranges, next),
      );
    });
}

function loadOf(place: Layer["place"], drawn: readonly DrawnRow[], seq: number): Layer {
  const distinct = [...new Map(drawn.map((row) => [row.key, row])).values()];
  const put = { kind: RowKind.put, seq, value: `v${seq}` };
  return { place, versions: distinct.map((row) => ({ ...row, ...put })) };
}

function layerOf(
  place: Layer["place"],
  drawn: readonly DrawnRow[],
  ranges: readonly DrawnDelete[],
  next: () => number,
): Layer {
  const versions: Version[] = [];
  const rangeDeletes: StringTombstone[] = [];
  for (let i = 0; i <= drawn.length; i++) {
    for (const { start, end, at } of ranges) {
      if (Math.min(at, drawn.length) !== i || (end !== undefined && end <= start)) continue;
      rangeDeletes.push({ start, end, seq: next() });
    }
    const row = drawn[i];
    if (row === undefined) continue;
    const seq = next();
    versions.push({ ...row, seq, value: `v${seq}` });
  }
  return { place, versions, rangeDeletes, movesLoads: true };
}

/** The rows that a read at `seqMax` may see, oldest first: those that no range delete hides. */
export function uncovered(layers: readonly Layer[], seqMax: number): Version[] {
  const deletes = layers
    .flatMap(({ rangeDeletes = [] }) => rangeDeletes)
    .filter(({ seq }) => seq <= seqMax);
  return layers
    .flatMap(({ versions }) => versions)
    .filter(({ seq }) => seq <= seqMax)
    .filter(
      (version) =>
        !deletes.some(
          ({ start, end, seq }) =>
            version.seq < seq && version.key >= start && (end === undefined || version.key < end),
        ),
    );
}
