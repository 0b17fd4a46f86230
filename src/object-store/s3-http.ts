/** `HttpSockets`: requests to one server over sockets that are kept, each with its deadlines and its end. */
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { throwIfAborted, whenAborted } from "../common/abort.js";
import { allocateBytes, type Bytes, concatBytes } from "../common/bytes.js";

export interface HttpServer {
  readonly isSecure: boolean;
  readonly hostname: string;
  readonly port: number;
}

export interface HttpLimits {
  readonly socketsMax: number;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** What the server announced, or undefined. */
  readonly length: number | undefined;
  readonly body: Bytes;
}

/** Servers close sockets that are idle; one that we close first loses no request to that. */
const idleMs = 15_000;
/** Of a body whose length the server did not announce. */
const unannouncedBytesMax = 64 * 1024 * 1024;

export class HttpSockets {
  readonly #server: HttpServer;
  readonly #limits: HttpLimits;
  readonly #agent: HttpAgent;
  readonly #running = new Set<Exchange>();
  #isClosed = false;

  constructor(server: HttpServer, limits: HttpLimits) {
    this.#server = server;
    this.#limits = limits;
    const options = { keepAlive: true, maxSockets: limits.socketsMax, timeout: idleMs };
    this.#agent = server.isSecure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /**
   * Sends one request and reads the whole answer, whatever its status. Rejects with the signal's reason, or with an error
   * that has a `code`; by then the socket is closed, so that nobody reads `body` any more.
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    throwIfAborted(request.signal);
    const { isSecure, hostname, port } = this.#server;
    const call = (isSecure ? httpsRequest : httpRequest)({
      hostname,
      port,
      // What is sent all the same, to clean up, keeps no socket.
      agent: this.#isClosed ? false : this.#agent,
      method: request.method,
      path: request.path,
      headers: request.headers,
    });
    const exchange = new Exchange(call, isSecure, this.#limits, request.signal);
    this.#running.add(exchange);
    try {
      call.end(request.body);
      return await exchange.answer;
    } finally {
      this.#running.delete(exchange);
    }
  }

  /** Ends what is running, and closes the sockets. */
  close(): void {
    const error = errorOf("ECONNRESET", "the store was closed");
    this.#isClosed = true;
    for (const exchange of this.#running) exchange.fail(error);
    this.#agent.destroy();
  }
}

/** One request and its answer. Settles once; a failure destroys the socket first. */
class Exchange {
  readonly answer: Promise<HttpAnswer>;
  readonly #call: ClientRequest;
  readonly #stopListening: () => void;
  #connectTimer: NodeJS.Timeout | undefined;
  #resolve!: (answer: HttpAnswer) => void;
  #reject!: (error: unknown) => void;
  #hasAnswer = false;
  #isSettled = false;

  constructor(
    call: ClientRequest,
    isSecure: boolean,
    limits: HttpLimits,
    signal: AbortSignal | undefined,
  ) {
    this.#call = call;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { connectTimeoutMs, requestTimeoutMs } = limits;
    this.#connectTimer = setTimeout(() => {
      this.fail(errorOf("ConnectTimeout", `did not connect within ${connectTimeoutMs} ms`));
    }, connectTimeoutMs);
    // Of silence both ways: a large body on a slow line takes its time, as long as it moves.
    call.setTimeout(requestTimeoutMs, () => {
      this.fail(
        errorOf("TimeoutError", `nothing was sent and nothing came for ${requestTimeoutMs} ms`),
      );
    });
    this.#stopListening = whenAborted(signal, (reason) => this.fail(reason));
    call.on("error", (error) => this.fail(error));
    // Once there is an answer, its own end decides, which may come after this.
    call.on("close", () => {
      if (!this.#hasAnswer) this.#failAsClosed();
    });
    call.on("response", (response) => this.#read(response));
    call.on("socket", (socket) => {
      const onConnect = (): void => clearTimeout(this.#connectTimer);
      if (socket.connecting) socket.once(isSecure ? "secureConnect" : "connect", onConnect);
      else onConnect();
    });
  }

  fail(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#call.destroy();
    this.#reject(error);
  }

  /** Also after each success, where it must not cost the making of an error. */
  #failAsClosed(): void {
    if (!this.#isSettled) this.fail(errorOf("ECONNRESET", "the connection was closed"));
  }

  #settle(): void {
    this.#isSettled = true;
    clearTimeout(this.#connectTimer);
    this.#stopListening();
  }

  #read(response: IncomingMessage): void {
    this.#hasAnswer = true;
    response.on("error", (error) => this.fail(error));
    response.on("close", () => this.#failAsClosed());
    let body: BodyReader;
    try {
      body = new BodyReader(announcedLength(response), this.#call.method !== "HEAD");
    } catch (error) {
      this.fail(error);
      return;
    }
    response.on("data", (chunk: Uint8Array) => {
      if (this.#isSettled) return;
      if (!body.add(chunk)) this.fail(errorOf("BodyTooLong", "more bytes than were announced"));
    });
    response.on("end", () => {
      if (this.#isSettled) return;
      if (!body.isWhole(response.complete)) {
        this.fail(errorOf("BodyTooShort", "fewer bytes than were announced"));
        return;
      }
      // The server has answered before it had read the body, which the socket would go on reading from memory.
      if (!this.#call.writableFinished) this.#call.destroy();
      this.#settle();
      const { statusCode, headers } = response;
      this.#resolve({ status: statusCode!, headers, length: body.announced, body: body.bytes });
    });
  }
}

/** Collects a body in memory of the length that was announced, or piece by piece without one. */
class BodyReader {
  readonly announced: number | undefined;
  readonly #whole: Bytes | undefined;
  readonly #chunks: Uint8Array[] = [];
  readonly #hasBody: boolean;
  #length = 0;

  constructor(announced: number | undefined, hasBody: boolean) {
    this.announced = announced;
    this.#hasBody = hasBody;
    if (hasBody && announced !== undefined) this.#whole = allocateBytes(announced);
  }

  /** False for more bytes than may come. */
  add(chunk: Uint8Array): boolean {
    const end = this.#length + chunk.length;
    if (end > (this.#whole?.length ?? unannouncedBytesMax)) return false;
    if (this.#whole === undefined) this.#chunks.push(chunk);
    else this.#whole.set(chunk, this.#length);
    this.#length = end;
    return true;
  }

  isWhole(isComplete: boolean): boolean {
    return isComplete && (this.#whole === undefined || this.#length === this.#whole.length);
  }

  get bytes(): Bytes {
    if (!this.#hasBody || this.#whole === undefined) return concatBytes(this.#chunks);
    const { buffer, byteOffset, length } = this.#whole;
    return new Uint8Array(buffer, byteOffset, length);
  }
}

function announcedLength(response: IncomingMessage): number | undefined {
  const { "content-length": length } = response.headers;
  return length === undefined ? undefined : Number(length);
}

function errorOf(code: string, message: string): Error {
  return Object.assign(new Error(message), { name: code, code });
}
