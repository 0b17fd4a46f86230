/** The state of compactions to and from bytes: the messages of proto/manifest.proto, in an envelope. */
import type { Bytes } from "../common/bytes.js";
import { CorruptionError } from "../common/errors.js";
import type {
  CompactionInputs,
  CompactionJob,
  Compactions,
  JobRange,
  JobStatus,
  RunInput,
} from "./compactions.js";
import { EnvelopeKind, openEnvelope, sealEnvelope } from "./envelope.js";
import { sstInfoMessage } from "./manifest-messages.js";
import { MessageType, repeated } from "./protobuf-message.js";
import {
  bool,
  bytes,
  string,
  uint32,
  uint64,
  ulid,
  ulidOrNone,
  type ValueType,
} from "./protobuf-types.js";

const runInput = new MessageType<RunInput>("RunInput", {
  id: [1, ulid],
  ssts: [2, repeated(ulid)],
});

const compactionInputs = new MessageType<CompactionInputs>("CompactionInputs", {
  l0: [1, repeated(ulid)],
  runs: [2, repeated(runInput)],
});

const jobRange = new MessageType<JobRange>("JobRange", {
  start: [1, bytes],
  end: [2, bytes],
  endless: [3, bool],
  resumeAt: [4, bytes],
  done: [5, bool],
  outputs: [6, repeated(sstInfoMessage)],
});

// A status that only later versions know is read as the number it is.
const jobStatus = uint32 as ValueType<JobStatus>;

const compactionJob = new MessageType<CompactionJob>("CompactionJob", {
  id: [1, ulid],
  reason: [2, string],
  inputs: [3, compactionInputs],
  level: [4, uint32],
  retainSeq: [5, uint64],
  expiredAt: [6, uint64],
  isBottom: [7, bool],
  sstBytesMax: [8, uint64],
  status: [9, jobStatus],
  claim: [10, ulidOrNone],
  worker: [11, string],
  signNumber: [12, uint64],
  attempts: [13, uint32],
  failure: [14, string],
  ranges: [15, repeated(jobRange)],
  rewrites: [16, bool],
  writerEpoch: [17, uint64],
});

/** @internal For tests. */
export const compactionsMessage: MessageType<Compactions> = new MessageType<Compactions>(
  "Compactions",
  {
    number: [1, uint64],
    databaseId: [2, ulid],
    createdAt: [3, uint64],
    token: [4, bytes],
    compactorEpoch: [5, uint64],
    jobs: [6, repeated(compactionJob)],
  },
);

export function encodeCompactions(state: Compactions): Bytes {
  const payload = compactionsMessage.encode(state);
  return sealEnvelope(EnvelopeKind.compactions, state.databaseId, [payload]);
}

/** `number` is what the object's name says. Throws `CorruptionError` or `UnsupportedError`. */
export function decodeCompactions(bytes: Uint8Array, object: string, number: number): Compactions {
  const envelope = openEnvelope(bytes, EnvelopeKind.compactions, object);
  const state = compactionsMessage.decode(envelope.payload, object);
  if (state.databaseId !== envelope.databaseId) {
    throw new CorruptionError(object, "its two database ids differ");
  }
  if (state.number !== number) {
    throw new CorruptionError(object, `it says that it is state ${state.number}`);
  }
  return state;
}
