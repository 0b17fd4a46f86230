/** The option `compression`: what new blocks are stored with. Whatever it says, every codec is read. */
import { describeType } from "../common/bytes.js";
import { InvalidArgumentError } from "../common/errors.js";
import { checkOptions, requireInteger, requireOneOf } from "../common/options.js";
import { Codec, type CodecName, type Compression, requireCodec } from "../format/compression.js";

/**
 * A codec, or a codec and its level: 1 to 9 for "deflate" (default 1), 1 to 19 for "zstd" (default 3, needs Node 22.15 or later).
 * "none" and "lz4" have no levels.
 */
export type CompressionChoice =
  | CodecName
  | { readonly codec: CodecName; readonly level?: number | undefined };

/** For everything that the handle writes, or by the level of the tree: L0, with bulk loads, and what is compacted into sorted runs. */
export type CompressionOption =
  | CompressionChoice
  | {
      readonly l0?: CompressionChoice | undefined;
      readonly runs?: CompressionChoice | undefined;
    };

/** By level of the tree; undefined is plain. */
export interface CompressionByLevel {
  readonly l0: Compression | undefined;
  readonly runs: Compression | undefined;
}

const codecNames = Object.keys(Codec) as CodecName[];

const levels: Readonly<Record<CodecName, { max: number; default: number }>> = {
  none: { max: 0, default: 0 },
  lz4: { max: 0, default: 0 },
  deflate: { max: 9, default: 1 },
  // Above 19, zstd takes more memory than a function has.
  zstd: { max: 19, default: 3 },
};

/** Throws `InvalidArgumentError`, or `UnsupportedError` for a codec that this Node has not. */
export function toCompression(option: CompressionOption | undefined): CompressionByLevel {
  if (typeof option === "object" && option !== null && ("l0" in option || "runs" in option)) {
    checkOptions(option, ["l0", "runs"], '"compression" by level');
    return {
      l0: toChoice(option.l0, "compression.l0"),
      runs: toChoice(option.runs, "compression.runs"),
    };
  }
  const choice = toChoice(option as CompressionChoice | undefined, "compression");
  return { l0: choice, runs: choice };
}

function toChoice(choice: CompressionChoice | undefined, name: string): Compression | undefined {
  if (choice === undefined) return undefined;
  if (typeof choice === "string") return toCodec(choice, undefined, name);
  if (typeof choice !== "object" || choice === null) {
    throw new InvalidArgumentError(
      `"${name}" must be the name of a codec or { codec, level }, not ${describeType(choice)}.`,
    );
  }
  checkOptions(choice, ["codec", "level"], `"${name}"`);
  return toCodec(choice.codec, choice.level, `${name}.codec`);
}

function toCodec(
  codec: CodecName,
  level: number | undefined,
  name: string,
): Compression | undefined {
  if (codec === undefined) throw new InvalidArgumentError(`"${name}" is missing.`);
  requireOneOf(codec, name, codecNames);
  const { max, default: standard } = levels[codec];
  if (level !== undefined && max === 0) {
    throw new InvalidArgumentError(`"level": the codec "${codec}" has none.`);
  }
  requireInteger(level, "level", 1, max);
  requireCodec(codec);
  return codec === "none" ? undefined : { codec, level: level ?? standard };
}
