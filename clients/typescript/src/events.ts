import { ConnectionError, StrongroomError, isAborted } from "./errors.js";
import type { Notification } from "./schema.js";
import { backOff, pause, routeOf } from "./transport.js";
import type { OperationName, Transport } from "./transport.js";

export interface WatchOptions {
  /** The id of the last event seen: the stream continues after it. Without it the stream starts now. */
  after?: string;
  /** Ends the stream. */
  signal?: AbortSignal;
  /** Called whenever the stream has been opened, the first time and after each reconnection. */
  onOpen?: () => void;
}

/** Filters: an event must pass all that are given. */
export interface WatchAllOptions extends WatchOptions {
  /** `file_ready`, …; default: all types except progress. */
  types?: readonly string[];
  /** `file`, `generation`, …, `project`. */
  families?: readonly string[];
  users?: readonly string[];
}

interface Message {
  id: string;
  event: string;
  data: string;
}

/**
 * Yields events of the user's files until iteration stops. A broken stream is reopened after the last event seen.
 * Raises StrongroomError if the service refuses the stream for good.
 */
export function watch(transport: Transport, options: WatchOptions = {}): AsyncGenerator<Notification> {
  return follow(transport, "stream_notifications", {}, options);
}

/** Yields events of all users' files, for admins. Each event names its user. */
export function watchAll(transport: Transport, options: WatchAllOptions = {}): AsyncGenerator<Notification> {
  const query: Record<string, string> = {};
  for (const name of ["types", "families", "users"] as const) {
    const wanted = options[name];
    if (wanted !== undefined && wanted.length > 0) query[name] = wanted.join(",");
  }
  return follow(transport, "stream_events_of_all", query, options);
}

async function* follow(
  transport: Transport,
  name: OperationName,
  query: Record<string, string>,
  options: WatchOptions,
): AsyncGenerator<Notification> {
  const url = transport.url(routeOf(name)[1], {}, query);
  let last = options.after;
  let failed = 0;
  const isOver = (error?: unknown): boolean => isAborted(error) || options.signal?.aborted === true;
  while (!isOver()) {
    try {
      for await (const message of stream(transport, url, last, options)) {
        failed = 0;
        if (message.event === "end") break;
        if (message.id !== "") last = message.id;
        if (message.data !== "") yield JSON.parse(message.data) as Notification;
      }
    } catch (error) {
      if (isOver(error)) return;
      if (error instanceof StrongroomError && error.status < 500 && error.status !== 429) throw error;
    }
    try {
      await pause(backOff(failed), options.signal);
    } catch (error) {
      if (isOver(error)) return;
      throw error;
    }
    failed += 1;
  }
}

async function* stream(
  transport: Transport,
  url: string,
  last: string | undefined,
  options: WatchOptions,
): AsyncGenerator<Message> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (last !== undefined) headers["last-event-id"] = last;
  const init: RequestInit = { headers, cache: "no-store" };
  if (options.signal !== undefined) init.signal = options.signal;
  const response = await transport.send(url, init, false);
  if (response.body === null) throw new ConnectionError("The answer has no body.");
  options.onOpen?.();
  const reader = response.body.getReader();
  try {
    yield* messages(reader);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Parses server-sent events (HTML standard, section 9.2.6). */
async function* messages(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Message> {
  const decoder = new TextDecoder();
  let rest = "";
  let message: Message = { id: "", event: "", data: "" };
  let told = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        // Heartbeats have only an id, which is the position in the stream.
        if (message.event !== "" || message.data !== "" || message.id !== told) yield message;
        told = message.id;
        message = { id: message.id, event: "", data: "" };
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") message.data += message.data === "" ? text : `\n${text}`;
      else if (field === "id") message.id = text;
      else if (field === "event") message.event = text;
    }
  }
}
