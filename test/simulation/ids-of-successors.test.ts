/** Two processes that know the same id never mint the same next one, whatever their clocks say. */
import { expect, test } from "vitest";
import { UlidFactory } from "../../src/common/ids.js";
import { seededRandom } from "../../src/common/random.js";
import { ManualClock } from "../../src/testing/manual-clock.js";

test.each([0, -60_000])("a successor whose clock is %i ms off mints ids of its own", (offMs) => {
  for (let seed = 1; seed <= 50; seed++) {
    const clock = new ManualClock();
    const writer = new UlidFactory(clock, seededRandom(seed));
    const committed = writer.next();
    // On its way when the writer was replaced: the successor cannot know of them.
    const underWay = [writer.next(), writer.next(), writer.next()];
    const behind = new ManualClock({ now: clock.now() + offMs });
    const successor = new UlidFactory(behind, seededRandom(1000 + seed));
    successor.raiseAbove(committed);
    const minted = [successor.next(), successor.next(), successor.next()];
    expect(underWay.filter((id) => minted.includes(id))).toEqual([]);
    expect([...minted].sort()).toEqual(minted);
    expect(minted[0]! > committed).toBe(true);
  }
});
