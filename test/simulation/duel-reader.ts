/** A reader in a duel: everything that it sees is a prefix that only grows, however it looks. */
import { decodeUtf8 } from "../../src/common/bytes.js";
import { isMoraineError } from "../../src/common/errors.js";
import { randomBelow } from "../../src/common/random.js";
import { DbReader } from "../../src/db/db-reader.js";
import type { DuelFeeder } from "./duel-feeder.js";
import type { DuelOracle } from "./duel-oracle.js";
import type { DuelPlace } from "./duel-place.js";
import { type Content, readContent, scanContent } from "./history.js";
import type { Maintainers } from "./maintainers.js";
import type { SimulatedProcess } from "./simulated-process.js";
import { holdSnapshots } from "./snapshot-holder.js";

/** Longer than a reader waits between two polls. */
const followMs = 25_000;

export class DuelReader {
  readonly process: SimulatedProcess;
  readonly #oracle: DuelOracle;
  readonly #place: DuelPlace;
  readonly #feeder: DuelFeeder;
  readonly #maintainers: Maintainers | undefined;
  #size = 0;
  #follower: DbReader | undefined;
  #feeding: Promise<void> | undefined;

  constructor(
    process: SimulatedProcess,
    oracle: DuelOracle,
    place: DuelPlace,
    feeder: DuelFeeder,
    maintainers?: Maintainers,
  ) {
    this.process = process;
    this.#oracle = oracle;
    this.#place = place;
    this.#feeder = feeder;
    this.#maintainers = maintainers;
  }

  /** Opens, looks, and closes, and again. */
  async live(): Promise<void> {
    const { clock } = this.process;
    for (let life = 0; life < 2; life++) {
      await clock.sleep(this.#below(500));
      const acknowledged = this.#oracle.durableMarkers();
      const reader = await this.#open();
      if (reader === undefined) continue;
      await this.#look(reader, acknowledged);
      const rounds = 2 + this.#below(5);
      for (let round = 0; round < rounds; round++) {
        await clock.sleep(this.#below(200));
        if (this.#below(4) === 0) await this.#checkpoint();
        else await this.#refresh(reader);
      }
      await reader.close();
    }
  }

  /** Opens, follows the changes for a while, and closes, and again. */
  async feed(): Promise<void> {
    const { clock } = this.process;
    for (let life = 0; life < 2; life++) {
      await clock.sleep(this.#below(300));
      const reader = await this.#open();
      if (reader === undefined) continue;
      const feeding = this.#feeder.follow(this.process, reader);
      await clock.sleep(this.#below(1_500));
      await reader.close();
      await feeding;
    }
  }

  /** Opens once there is something, and then only watches what its polls bring. */
  async follow(): Promise<void> {
    const { clock } = this.process;
    for (let attempt = 0; attempt < 4 && this.#follower === undefined; attempt++) {
      await clock.sleep(this.#below(400));
      const acknowledged = this.#oracle.durableMarkers();
      this.#follower = await this.#open();
      if (this.#follower !== undefined) await this.#look(this.#follower, acknowledged);
    }
    if (this.#follower === undefined) return;
    this.#feeding =
      this.#maintainers === undefined
        ? this.#feeder.follow(this.process, this.#follower)
        : holdSnapshots(this.process, this.#follower, this.#oracle, this.#maintainers.counts, 9);
    for (let round = 0; round < 4; round++) {
      await clock.sleep(this.#below(400));
      if (this.#below(2) === 0) await this.#look(this.#follower, []);
      else await this.#waitForSeq(this.#follower);
    }
  }

  /** In peace a follower sees everything that is durable, without being asked to look. */
  async catchUp(): Promise<void> {
    const reader = this.#follower;
    if (reader === undefined) return;
    const acknowledged = this.#oracle.durableMarkers();
    await this.process.clock.sleep(followMs);
    await this.#look(reader, acknowledged);
    await reader.close();
    const end = await reader.closed;
    if (end !== undefined) throw end;
    await this.#feeding;
  }

  async #open(checkpoint?: string): Promise<DbReader | undefined> {
    const { store, clock, random } = this.process;
    const exists = this.#oracle.handles.size > 0;
    try {
      return await DbReader.open(
        { store, path: "db" },
        {
          ...{ clock, random, memTableBytes: 40_000 },
          ...(checkpoint === undefined ? { pollIntervalMs: 300 } : { checkpoint }),
          wal: this.#place.forReader(this.process),
        },
      );
    } catch (error) {
      // It may come before the database.
      if (isMoraineError(error, "not-found") && !exists) return undefined;
      if (!isAway(error)) throw error;
      return undefined;
    }
  }

  async #refresh(reader: DbReader): Promise<void> {
    const acknowledged = this.#oracle.durableMarkers();
    try {
      await reader.refresh();
    } catch (error) {
      if (!isAway(error)) throw error;
      return;
    }
    await this.#look(reader, acknowledged);
  }

  /** What was acknowledged with a seq is there once the reader has that seq. */
  async #waitForSeq(reader: DbReader): Promise<void> {
    const seq = this.#oracle.durableSeq();
    const acknowledged = this.#oracle.durableMarkers();
    const abort = new AbortController();
    const timer = this.process.clock.after(followMs, () => abort.abort());
    try {
      await reader.waitForSeq(seq, { signal: abort.signal });
    } catch (error) {
      if (!abort.signal.aborted) throw error;
      return;
    } finally {
      timer.cancel();
    }
    if (reader.seq < seq) throw new Error(`${this.process.name} waited for ${seq} in vain.`);
    await this.#look(reader, acknowledged);
  }

  /** One of the checkpoints that there are. */
  async #checkpoint(): Promise<void> {
    const { checkpoints } = this.#oracle;
    if (checkpoints.length === 0) return;
    const { id, name } = checkpoints[this.#below(checkpoints.length)]!;
    const reader = await this.#open(this.#below(2) === 0 ? id : (name ?? id));
    if (reader === undefined) return;
    const content = await this.#scan(reader, true);
    if (content !== undefined) this.#oracle.observeCheckpoint(this.process.name, id, content);
    await reader.close();
  }

  async #look(reader: DbReader, acknowledged: readonly string[]): Promise<void> {
    const { name } = this.process;
    const content = await this.#scan(reader);
    if (content === undefined) return;
    const size = this.#oracle.size(this.#oracle.observe(name, content));
    if (size < this.#size) throw new Error(`${name} went back from ${this.#size} to ${size}.`);
    this.#size = size;
    this.#oracle.requireMarkers(name, content, acknowledged);
  }

  /** What it sees may be gone before it is read, where nothing pins it. */
  async #scan(reader: DbReader, isPinned = false): Promise<Content | undefined> {
    try {
      if (this.#below(2) === 0) return await scanContent(reader);
      const keys = this.#oracle.keys();
      if (this.#maintainers === undefined || isPinned) return await readContent(reader, keys);
      return await readUnpinned(reader, keys);
    } catch (error) {
      const mayBeGone = this.#maintainers !== undefined && !isPinned;
      if (!isAway(error) && !(mayBeGone && isMoraineError(error, "gone"))) throw error;
      return undefined;
    }
  }

  #below(limit: number): number {
    return randomBelow(this.process.random, limit);
  }
}

/**
 * A get whose objects are gone begins again at the newest seq, while a scan stays at its own: so they agree in a snapshot, and where
 * nothing new has been seen meanwhile.
 */
async function readUnpinned(reader: DbReader, keys: readonly string[]): Promise<Content> {
  const { seq } = reader;
  await using snapshot = reader.snapshot();
  const [content, values] = await Promise.all([
    readContent(snapshot, keys),
    reader.getMany([...keys]),
  ]);
  const got = new Map(keys.map((key, i) => [key, values[i]]));
  for (const [key, value] of reader.seq === seq ? got : []) {
    const given = value && decodeUtf8(value);
    if (given === content.get(key)) continue;
    throw new Error(`For "${key}" getMany gives another value than a snapshot of the same seq.`);
  }
  return content;
}

/** The store was away for a whole deadline. */
function isAway(error: unknown): boolean {
  return isMoraineError(error, "unavailable") || isMoraineError(error, "unknown");
}
