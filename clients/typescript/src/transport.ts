import { ConnectionError, StrongroomError, isAborted } from "./errors.js";
import { ROUTES } from "./schema.js";
import type { Operations } from "./schema.js";

/** The user's token, or what gives one: it is asked before each request, so it may renew it. */
export type Token = string | (() => string | Promise<string>);

export interface ClientOptions {
  /** Where the gateway is: `https://files.example.com`. */
  url: string;
  /** None: as nobody, where the service allows it. */
  token?: Token;
  /** How often what is safe to repeat is asked again after 503 or a broken connection, and everything after 429. */
  retries?: number;
  /** Instead of the global one. */
  fetch?: typeof fetch;
}

export type OperationName = keyof Operations & keyof typeof ROUTES;
export type Reply<Name extends OperationName> = Operations[Name]["reply"];
export type Body<Name extends OperationName> = Operations[Name]["body"];

type Needed<Key extends string, Value> = Value extends undefined
  ? { [key in Key]?: Value }
  : Record<never, never> extends Value
    ? { [key in Key]?: Value }
    : { [key in Key]: Value };

export interface CallOptions {
  headers?: Record<string, string>;
  /** Makes a repeated request the same one: a UUID of yours. */
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

type Flat<Value> = { [Key in keyof Value]: Value[Key] };

/** By name, so that the compiler looks each up instead of multiplying them all. */
type AskedByName = {
  [Name in OperationName]: Flat<
    Needed<"path", Operations[Name]["path"]> &
      Needed<"query", Operations[Name]["query"]> &
      Needed<"body", Operations[Name]["body"]>
  >;
};

type Each = { [Name in OperationName]: (name: Name, asked: AskedByName[Name], options?: CallOptions) => Promise<Reply<Name>> };

type All<Value> = (Value extends unknown ? (one: Value) => void : never) extends (all: infer Whole) => void ? Whole : never;

/** One signature for each operation: as a generic one the compiler would weigh all of them at once for each call. */
export type Call = All<Each[OperationName]>;

/** What an operation is asked with. */
export type Asked<Name extends OperationName> = AskedByName[Name];

interface Parts {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
}

const routes: Readonly<Record<string, readonly [string, string, string]>> = ROUTES;

/** Method, path, and what the answer is. */
export function routeOf(name: OperationName): readonly [string, string, string] {
  const route = routes[name];
  if (route === undefined) throw new TypeError(`no operation is named ${name}`);
  return route;
}

const REPEATABLE = new Set(["GET", "HEAD", "PUT"]);
/** Those whose second answer is the first one's; of what is deleted it is 404, or somebody has stored another file there. */
const REPEATABLE_BY_NAME = new Set(["clear_version_rule", "release_file", "release_project", "revoke_share"]);

/** Requests with the user's token, each by the name that the OpenAPI document gives it. */
export class Transport {
  readonly base: string;
  readonly #token: Token | undefined;
  readonly #retries: number;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions) {
    this.base = options.url.replace(/\/+$/, "");
    this.#token = options.token;
    this.#retries = options.retries ?? 3;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Raises StrongroomError, ConnectionError. */
  readonly call = ((name: OperationName, asked: Parts, options?: CallOptions) => this.#call(name, asked, options ?? {})) as Call;

  async #call(name: OperationName, parts: Parts, options: CallOptions): Promise<unknown> {
    const [method, path, kind] = routeOf(name);
    const headers: Record<string, string> = { ...options.headers };
    if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
    const init: RequestInit = { method, headers };
    if (options.signal !== undefined) init.signal = options.signal;
    if (parts.body !== undefined) init.body = encoded(parts.body, headers);
    const repeatable = REPEATABLE.has(method) || REPEATABLE_BY_NAME.has(name) || options.idempotencyKey !== undefined;
    const url = this.url(path, parts.path, parts.query);
    if (kind === "json") return this.send(url, init, repeatable, answered);
    const response = await this.send(url, init, repeatable);
    return kind === "bytes" ? response : undefined;
  }

  /** An absolute URL of the service. */
  url(path: string, inPath: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => escaped(name, String(inPath[name] ?? "")));
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) asked.append(name, String(value));
    }
    const text = asked.toString();
    return `${this.base}${filled}${text === "" ? "" : `?${text}`}`;
  }

  /** `authorization`, or nothing. */
  async authorization(): Promise<Record<string, string>> {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** A good answer to a request, read by `read`; what is not one is raised. */
  send(url: string, init: RequestInit, repeatable: boolean): Promise<Response>;
  send<Answer>(url: string, init: RequestInit, repeatable: boolean, read: (response: Response) => Promise<Answer>): Promise<Answer>;
  send(url: string, init: RequestInit, repeatable: boolean, read = (response: Response) => Promise.resolve<unknown>(response)): Promise<unknown> {
    return this.again(repeatable, init.signal, async () => {
      const headers = { ...(await this.authorization()), ...(init.headers as Record<string, string>) };
      try {
        const response = await this.#fetch(url, { ...init, headers });
        if (!response.ok) throw await StrongroomError.from(response);
        return await read(response);
      } catch (error) {
        throw broken(error, init.signal);
      }
    });
  }

  /** What `attempt` makes, which raises StrongroomError, ConnectionError, or why it was aborted. What is not `repeatable`
   * is tried again only when a limit has refused it at the door (429). */
  async again<Made>(repeatable: boolean, signal: AbortSignal | null | undefined, attempt: () => Promise<Made>): Promise<Made> {
    for (let tried = 0; ; tried += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (tried >= this.#retries || signal?.aborted === true || !mayRepeat(error, repeatable)) throw error;
        const wished = error instanceof StrongroomError ? error.retryAfter : undefined;
        await pause(wished === undefined ? backOff(tried) : wished * 1000, signal);
      }
    }
  }
}

function mayRepeat(error: unknown, repeatable: boolean): boolean {
  if (error instanceof StrongroomError) return error.status === 429 || (error.status === 503 && repeatable);
  return error instanceof ConnectionError && repeatable;
}

/** What a request that got no answer is raised as: an abort as its signal's reason, whatever that is. */
function broken(error: unknown, signal: AbortSignal | null | undefined): unknown {
  if (error instanceof StrongroomError || isAborted(error) || signal?.aborted === true) return error;
  if (error instanceof SyntaxError) return new ConnectionError("What answered is not the service: is `url` the gateway's?", { cause: error });
  return new ConnectionError("No answer came from the service.", { cause: error });
}

function answered(response: Response): Promise<unknown> {
  return response.json();
}

/** Keys and paths keep their slashes; ids and names have none. */
function escaped(name: string, text: string): string {
  const whole = name === "key" || name === "path" || name === "file" || name === "folder" || name === "item";
  return whole ? text.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(text);
}

function encoded(body: unknown, headers: Record<string, string>): BodyInit {
  if (body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer || typeof body === "string") {
    return body;
  }
  headers["content-type"] = "application/json";
  return JSON.stringify(body);
}

/** An `idempotencyKey`: no secret, but one of a kind for its user. */
export function newKey(): string {
  const random = (): string => Math.random().toString(36).slice(2);
  return `${Date.now().toString(36)}-${random()}${random()}`;
}

/** Milliseconds: half a second, doubled, with as much jitter. */
export function backOff(tried: number): number {
  return Math.min(500 * 2 ** tried, 15_000) * (0.5 + Math.random());
}

/** What is raised where `signal` was aborted. */
export function reasonOf(signal: AbortSignal | null | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new DOMException("aborted", "AbortError");
}

/** Wait, unless aborted. */
export function pause(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(reasonOf(signal));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}
