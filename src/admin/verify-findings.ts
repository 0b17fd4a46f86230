/** `Findings`: what a verification has found so far. Damage of one object is a finding, and never the end of the verification. */
import { CorruptionError, InternalError, UnsupportedError } from "../common/errors.js";
import { GoneObject } from "../gc/pinned-states.js";

export interface VerifyProblem {
  /** Its key at the database's path; of another database's object, the name that the handle has for it. */
  readonly object: string;
  /**
   * `missing`: it is named, and not there. `size`: its size is not what the manifest says. `damaged`: its bytes are not as they were written, or it
   * is another object. `contradiction`: it is sound, and not what the others say of it.
   */
  readonly kind: VerifyProblemKind;
  readonly detail: string;
}

export type VerifyProblemKind = "missing" | "size" | "damaged" | "contradiction";

export interface VerifyProgress {
  /** Objects that were checked, of those that are known to be checked. */
  readonly objects: number;
  readonly objectsTotal: number;
}

export class Findings {
  problems: VerifyProblem[] = [];
  objects = 0;
  objectsTotal = 0;
  bytes = 0;
  readonly #onProgress: ((progress: VerifyProgress) => void) | undefined;

  constructor(onProgress: ((progress: VerifyProgress) => void) | undefined) {
    this.#onProgress = onProgress;
  }

  add(object: string, kind: VerifyProblemKind, detail: string): void {
    const others = this.problems.filter((problem) => problem.object === object);
    // Of what is missing nothing else is to be said.
    if (others.some((other) => other.kind === "missing" || other.detail === detail)) return;
    if (kind === "missing") {
      this.problems = this.problems.filter((problem) => problem.object !== object);
    }
    this.problems.push({ object, kind, detail });
  }

  expect(count: number): void {
    this.objectsTotal += count;
  }

  /** One more is checked, of so many bytes. */
  checked(bytes: number): void {
    this.objects++;
    this.bytes += bytes;
    this.objectsTotal = Math.max(this.objectsTotal, this.objects);
    const { objects, objectsTotal } = this;
    this.#onProgress?.({ objects, objectsTotal });
  }

  /** What `work` gives; undefined where it finds damage, which is put down. `object` is for what contradicts itself. */
  async guard<T>(object: string, work: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof GoneObject) this.add(error.object, "missing", "it is named");
      else if (error instanceof InternalError) this.add(object, "contradiction", error.message);
      else if (error instanceof CorruptionError) this.add(error.object, "damaged", error.message);
      else if (error instanceof UnsupportedError) this.add(object, "damaged", error.message);
      else throw error;
      return undefined;
    }
  }
}
