/** Medians and ratios of the samples, and the tables that show them. */
import { median, show } from "./numbers.mjs";

const arrows = { higher: "↑", lower: "↓" };

/**
 * `samples[engine]` are figures by name, one for each round. A ratio is the median of the rounds' ratios of the first
 * engine to another, so that what slowed one round down slows both sides of its ratio.
 */
export function summarize({ figures, engines, samples }) {
  const [first] = engines;
  return Object.keys(figures).map((figure) => {
    const medians = {};
    const ratios = {};
    for (const engine of engines) {
      medians[engine] = median(samples[engine].map((sample) => sample[figure]));
      if (engine === first) continue;
      ratios[engine] = median(
        samples[engine].map((sample, round) => samples[first][round][figure] / sample[figure]),
      );
    }
    return { figure, better: figures[figure], medians, ratios };
  });
}

/** A heading and a table in Markdown: one for each question. */
export function tableOf({ question, cases }) {
  const rounds = cases[0].rounds;
  const engines = [...new Set(cases.flatMap((one) => one.engines))];
  const [first, ...others] = engines;
  const header = ["case", "figure", ...engines, ...others.map((name) => `${first} ÷ ${name}`)];
  const rows = cases.flatMap((one) =>
    one.summary.map(({ figure, better, medians, ratios }, i) => [
      i === 0 ? one.name : "",
      `${figure} ${arrows[better]}`,
      ...engines.map((name) => show(medians[name])),
      ...others.map((name) => ratioOf(ratios[name])),
    ]),
  );
  const lines = [header, header.map((_, i) => (i < 2 ? "---" : "---:")), ...rows];
  return [
    `### ${question}`,
    "",
    `Medians of ${rounds}.`,
    "",
    ...lines.map((cells) => `| ${cells.join(" | ")} |`),
  ].join("\n");
}

function ratioOf(ratio) {
  return ratio === undefined || !Number.isFinite(ratio) ? "–" : `${show(ratio)}×`;
}
