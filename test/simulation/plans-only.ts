/**
 * Compactors that plan and commit, and carry out no job themselves: those that are opened with the name `plansOnly`, in tests that replace
 * the module of the role by what this makes of it. Otherwise a coordinator has done most jobs before a worker comes.
 */
export const plansOnly = "plans only";

type Original = typeof import("../../src/compaction/compactor.js");

export function withPlansOnly(actual: Original): Original {
  class PlansOnly extends actual.CompactorRole {
    constructor(options: ConstructorParameters<typeof actual.CompactorRole>[0]) {
      super(options.name === plansOnly ? { ...options, localJobsMax: 0 } : options);
    }
  }
  return { ...actual, CompactorRole: PlansOnly };
}
