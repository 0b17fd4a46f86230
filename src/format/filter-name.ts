/** `FilterName`: what an option calls a kind of filter. Apart from the builders, which whoever only reads does not load. */

/** `"bloom"`: fast; `"ribbon"`: a fifth smaller, and slower. */
export type FilterName = "bloom" | "ribbon";

export const filterNames: readonly FilterName[] = ["bloom", "ribbon"];
