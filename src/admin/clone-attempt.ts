/**
 * `cloneFrom`: a clone of one state or of several, step by step.
 *
 * 1. Each state is pinned, in every database that owns something of it, by checkpoints in the name of the clone.
 * 2. What its log holds is stored as SSTs of the clone, and what lies across the bounds of its keys is written anew.
 * 3. The first manifest is created, which names all of it: from here on the clone is a database, and lets go of what it does not need.
 *
 * Cut off before the third step there is nothing at the path that opens; the next call begins anew, and drops the pins that it finds when it is done.
 */
import {
  ClosedError,
  CorruptionError,
  ExistsError,
  NotFoundError,
  UnsupportedError,
} from "../common/errors.js";
import { type Ulid, UlidFactory } from "../common/ids.js";
import { HintWriter } from "../db/hint-writer.js";
import type { Location } from "../db/location.js";
import { type Manifest, noUlid } from "../format/manifest.js";
import { releaseExternals } from "../gc/release-externals.js";
import { type ClonePart, cloneManifest } from "../manifest/clone-manifest.js";
import { destroyDatabase } from "../manifest/destroy-transition.js";
import { raiseAboveKnown } from "../manifest/known-ids.js";
import { instantOf, StoredManifest } from "../manifest/stored-manifest.js";
import { emptyManifest } from "../manifest/transitions.js";
import { ObjectPaths } from "../object-store/paths.js";
import { probeConditionalCreate } from "../object-store/probe.js";
import type { KeySpan } from "./clip-span.js";
import type { ClipTarget } from "./clip-sst.js";
import { storeList } from "./clip-state.js";
import { requireApart, takePart } from "./clone-part.js";
import { ClonePins, type PinnedSource } from "./clone-pins.js";
import { type CloneTarget, openTarget, requireEmpty } from "./clone-target.js";
import type { AdminContext } from "./context.js";
import { announceCopies } from "./detach-plan.js";
import { storeAt } from "./neighbour.js";
import { copyScattered } from "./union-copies.js";

/** How long an attempt that has failed tidies up behind itself. */
const giveUpMaxMs = 5000;

/** How often a target is looked at that holds objects of unknown origin. */
const looksMax = 3;

export interface CloneResult {
  /** Of the clone. */
  readonly databaseId: string;
  /** Everything up to here is in it. */
  readonly seq: number;
  /** By which the parent, and whoever else owns something of it, keeps what it names; they are dropped when it does no more. */
  readonly checkpointIds: readonly string[];
}

/** What a clone is made from. */
export interface CloneSource {
  readonly context: AdminContext;
  readonly checkpoint: string | undefined;
  readonly span: KeySpan | undefined;
}

/** From several databases, which then must have no key in common. */
export async function cloneFrom(
  sources: readonly CloneSource[],
  location: Location,
  signal: AbortSignal | undefined,
): Promise<CloneResult> {
  signal?.throwIfAborted();
  const contexts = sources.map(({ context }) => context);
  const target = await openTarget(location, contexts);
  try {
    return await cloneTo(target, sources, signal);
  } finally {
    target.place.close();
  }
}

async function cloneTo(
  target: CloneTarget,
  sources: readonly CloneSource[],
  signal: AbortSignal | undefined,
): Promise<CloneResult> {
  const contexts = sources.map(({ context }) => context);
  const { clock, random } = contexts[0]!.options;
  const ids = new UlidFactory(clock, random);
  const databaseId = ids.next();
  const pins = new ClonePins({
    ...{ holder: target.place.namespace.path, holderId: databaseId, signal },
    nextId: () => ids.next(),
  });
  const earlier = await requireFree(target, contexts, pins, signal);
  await probeConditionalCreate(target.store, random, { signal });
  const keys: string[] = [];
  const attempt: Attempt = { target, contexts, pins, databaseId, ids, earlier, keys, signal };
  const progress = { mayExist: false, hasCopies: false };
  try {
    const built = await build(attempt, sources, () => {
      progress.hasCopies = true;
    });
    progress.mayExist = true;
    const stored = await commitFirst(attempt, built);
    return await settle(attempt, stored);
  } catch (error) {
    // Somebody else's database is there, so ours never will be.
    const isTaken = error instanceof ExistsError;
    // Copies have the same names for every attempt: they, and the pins that tell of them, are left as if the attempt had died.
    if (!progress.mayExist || isTaken) await giveUp(attempt, isTaken || !progress.hasCopies);
    throw error;
  }
}

interface Attempt {
  readonly target: CloneTarget;
  readonly contexts: readonly AdminContext[];
  readonly pins: ClonePins;
  readonly databaseId: Ulid;
  readonly ids: UlidFactory;
  /** The ids that earlier attempts were going to have; what they have stored lies there. */
  readonly earlier: ReadonlySet<Ulid>;
  /** Of all objects that may be stored and that nobody else has a name for. */
  readonly keys: string[];
  readonly signal: AbortSignal | undefined;
}

/**
 * Gives the ids of earlier attempts, whose objects may lie there. One that has begun since the sources were read had its pins stored before
 * anything of it was, so the sources tell of whatever a look finds; or it has tidied up, and the next look finds nothing.
 */
async function requireFree(
  target: CloneTarget,
  contexts: readonly AdminContext[],
  pins: ClonePins,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<Ulid>> {
  for (let look = 1; ; look++) {
    await requireUsable(contexts, signal);
    const earlier = pins.earlierAttempts(contexts);
    try {
      await requireEmpty(target, earlier, contexts, signal);
      return earlier;
    } catch (error) {
      if (!(error instanceof CorruptionError)) throw error;
      if (look < looksMax) continue;
      throw new ExistsError(
        `${target.name} holds objects and no manifest (${error.object}): a clone of another database is being made there or was given up, or its manifests are lost. Use another path.`,
        { cause: error },
      );
    }
  }
}

async function requireUsable(
  contexts: readonly AdminContext[],
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { stored, name } of contexts) {
    const newest = await stored.refresh({ signal });
    if (newest.destroyed) throw new NotFoundError(`The database at ${name} was destroyed.`);
    if (newest.pinned.encryption === 0) continue;
    throw new UnsupportedError(
      `The database at ${name} is encrypted (mode ${newest.pinned.encryption}), which this version of Moraine does not know. Use a later version.`,
    );
  }
}

/** The first manifest of the clone; everything that it names is there and stays. */
async function build(
  attempt: Attempt,
  sources: readonly CloneSource[],
  onCopy: () => void,
): Promise<Manifest> {
  const { target, pins, databaseId, ids, earlier, keys, signal } = attempt;
  const { clock, settings } = attempt.contexts[0]!.options;
  const pinned: PinnedSource[] = [];
  for (const { context, checkpoint } of sources) pinned.push(await pins.pin(context, checkpoint));
  for (const { state } of pinned) raiseAboveKnown(ids, state);
  const nextId = (): Ulid => {
    const id = ids.next();
    keys.push(ObjectPaths.sst(id), ObjectPaths.run(id));
    return id;
  };
  const { blockBytes, filterBitsPerKey, unfilteredSstBytesMax } = settings;
  const clip: ClipTarget = {
    ...{ store: target.store, clock, signal, databaseId, nextId },
    build: { blockBytes, filterBitsPerKey, unfilteredSstBytesMax },
  };
  const parts: ClonePart[] = [];
  for (const [i, source] of pinned.entries()) {
    parts.push(await takePart(source, sources[i]!.span, clip));
  }
  requireApart(
    parts.map((part, i) => ({
      ...{ part, span: sources[i]!.span, name: sources[i]!.context.name },
    })),
  );
  const whole = await copyScattered(
    parts.map((part, i) => ({ ...part, store: sources[i]!.context.store })),
    { databaseId, target: target.store, onWrite: onCopy, signal },
  );
  const { manifest, lists } = cloneManifest(databaseId, whole, nextId);
  for (const { id, bytes } of lists) await storeList(clip, id, bytes);
  if (earlier.size === 0) return manifest;
  // What earlier attempts have left says their ids, or those of owners whose objects they copied: a sweep of the clone deletes it.
  const owners = manifest.externals.map((one) => one.databaseId);
  return announceCopies(new Set([...earlier, ...owners]))(manifest) ?? manifest;
}

async function commitFirst(
  { target, contexts, signal }: Attempt,
  first: Manifest,
): Promise<StoredManifest> {
  const { clock, random, settings } = contexts[0]!.options;
  const base = emptyManifest(first.databaseId, first.pinned);
  const stored = new StoredManifest(target.manifests, base, {
    ...{ clock, random, retentionMs: settings.manifestRetentionMs, searchedAt: instantOf(clock) },
  });
  await stored.commit(
    (newest) => {
      if (newest.number > 0) {
        throw new ExistsError(
          `Another one has made a database at ${target.name} meanwhile. Use another path.`,
        );
      }
      return first;
    },
    { signal },
  );
  return stored;
}

/**
 * Pins that are gone were dropped by force, unless the clone has let go of them itself: it says so before it does, so a look after the pins tells.
 * The call may have slept here while the clone was written to and compacted.
 */
async function giveUpClone(
  attempt: Attempt,
  stored: StoredManifest,
  dropped: ReadonlySet<Ulid>,
): Promise<void> {
  const { target, signal } = attempt;
  let missing: Ulid | undefined;
  await stored.refresh({ signal });
  await stored.commit((manifest) => {
    missing = manifest.externals.find(
      ({ checkpointId, isLeaving }) => !isLeaving && dropped.has(checkpointId),
    )?.checkpointId;
    if (manifest.destroyed || missing === undefined) return manifest;
    const { lastSeq, writerFloor: floor } = manifest;
    return destroyDatabase({ lastSeq, floor, check: () => undefined })(manifest);
  });
  if (missing === undefined) return;
  await release(attempt, stored);
  throw new NotFoundError(
    `What ${target.name} was cloned from was deleted meanwhile (checkpoint ${missing}), so that the clone was given up. Clone a checkpoint that stays, to another path.`,
  );
}

/** The clone is there. What follows only tidies up, but for a look at whether everything that it names is still kept. */
async function settle(attempt: Attempt, stored: StoredManifest): Promise<CloneResult> {
  const { pins, contexts, databaseId } = attempt;
  const dropped = new Set(await pins.missing());
  if (dropped.size > 0) await giveUpClone(attempt, stored, dropped);
  await new HintWriter(stored, contexts[0]!.options.clock).finish();
  await release(attempt, stored);
  await pins.dropEarlier().catch(() => undefined);
  const { lastSeq, externals } = stored.current;
  const held = externals.filter(({ checkpointId }) => checkpointId !== noUlid);
  return { databaseId, seq: lastSeq, checkpointIds: held.map((one) => one.checkpointId) };
}

/** Lets go of what was pinned and is not needed. Whoever writes to the clone does the same later. */
async function release({ contexts }: Attempt, stored: StoredManifest): Promise<void> {
  const { clock, random, settings } = contexts[0]!.options;
  const at = (path: string) => storeAt(contexts[0]!, path).store;
  const retentionMs = settings.manifestRetentionMs;
  await releaseExternals(stored, { at, clock, random, retentionMs }).catch(() => undefined);
}

/** Nothing that was sent can make a database of this. As far as the store answers; the rest is found by the next attempt, or by hand. */
async function giveUp(
  { pins, target, keys, contexts }: Attempt,
  dropsPins: boolean,
): Promise<void> {
  const enough = new AbortController();
  const timer = contexts[0]!.options.clock.after(giveUpMaxMs, () =>
    enough.abort(new ClosedError("The clone has been given up.")),
  );
  const { signal } = enough;
  try {
    if (keys.length > 0) await target.store.delete(keys, { signal }).catch(() => undefined);
    if (dropsPins) await pins.drop(signal);
  } finally {
    timer.cancel();
  }
}
