// A change feed over logs of which a collector takes objects away: it gives every durable write after its position once and
// in order, or it ends. From one log to the next it goes on only where nothing can have been in between.

import { violate } from "../invariants.mjs";
import { plants } from "../state.mjs";
import { firstId, isBefore, keyOf, positionOf } from "./logs.mjs";

const path = "a";

const rank = ({ epoch, id }) => epoch * 100 + id;

/** What the retired list says is still there, without remnants, and the logs of the chain from where replay starts. */
function retiredOf({ retired }) {
  return retired
    .filter(({ isRemnant }) => !isRemnant)
    .map((each) => ({ ...positionOf(each.key), by: each.by }));
}

/** The position itself where it is in a log that is known, or the beginning of the next one. */
function spanAt(manifest, position) {
  const inChain = manifest.chain.map((epoch) => {
    const first = firstId(manifest, epoch);
    return { epoch, id: epoch === position.epoch ? Math.max(first, position.id) : first };
  });
  const known = [...retiredOf(manifest), ...inChain].filter((each) => !isBefore(each, position));
  return known.sort((one, other) => rank(one) - rank(other))[0];
}

export function addFeed({ config, self, state, add }) {
  const store = state.stores[path];
  if (self.step === "start") {
    add(`begins at manifest ${store.newest}`, (_next, process) => {
      Object.assign(process, { step: "read", number: store.newest, covered: 0, position: null });
      Object.assign(process, { isProved: false, left: 0, leftId: 0 });
    });
    return;
  }
  if (self.number < store.newest) {
    add(`reads manifest ${store.newest}`, (next, process) => {
      process.number = next.stores[path].newest;
    });
  }
  const manifest = store.manifests[self.number];
  const isBehind = self.covered < manifest.lastL0Seq;
  const end = () =>
    add("ends: truncated", (_next, process) => {
      Object.assign(process, { step: "done", position: null });
    });
  if (!self.position) {
    const found = find(store, manifest, self.covered, isBehind);
    if (isBehind && !found) end();
    else {
      add(`finds ${keyOf(found ?? manifest.start)}`, (_next, process) => {
        process.position = found ?? manifest.start;
        process.isProved = !found;
      });
    }
    return;
  }
  const at = enter(manifest, self, isBehind);
  const object = at && store.wal[keyOf(at.position)];
  if (!object) {
    if (isBehind) end();
    return;
  }
  if (object.fence) {
    add(`passes fence ${keyOf(at.position)}`, (_next, process) => {
      const { epoch, id } = at.position;
      process.left = at.isProved ? epoch : 0;
      process.leftId = id;
      process.isProved = at.isProved;
      process.position = { epoch: epoch + 1, id: 1 };
    });
    return;
  }
  const { epoch, id } = at.position;
  const isNext = at.isProved || object.seq <= self.covered + 1;
  if (
    !isNext &&
    !wasChained(config, store, manifest, at, epoch) &&
    !plants(config, "gap-between-logs-passed")
  ) {
    end();
    return;
  }
  add(`gives wal ${epoch}.${id}`, (next, process) => {
    const skipped = next.truth.durable.filter((seq) => seq > self.covered && seq < object.seq);
    if (skipped.length)
      violate(`the feed gives seq ${object.seq} after ${self.covered}: not ${skipped}`);
    Object.assign(process, { isProved: true, left: 0, position: { epoch, id: id + 1 } });
    process.covered = Math.max(self.covered, object.seq);
  });
}

/** The last object that begins at or below the first seq wanted, by bisection: what is gone counts as older. */
function find({ wal }, manifest, covered, isBehind) {
  const positions = isBehind ? retiredOf(manifest) : [];
  for (const epoch of manifest.chain) {
    for (let id = firstId(manifest, epoch); wal[`${epoch}.${id}`]?.seq; id++)
      positions.push({ epoch, id });
  }
  let low = 0;
  let high = positions.length;
  let found;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const seq = wal[keyOf(positions[middle])]?.seq;
    if (seq > covered + 1) high = middle;
    else {
      found = seq === undefined ? undefined : positions[middle];
      low = middle + 1;
    }
  }
  return found && { epoch: found.epoch, id: found.id };
}

/** What is read next, after moving to the beginning of the next log where this one has ended. */
function enter(manifest, { position, isProved, left, leftId }, isBehind) {
  if (!isBehind && isBefore(position, manifest.start)) {
    return { position: manifest.start, isProved: true, left: 0, leftId: 0 };
  }
  const span = spanAt(manifest, position);
  if (!span) return undefined;
  const at = { position: { epoch: span.epoch, id: span.id }, isProved, left, leftId };
  if (rank(span) !== rank(position)) {
    const isEnd = retiredOf(manifest).some(
      ({ epoch, id }) => epoch === position.epoch && id + 1 === position.id,
    );
    if (isProved && isEnd) Object.assign(at, { left: position.epoch, leftId: position.id });
  } else if (!left) return at;
  if (isBehind) at.isProved = false;
  else if (isProved) at.left = 0;
  return at;
}

/** Whoever fenced the log that was left, or retired its end, had it in its chain; so on to the log of the object. */
function wasChained(config, { wal }, manifest, { left, leftId }, epoch) {
  const last = retiredOf(manifest).findLast((each) => each.epoch === left);
  if (!last || left === epoch || manifest.chain.includes(left)) return false;
  // Whoever slept fences a log where a record was collected.
  if (last.id + 1 !== leftId && !plants(config, "any-fence-is-the-end")) return false;
  const closerOf = (log, id) => Math.max(0, wal[`${log}.${id}`]?.fence ?? 0);
  let writer = closerOf(left, last.id + 1);
  if (writer < epoch) writer = Math.max(writer, last.by);
  while (writer > left && writer < epoch) writer = closerOf(writer, 1);
  return writer >= epoch;
}
