/** A step of the model test: it does something to both sides and compares. */
import * as fc from "fast-check";
import type { Model } from "./model.js";
import type { World } from "./world.js";

export type Step = fc.AsyncCommand<Model, World>;

export function command(
  name: string,
  detail: unknown,
  run: (model: Model, world: World) => Promise<void>,
): Step {
  return { check: () => true, run, toString: () => `${name}(${fc.stringify(detail)})` };
}
