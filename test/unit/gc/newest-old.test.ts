import * as fc from "fast-check";
import { expect, test } from "vitest";
import { newestOld } from "../../../src/gc/newest-old.js";

test("the newest old one is found, in few looks, and with one where nothing is old", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(5000), fc.nat(5000), async (count, old) => {
      let looks = 0;
      const found = await newestOld(count, async (i) => {
        looks++;
        return i < old;
      });
      expect(found).toBe(Math.min(count, old) - 1);
      if (old === 0 && count > 0) expect(looks).toBe(1);
      expect(looks).toBeLessThanOrEqual(2 + Math.ceil(Math.log2(count + 1)));
    }),
  );
});
