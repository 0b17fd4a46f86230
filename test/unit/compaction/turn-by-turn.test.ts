import { expect, test } from "vitest";
import { systemClock } from "../../../src/common/clock.js";
import { turnByTurn } from "../../../src/compaction/turn-by-turn.js";

test("of several that wait for the end of a turn, one goes on in each, in order", () => {
  let ends: (() => void)[] = [];
  const clock = turnByTurn({ ...systemClock, endOfTurn: (callback) => void ends.push(callback) });
  const turn = (): void => {
    const due = ends;
    ends = [];
    for (const callback of due) callback();
  };
  const gone: string[] = [];
  const work = (name: string): void => {
    gone.push(name);
    clock.endOfTurn(() => work(name));
  };
  for (const name of ["a", "b", "c"]) clock.endOfTurn(() => work(name));
  for (let i = 1; i <= 7; i++) {
    turn();
    expect(gone.length).toBe(i);
  }
  expect(gone.join("")).toBe("abcabca");
});
