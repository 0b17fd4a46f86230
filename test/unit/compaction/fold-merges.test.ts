import { expect, test } from "vitest";
import { RowKind } from "../../../src/common/row.js";
import { joinMerges } from "../../../src/compaction/fold-merges.js";
import { MergeOperators } from "../../../src/merge/merge-operators.js";
import { packOperands } from "../../../src/merge/packed-operands.js";
import { operatorNames, operators } from "./job-model.js";

test("only neighbours of one operator are joined", () => {
  const merge = (seq: number, operatorId: number) => ({
    ...{ kind: RowKind.merge, seq, createdAt: seq, expiresAt: 0, operatorId },
    value: packOperands([Uint8Array.of(48 + seq)]),
  });
  const versions = [merge(5, 1), merge(4, 1), merge(3, 2), merge(2, 1), merge(1, 1)];
  const joined = joinMerges(
    Uint8Array.of(97),
    versions,
    new MergeOperators(operatorNames, operators),
  );
  expect(joined.map(({ seq, operatorId }) => [seq, operatorId])).toEqual([
    [5, 1],
    [3, 2],
    [2, 1],
  ]);
  expect([...joined[0]!.value]).toEqual([2, 52, 53]);
});
