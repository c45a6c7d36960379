import * as tus from "tus-js-client";

import { ConnectionError, StrongroomError } from "./errors.js";
import type { DirectBody, SentPart, SignedPart, StoredFile } from "./schema.js";
import { backOff, pause, reasonOf, routeOf } from "./transport.js";
import type { Body, OperationName, Reply, Transport } from "./transport.js";

export interface UploadOptions {
  /** Called with the number of bytes sent so far, and the total. */
  onProgress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
  /** A unique key chosen by the caller, for instance a UUID. Uploads with the same key store one file. */
  idempotencyKey?: string;
}

/** The target of a resumable upload: `family`, and the fields that the family needs (`event_id`, `type`, `path`, …). */
export type TusTarget = { family: string } & Record<string, string>;

export interface TusOptions extends UploadOptions {
  filename?: string;
  contentType?: string;
  /** Bytes per request. By default all bytes are sent in one request (under Node: in requests of 16 MiB). */
  chunkSize?: number;
}

/** Operations whose body is a form with a file. */
export type FormName = {
  [Name in OperationName]: Body<Name> extends { file: Blob } ? Name : never;
}[OperationName];

/** Raises TypeError for text, a Buffer or nothing; only plain JavaScript gets so far. */
function checkFile(file: unknown): void {
  if (!(file instanceof Blob)) throw new TypeError("the file is a File or a Blob: new File([data], name)");
}

/** The text of a form's field: lists (tags) with commas, objects (settings) as JSON. */
function asText(value: unknown): string {
  if (Array.isArray(value)) return value.join(",");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Sends a form with a file and reports progress. Raises StrongroomError, ConnectionError. */
export async function sendForm<Name extends FormName>(
  transport: Transport,
  name: Name,
  path: Record<string, unknown>,
  body: Body<Name>,
  options: UploadOptions,
): Promise<Reply<Name>> {
  const [method, route] = routeOf(name);
  const { file, ...fields } = body as { file: Blob } & Record<string, unknown>;
  checkFile(file);
  const form = new FormData();
  for (const [field, value] of Object.entries(fields)) {
    if (value !== undefined) form.append(field, asText(value));
  }
  form.append("file", file, nameOf(file));
  const url = transport.url(route, path);
  const headers: Record<string, string> = {};
  if (options.idempotencyKey !== undefined) headers["idempotency-key"] = options.idempotencyKey;
  const repeatable = options.idempotencyKey !== undefined;
  if (options.onProgress !== undefined && typeof XMLHttpRequest !== "undefined") {
    return transport.again(repeatable, options.signal, async () => {
      const whole = { ...headers, ...(await transport.authorization()) };
      return JSON.parse(await byXhr(method, url, form, whole, file.size, options)) as Reply<Name>;
    });
  }
  options.onProgress?.(0, file.size);
  const init: RequestInit = { method, headers, body: form };
  if (options.signal !== undefined) init.signal = options.signal;
  const reply = await transport.send(url, init, repeatable, (response) => response.json() as Promise<Reply<Name>>);
  options.onProgress?.(file.size, file.size);
  return reply;
}

/** Sends a body by XMLHttpRequest, because browsers report a body's progress only there. */
function byXhr(
  method: string,
  url: string,
  body: XMLHttpRequestBodyInit,
  headers: Record<string, string>,
  total: number,
  options: UploadOptions,
  judge: (request: XMLHttpRequest) => string = (request) => request.responseText,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => options.onProgress?.(Math.min(event.loaded, total), total);
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        options.onProgress?.(total, total);
        resolve(judge(request));
      } else {
        reject(StrongroomError.of(request.status, request.responseText, request.getResponseHeader("retry-after")));
      }
    };
    request.onerror = () => reject(new ConnectionError("The connection broke off."));
    request.onabort = () => reject(reasonOf(options.signal));
    options.signal?.addEventListener("abort", () => request.abort(), { once: true });
    if (options.signal?.aborted === true) reject(reasonOf(options.signal));
    else request.send(body);
  });
}

/** An upload by tus. It can be continued where it stopped, also after the page was reloaded. */
export class ResumableUpload {
  /** Resolves to the stored file. */
  readonly done: Promise<StoredFile>;
  readonly #upload: tus.Upload;
  readonly #signal: AbortSignal | undefined;

  constructor(transport: Transport, file: Blob, target: TusTarget, options: TusOptions = {}) {
    checkFile(file);
    let finish: (file: StoredFile) => void;
    let fail: (error: unknown) => void;
    this.done = new Promise((resolve, reject) => {
      finish = resolve;
      fail = reject;
    });
    const filename = options.filename ?? nameOf(file);
    const contentType = options.contentType ?? file.type;
    const metadata: Record<string, string> = { ...target };
    if (filename !== undefined) metadata["filename"] = filename;
    if (contentType !== "") metadata["filetype"] = contentType;
    const settings: tus.UploadOptions = {
      endpoint: transport.url("/files"),
      metadata,
      retryDelays: [0, 1000, 3000, 5000, 10_000],
      removeFingerprintOnSuccess: true,
      onBeforeRequest: async (request) => {
        const headers = await transport.authorization();
        for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
      },
      onProgress: (sent, total) => options.onProgress?.(sent, total ?? file.size),
      onError: (error) => fail(problemOf(error)),
      onSuccess: () => {
        const id = this.#upload.url?.replace(/[?#].*$/, "").split("/").pop() ?? "";
        transport.call("get_upload", { path: { id } }).then((state) => {
          if (state.file === null) fail(new ConnectionError("The upload has ended, and no file is there."));
          else finish(state.file);
        }, fail);
      },
    };
    if (typeof XMLHttpRequest === "undefined") {
      settings.fileReader = { openFile: (blob: Blob) => Promise.resolve(pieces(blob)) } as unknown as tus.FileReader;
      settings.chunkSize = NODE_CHUNK;
    }
    if (options.chunkSize !== undefined) settings.chunkSize = options.chunkSize;
    this.#upload = new tus.Upload(file as File, settings);
    const { signal } = options;
    this.#signal = signal;
    const stop = (): void => {
      void this.pause().then(() => fail(reasonOf(signal)));
    };
    if (signal?.aborted === true) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  }

  /** Starts the upload, or continues an earlier upload of the same file from this browser. */
  async start(): Promise<this> {
    const earlier = await this.#upload.findPreviousUploads();
    if (this.#signal?.aborted === true) return this;
    if (earlier[0] !== undefined) this.#upload.resumeFromPreviousUpload(earlier[0]);
    this.#upload.start();
    return this;
  }

  /** Stops sending. The service keeps the bytes that it has received; `resume` continues. */
  async pause(): Promise<void> {
    await this.#upload.abort();
  }

  resume(): void {
    this.#upload.start();
  }

  /** Stops sending, and deletes the upload on the service. */
  async cancel(): Promise<void> {
    await this.#upload.abort(true);
  }
}

/** Reads a Blob piece by piece for tus-js-client, which does not support Blobs under Node. */
function pieces(blob: Blob): { size: number; slice: (start: number, end: number) => Promise<unknown>; close: () => void } {
  return {
    size: blob.size,
    slice: async (start, end) => {
      const value = new Uint8Array(await blob.slice(start, Math.min(end, blob.size)).arrayBuffer());
      return { value: Object.assign(value, { size: value.length }), done: end >= blob.size };
    },
    close: () => undefined,
  };
}

function problemOf(error: Error): Error {
  if (error instanceof tus.DetailedError && error.originalResponse) {
    const response = error.originalResponse;
    return StrongroomError.of(response.getStatus(), response.getBody(), response.getHeader("Retry-After") ?? null);
  }
  return new ConnectionError("The connection broke off.", { cause: error });
}

const NODE_CHUNK = 16 * 1024 * 1024;
const AT_ONCE = 3;
const PART_TRIES = 4;

/** Uploads a file straight to the object store, by signed URLs. Raises StrongroomError, ConnectionError. */
export async function sendDirect(
  transport: Transport,
  file: Blob,
  target: DirectBody["target"],
  options: TusOptions = {},
): Promise<StoredFile> {
  checkFile(file);
  const body: DirectBody = {
    target,
    filename: options.filename ?? nameOf(file) ?? "file",
    content_type: options.contentType ?? (file.type || "application/octet-stream"),
    size: file.size,
  };
  const { signal } = options;
  const begun = await transport.call("create_direct_upload", { body }, options);
  const id = begun.upload_id;
  const stop = new AbortController(); // the first failure of a part stops the others
  const stopWith = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", stopWith, { once: true });
  if (signal?.aborted === true) stopWith();
  try {
    const sent: SentPart[] = [];
    const through = new Map<number, number>();
    const tell = (number: number, bytes: number): void => {
      through.set(number, bytes);
      options.onProgress?.([...through.values()].reduce((sum, one) => sum + one, 0), file.size);
    };
    const waiting = Array.from({ length: begun.part_total }, (_, index) => index + 1);
    const signed = new Map(begun.parts.map((part) => [part.part_number, part]));
    const worker = async (): Promise<void> => {
      for (let number = waiting.shift(); number !== undefined; number = waiting.shift()) {
        const from = (number - 1) * begun.part_size;
        const piece = file.slice(from, Math.min(from + begun.part_size, file.size));
        sent.push(await sendPart(transport, id, number, piece, signed.get(number), tell, stop.signal));
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, begun.part_total) }, worker));
    sent.sort((one, other) => one.part_number - other.part_number);
    // The key makes the request repeatable, so it is retried after a lost answer.
    const repeated = { signal, idempotencyKey: id };
    const done = await transport.call("complete_direct_upload", { path: { id }, body: { parts: sent } }, repeated);
    return done.file;
  } catch (error) {
    stop.abort();
    const stored = await whatCameOf(transport, id, options);
    if (stored === undefined) throw error;
    return stored;
  } finally {
    signal?.removeEventListener("abort", stopWith);
  }
}

/**
 * Resolves the state after a failure: returns the file if the upload was completed, else cancels the upload. An upload
 * with the caller's key is not cancelled, because a repeated call continues it.
 */
async function whatCameOf(transport: Transport, id: string, options: TusOptions): Promise<StoredFile | undefined> {
  const isLeft = options.signal?.aborted === true;
  if (options.idempotencyKey !== undefined && isLeft) return undefined;
  const state = isLeft ? undefined : await transport.call("get_upload", { path: { id } }).catch(() => undefined);
  if (state?.file) return state.file;
  if (options.idempotencyKey === undefined && (isLeft || state?.status === "open")) {
    await transport.call("cancel_upload", { path: { id } }).catch(() => undefined);
  }
  return undefined;
}

async function sendPart(
  transport: Transport,
  id: string,
  number: number,
  piece: Blob,
  signed: SignedPart | undefined,
  tell: (number: number, bytes: number) => void,
  signal: AbortSignal,
): Promise<SentPart> {
  let part = signed;
  for (let tried = 1; ; tried += 1) {
    try {
      if (part === undefined) {
        const asked = { path: { id }, body: { first_part: number, part_count: 1 } };
        part = (await transport.call("sign_direct_parts", asked, { signal })).parts[0];
      }
      if (part === undefined) throw new ConnectionError(`Part ${number} got no URL.`);
      return { part_number: number, etag: await put(part, piece, (bytes) => tell(number, bytes), signal) };
    } catch (error) {
      if (tried >= PART_TRIES || signal.aborted) throw error;
      part = undefined; // its URL may have expired
      await pause(backOff(tried), signal);
    }
  }
}

async function put(
  part: SignedPart,
  piece: Blob,
  tell: (bytes: number) => void,
  signal: AbortSignal,
): Promise<string> {
  const headers = { ...(part.headers ?? {}) };
  let etag: string | null;
  if (typeof XMLHttpRequest !== "undefined") {
    const judge = (request: XMLHttpRequest): string => request.getResponseHeader("etag") ?? "";
    etag = await byXhr("PUT", part.url, piece, headers, piece.size, { onProgress: tell, signal }, judge);
  } else {
    const response = await fetch(part.url, { method: "PUT", headers, body: piece, signal });
    if (!response.ok) throw await StrongroomError.from(response);
    etag = response.headers.get("etag");
    tell(piece.size);
  }
  if (etag === null || etag === "") {
    throw new ConnectionError("The object store's answer has no ETag: let its CORS rules expose it.");
  }
  return etag;
}

function nameOf(file: Blob): string | undefined {
  const { name } = file as Partial<File>;
  return name === undefined || name === "" ? undefined : name;
}
