/** Starts the writer, and keeps what it has acknowledged. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./writer.mjs", import.meta.url));

export class WriterProcess {
  /** Resolves with how it ended: a signal, or an exit code. */
  ended;
  /** What its last report says of requests. */
  stats;
  #child;

  /**
   * @param {{ url: string, root: string, files: number }} options
   * @param {{ onOpen?: (open: object) => void, onPath?: (ack: { path: string, seq: number, digest: string }) => void }} handlers
   */
  constructor({ url, root, files }, handlers) {
    // JSON has no Infinity: it arrives as null.
    this.#child = spawn(process.execPath, [program, JSON.stringify({ url, root, files })], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface({ input: this.#child.stdout });
    lines.on("line", (line) => {
      const message = parsed(line);
      if (message?.open) handlers.onOpen?.(message.open);
      else if (message?.path) handlers.onPath?.(message);
      else if (message?.stats) this.stats = message.stats;
    });
    // "close" comes after the last line has been read, "exit" may come before.
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code, signal) => resolve(signal ?? code));
    });
  }

  get pid() {
    return this.#child.pid;
  }

  /** No warning, no chance to clean up: as when a machine disappears. */
  kill() {
    this.#child.kill("SIGKILL");
  }
}

/** A line that was cut off by the kill acknowledges nothing. */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
