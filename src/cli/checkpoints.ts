/** `moraine checkpoints` and `moraine checkpoint …`: what there is, and what an administrator does with it. */
import Table from "cli-table3";
import { type Command, InvalidArgumentError as InvalidOption } from "commander";
import { Admin, type CheckpointSizes } from "../admin/index.js";
import { NotFoundError } from "../common/errors.js";
import type { CheckpointInfo } from "../manifest/checkpoint-info.js";
import type { KeepByAge } from "../manifest/checkpoint-retention.js";
import { addUrl, seconds, wholeNumber } from "./arguments.js";
import type { Context } from "./context.js";

interface ListArguments {
  all?: boolean;
  sizes?: boolean;
  json?: boolean;
}

interface CreateArguments {
  name?: string;
  scope?: "durable" | "l0";
  ttl?: number;
  source?: string;
  base?: string;
  retained?: boolean;
  keepNewest?: number;
  keep?: KeepByAge[];
  json?: boolean;
}

interface ChangeArguments {
  ttl?: number;
  force?: boolean;
  json?: boolean;
}

const unitsMs: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** `1h:1d`: the newest of every hour, for a day. */
function addKeep(text: string, rules: KeepByAge[] = []): KeepByAge[] {
  const parts = /^([1-9]\d{0,8})([smhd]):([1-9]\d{0,8})([smhd])$/.exec(text);
  if (parts === null) {
    throw new InvalidOption("It must be two times, as in 1h:1d: one of every hour, for a day.");
  }
  const [, every, everyUnit, age, ageUnit] = parts as unknown as string[];
  const everyMs = Number(every) * unitsMs[everyUnit!]!;
  return [...rules, { everyMs, forMs: Number(age) * unitsMs[ageUnit!]! }];
}

export function addCheckpoints(program: Command, context: Context): void {
  addUrl(program.command("checkpoints"))
    .description("Lists the checkpoints of a database.")
    .option("--all", "those of clones, readers and exports too, and those that have ended")
    .option("--sizes", "with what each keeps: reads the manifests that they name")
    .option("--json", "as a JSON array")
    .action(async (url: string, options: ListArguments) => {
      await withAdmin(url, context, async (admin) => {
        const { signal } = context;
        const all = await admin.checkpoints({ all: options.all, signal });
        const sizes = options.sizes ? await admin.checkpointSizes({ signal }) : [];
        const byId = new Map(sizes.map((size) => [size.id, size]));
        const joined = all.map((info) => ({ ...info, ...byId.get(info.id) }));
        await context.out.write(options.json ? `${JSON.stringify(joined)}\n` : toTable(joined));
      });
    });
  const group = program.command("checkpoint").description("Makes and changes checkpoints.");
  addCreate(group, context);
  addRefresh(group, context);
  addExpire(group, context);
  addRetain(group, context, true);
  addRetain(group, context, false);
}

function addCreate(group: Command, context: Context): void {
  addUrl(group.command("create"))
    .description("Pins the state of a database, with or without a writer beside.")
    .option("--name <name>", "what it is called")
    .option("--scope <scope>", "durable (default: all that is), or l0 (what is in SSTs)")
    .option("--ttl <seconds>", "when it expires (never)", seconds)
    .option("--source <checkpoint>", "a copy of this one, by id or name")
    .option("--base <checkpoint>", "this one stays for as long, by id or name")
    .option("--retained", "policies leave it alone")
    .option("--keep-newest <count>", "end all but the newest so many", wholeNumber)
    .option("--keep <every:for>", "of older ones keep some, as 1h:1d and 1d:30d", addKeep)
    .option("--json", "as one JSON object")
    .action(async (url: string, options: CreateArguments) => {
      const { ttl, keepNewest, keep: keepByAge, json, ...given } = options;
      const hasPolicy = keepNewest !== undefined || keepByAge !== undefined;
      const info = await withAdmin(url, context, (admin) =>
        admin.createCheckpoint({
          ...{ ...given, ttlMs: toMs(ttl), signal: context.signal },
          retention: hasPolicy ? { keepNewest, keepByAge } : undefined,
        }),
      );
      await say(context, json, info, `${info.id}\n`);
    });
}

function addRefresh(group: Command, context: Context): void {
  addTarget(group.command("refresh"))
    .description("Begins the time of a checkpoint again.")
    .option("--ttl <seconds>", "another time from now on", seconds)
    .option("--json", "as one JSON object")
    .action(async (url: string, wanted: string, { ttl, json }: ChangeArguments) => {
      const { signal } = context;
      const info = await withAdmin(url, context, (admin) =>
        admin.refreshCheckpoint(wanted, { ttlMs: toMs(ttl), signal }),
      );
      await say(context, json, info, "");
    });
}

function addExpire(group: Command, context: Context): void {
  addTarget(group.command("expire"))
    .description("Ends a checkpoint; what only it keeps is collected later.")
    .option("--force", "also one that a clone, a reader or an export holds, when that is gone")
    .option("--json", "as one JSON object")
    .action(async (url: string, wanted: string, { force, json }: ChangeArguments) => {
      const { signal } = context;
      const isFound = await withAdmin(url, context, (admin) =>
        admin.expireCheckpoint(wanted, { force, signal }),
      );
      requireFound(isFound, wanted);
      await say(context, json, { expired: true }, "");
    });
}

function addRetain(group: Command, context: Context, retained: boolean): void {
  const description = retained
    ? "Policies leave a checkpoint alone from now on."
    : "Policies may end a checkpoint again.";
  addTarget(group.command(retained ? "retain" : "release"))
    .description(description)
    .option("--json", "as one JSON object")
    .action(async (url: string, wanted: string, { json }: ChangeArguments) => {
      const { signal } = context;
      const isFound = await withAdmin(url, context, (admin) =>
        retained
          ? admin.retainCheckpoint(wanted, { signal })
          : admin.releaseCheckpoint(wanted, { signal }),
      );
      requireFound(isFound, wanted);
      await say(context, json, { retained }, "");
    });
}

function addTarget(command: Command): Command {
  return addUrl(command).argument("<checkpoint>", "its id or name");
}

const toMs = (ttl: number | undefined): number | undefined =>
  ttl === undefined ? undefined : Math.ceil(ttl * 1000);

function requireFound(isFound: boolean, wanted: string): void {
  if (!isFound) throw new NotFoundError(`There is no checkpoint "${wanted}".`);
}

async function withAdmin<T>(
  url: string,
  context: Context,
  call: (admin: Admin) => Promise<T>,
): Promise<T> {
  const { signal } = context;
  const admin = await Admin.open(url, { ...context.settings(), signal });
  try {
    return await call(admin);
  } finally {
    await admin.close();
  }
}

async function say(
  context: Context,
  json: boolean | undefined,
  value: unknown,
  text: string,
): Promise<void> {
  await context.out.write(json ? `${JSON.stringify(value)}\n` : text);
}

function toTable(all: readonly (CheckpointInfo & Partial<CheckpointSizes>)[]): string {
  if (all.length === 0) return "No checkpoints.\n";
  const hasSizes = all.some(({ totalBytes }) => totalBytes !== undefined);
  const count = (value: number | undefined): string => value?.toLocaleString("en") ?? "";
  const table = new Table({
    head: [
      ...["id", "name", "seq", "made", "ttl", "what"],
      ...(hasSizes ? ["bytes", "only here", "since its base"] : []),
    ],
    style: { head: [], border: [], compact: true },
  });
  for (const one of all) {
    const { id, name = "", seq, createdAt, ttlMs, totalBytes, exclusiveBytes, addedBytes } = one;
    table.push([
      ...[id, name, count(seq), new Date(createdAt).toISOString()],
      ...[ttlMs === undefined ? "" : `${ttlMs / 1000} s`, whatOf(one)],
      ...(hasSizes ? [count(totalBytes), count(exclusiveBytes), count(addedBytes)] : []),
    ]);
  }
  return `${table.toString()}\n`;
}

function whatOf({ purpose, holder, retained, isExpired, base }: CheckpointInfo): string {
  const words = [
    ...(purpose === "user" ? [] : [holder === undefined ? purpose : `${purpose} ${holder}`]),
    ...(retained ? ["retained"] : []),
    ...(base === undefined ? [] : [`base ${base}`]),
    ...(isExpired ? ["ended"] : []),
  ];
  return words.join(", ");
}
