/** Opening a database for one write and closing it again. */
import { Db } from "../db/db.js";
import type { OpenOptions } from "../db/open-options.js";
import { anyOperators } from "../merge/given-operators.js";
import type { Context } from "./context.js";

/** Resolves once what `use` wrote is durable and the database is closed. */
export async function withWriter(
  context: Context,
  url: string,
  create: OpenOptions["create"],
  use: (db: Db) => Promise<unknown>,
): Promise<void> {
  const { signal } = context;
  const db = await Db.open(url, {
    ...{ ...context.settings(), create, signal },
    mergeOperators: anyOperators,
  });
  try {
    await use(db);
  } catch (error) {
    await db.close({ flush: false }).catch(() => undefined);
    throw error;
  }
  await db.close();
}
