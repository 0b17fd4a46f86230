/** Time goes by: values end, and what they hid stays hidden. */
import * as fc from "fast-check";
import { command, type Step } from "./command.js";

const moveStep = (ms: number): Step =>
  command("move", ms, async (model, { clock }) => {
    clock.move(ms);
    model.now = clock.now();
  });

export const clockSteps: fc.Arbitrary<Step>[] = [
  fc.constantFrom(1, 1, 2, 5, 8, 500, 1000).map(moveStep),
];
