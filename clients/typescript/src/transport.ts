import { ConnectionError, StrongroomError, isAborted } from "./errors.js";
import { ROUTES } from "./schema.js";
import type { Operations } from "./schema.js";

/** The user's token, or a function that returns one. It is called before each request, so it may renew the token. */
export type Token = string | (() => string | Promise<string>);

export interface ClientOptions {
  /** The gateway's address: `https://files.example.com`. */
  url: string;
  /** Without a token only operations that need no authentication succeed. */
  token?: Token;
  /** Number of retries: after 503 or a broken connection for requests that are safe to repeat, after 429 for all. */
  retries?: number;
  /** Replaces the global `fetch`. */
  fetch?: typeof fetch;
}

export type OperationName = keyof Operations & keyof typeof ROUTES;
export type Reply<Name extends OperationName> = Operations[Name]["reply"];
export type Body<Name extends OperationName> = Operations[Name]["body"];

type Needed<Key extends string, Value> = [Value] extends [undefined]
  ? { [key in Key]?: Value }
  : Record<never, never> extends Value
    ? { [key in Key]?: Value }
    : { [key in Key]: Value };

export interface CallOptions {
  headers?: Record<string, string>;
  /** A unique key chosen by the caller, for instance a UUID. Requests with the same key are carried out once. */
  idempotencyKey?: string | undefined;
  signal?: AbortSignal | undefined;
}

type Flat<Value> = { [Key in keyof Value]: Value[Key] };

/** Indexed by name, so that the compiler looks up one operation instead of combining all of them. */
type AskedByName = {
  [Name in OperationName]: Flat<
    Needed<"path", Operations[Name]["path"]> &
      Needed<"query", Operations[Name]["query"]> &
      Needed<"body", Operations[Name]["body"]>
  >;
};

type Each = { [Name in OperationName]: (name: Name, asked: AskedByName[Name], options?: CallOptions) => Promise<Reply<Name>> };

type All<Value> = (Value extends unknown ? (one: Value) => void : never) extends (all: infer Whole) => void ? Whole : never;

/** One overload for each operation. With one generic signature the compiler would check all operations in each call. */
export type Call = All<Each[OperationName]>;

/** The arguments of an operation: path, query and body. */
export type Asked<Name extends OperationName> = AskedByName[Name];

interface Parts {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  body?: unknown;
}

const routes: Readonly<Record<string, readonly [string, string, string]>> = ROUTES;

/** Returns the operation's method, its path, and its kind of answer: `json`, `bytes` or `nothing`. */
export function routeOf(name: OperationName): readonly [string, string, string] {
  const route = routes[name];
  if (route === undefined) throw new TypeError(`no operation is named ${name}`);
  return route;
}

const REPEATABLE = new Set(["GET", "HEAD", "PUT"]);
/**
 * Operations by DELETE or POST whose repetition gives the same answer. Deletions of files are not among them: a repeated
 * one answers 404, or deletes another file that was stored there in between.
 */
const REPEATABLE_BY_NAME = new Set(["clear_version_rule", "release_file", "release_project", "revoke_share"]);

/** Sends requests with the user's token. Operations have the names of the OpenAPI document. */
export class Transport {
  readonly base: string;
  readonly #token: Token | undefined;
  readonly #retries: number;
  readonly #fetch: typeof fetch;

  /** Raises TypeError if `url` is no address. */
  constructor(options: ClientOptions) {
    if (!/^https?:\/\/[^/]/i.test(options.url ?? "")) throw new TypeError(`url is the gateway's, such as "https://files.example.com"`);
    this.base = options.url.replace(/\/+$/, "");
    this.#token = options.token;
    this.#retries = options.retries ?? 3;
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init));
  }

  /** Calls an operation and returns its answer. Raises StrongroomError, ConnectionError. */
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

  /** Returns the absolute URL of a route, with its parameters filled in and escaped. Raises TypeError, see `escaped`. */
  url(path: string, inPath: Record<string, unknown> = {}, query: Record<string, unknown> = {}): string {
    const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => escaped(name, inPath[name]));
    const asked = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) asked.append(name, String(value));
    }
    const text = asked.toString();
    return `${this.base}${filled}${text === "" ? "" : `?${text}`}`;
  }

  /** Returns the `authorization` header; no header without a token. */
  async authorization(): Promise<Record<string, string>> {
    const token = typeof this.#token === "function" ? await this.#token() : this.#token;
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** Sends a request and returns its successful answer, read by `read`. Raises StrongroomError, ConnectionError. */
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

  /**
   * Calls `attempt`, with retries, and returns its result. Raises StrongroomError, ConnectionError, or the reason of an
   * abort. A request that is not `repeatable` is retried only after 429, because a limit refused it before it began.
   */
  async again<Made>(repeatable: boolean, signal: AbortSignal | null | undefined, attempt: () => Promise<Made>): Promise<Made> {
    for (let tried = 0; ; tried += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (tried >= this.#retries || signal?.aborted === true || !mayRepeat(error, repeatable)) throw error;
        await pause(delay(tried, error instanceof StrongroomError ? error.retryAfter : undefined), signal);
      }
    }
  }
}

function mayRepeat(error: unknown, repeatable: boolean): boolean {
  if (error instanceof StrongroomError) {
    if ((error.retryAfter ?? 0) > LONGEST_PAUSE_SECONDS) return false;
    return error.status === 429 || (error.status === 503 && repeatable);
  }
  return error instanceof ConnectionError && repeatable;
}

/** Returns the error to raise for a request without an answer. An abort is raised as the signal's reason. */
function broken(error: unknown, signal: AbortSignal | null | undefined): unknown {
  if (error instanceof StrongroomError || isAborted(error) || signal?.aborted === true) return error;
  if (error instanceof SyntaxError) return new ConnectionError("What answered is not the service: is `url` the gateway's?", { cause: error });
  return new ConnectionError("No answer came from the service.", { cause: error });
}

function answered(response: Response): Promise<unknown> {
  return response.json();
}

/**
 * Escapes a path parameter. Slashes in keys and paths stay; in ids and names they are escaped. Raises TypeError if it is
 * missing, or has a segment `.` or `..`: fetch would resolve it, and call another route.
 */
function escaped(name: string, value: unknown): string {
  const text = String(value ?? "");
  if (text === "") throw new TypeError(`${name} is missing or empty`);
  if (text.split("/").some((segment) => segment === "." || segment === "..")) throw new TypeError(`${name} has a segment "." or ".."`);
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

/** Returns `options` with another header; unchanged if `value` is undefined. */
export function withHeader(options: CallOptions | undefined, name: string, value: string | undefined): CallOptions {
  return value === undefined ? { ...options } : { ...options, headers: { ...options?.headers, [name]: value } };
}

/** Returns a new `idempotencyKey`. It is unique for its user, and not secret. */
export function newKey(): string {
  const random = (): string => Math.random().toString(36).slice(2);
  return `${Date.now().toString(36)}-${random()}${random()}`;
}

/** Seconds that a call waits at most before a try. If the service asks for more, its error is raised, with `retryAfter`. */
const LONGEST_PAUSE_SECONDS = 60;

/** Milliseconds before the next try: what the service asks for, and a random part, so that refused calls don't return all at once. */
function delay(tried: number, wished: number | undefined): number {
  return wished === undefined ? backOff(tried) : wished * 1000 + Math.random() * backOff(tried);
}

/** Milliseconds before the next try: 500, doubled each time up to 15,000, times a random factor from 0.5 to 1.5. */
export function backOff(tried: number): number {
  return Math.min(500 * 2 ** tried, 15_000) * (0.5 + Math.random());
}

/** Returns the error to raise after `signal` was aborted: its reason, or an AbortError. */
export function reasonOf(signal: AbortSignal | null | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new DOMException("aborted", "AbortError");
}

/** Waits. Raises the signal's reason if it is aborted. */
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
