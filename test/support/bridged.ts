/** A store behind a message port, as a compaction thread has it; both ends are in this thread. */
import { MessageChannel } from "node:worker_threads";
import { systemClock } from "../../src/common/clock.js";
import { BridgedStore } from "../../src/compaction/bridged-store.js";
import { StoreBridge } from "../../src/compaction/store-bridge.js";
import type { ObjectStore } from "../../src/object-store/object-store.js";

export interface Bridged {
  readonly store: ObjectStore;
  readonly bridge: StoreBridge;
  /** Lets the process end. */
  close(): Promise<void>;
}

export function bridged(store: ObjectStore): Bridged {
  const { port1, port2 } = new MessageChannel();
  const bridge = new StoreBridge(port1, store, systemClock);
  return {
    store: new BridgedStore(port2, store.id),
    bridge,
    close: async () => {
      await bridge.close();
      port2.close();
    },
  };
}
