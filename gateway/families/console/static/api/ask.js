// The only client of the REST API: sends the user's token, raises problems as errors, retries after 429 and 503.
import { BASE } from '../address.js'
import { time } from '../format.js'
import { expired, session } from '../session.js'

const TRIES = 3
const LONGEST_WAIT = 5

/** An error with a message for people. `status` 0: no answer arrived. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(words(status, body))
    this.status = status
    this.code = body.code ?? ''
    this.metadata = body.metadata ?? {}
  }
}

/** Messages for people by error code, in place of the service's. A function takes the problem's metadata. */
const WORDS = {
  PRECONDITION_FAILED: 'Somebody else has changed this meanwhile. You now see the latest version; try again.',
  QUOTA_EXCEEDED: 'Your storage quota is used up.',
  FILE_COUNT_EXCEEDED: 'You have reached your maximum number of files.',
  FILE_NOT_FOUND: 'This file no longer exists.',
  SHARE_NOT_FOUND: 'This share no longer exists.',
  PROJECT_NOT_FOUND: 'This project no longer exists.',
  VERSION_CONFLICT: 'Somebody else has saved this project meanwhile. You now see the latest version; try again.',
  PERMISSION_DENIED: 'Your account is not allowed to do this.',
  CONTENT_INFECTED: 'The scanner found malware in this file, so it can’t be read or stored. Upload a clean one instead.',
  OBJECT_ARCHIVED: 'This file is archived. It is being restored, which takes hours; try again later.',
  OBJECT_LOST: 'The content of this file is missing or damaged. Upload it again, or ask whoever runs the service.',
  RATE_LIMITED: 'Too many requests in a short time. Wait a moment and try again.',
  OVERLOADED: 'The service is busy. Try again in a moment.',
  RETENTION_HELD: ({ until, hold }) =>
    (hold ? 'This is on legal hold: it can’t be deleted or replaced until the hold is lifted.'
      : until ? `This is kept until ${time(until)}: it can’t be deleted or replaced before.`
      : 'This is retained or on legal hold: it can’t be deleted or replaced yet.'),
}

/**
 * Returns the message of a problem for people.
 * @param {number} status HTTP status; 0: no answer arrived
 * @param {{code?: string, detail?: string, message?: string, metadata?: Record<string, string>}} body
 */
export function words(status, body) {
  const told = WORDS[body.code]
  if (told) return typeof told === 'function' ? told(body.metadata ?? {}) : told
  const text = body.detail || body.message
  if (text) return text
  if (status === 0) return 'The service can’t be reached. Check the connection and try again.'
  return status >= 500 ? 'The service has an internal problem. Try again in a moment.' : `Refused (${status}).`
}

/**
 * Sends a request and returns the JSON of its answer. Raises Problem.
 * @param {string} method
 * @param {string} path relative to the gateway, without a slash before it
 * @param {{query?: Record<string, unknown>, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function ask(method, path, options = {}) {
  const answer = await send(method, path, options)
  return answer.status === 204 ? null : answer.json()
}

/**
 * Sends a request and returns its answer unread, for bytes and streams. Raises Problem.
 * @param {string} method
 * @param {string} path
 * @param {{query?: Record<string, unknown>, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function send(method, path, { query, body, headers = {}, signal } = {}) {
  const url = new URL(path, BASE)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== '') url.searchParams.set(name, String(value))
  }
  const request = { method, signal, headers: { ...headers, authorization: `Bearer ${session.get()?.token ?? ''}` } }
  if (body !== undefined) {
    request.body = JSON.stringify(body)
    request.headers['content-type'] = 'application/json'
  }
  // A repeated POST has the same key, so that the service does not carry it out twice.
  if (method === 'POST') request.headers['idempotency-key'] ??= crypto.randomUUID()
  for (let tried = 1; ; tried += 1) {
    const answer = await fetch(url, request).catch((error) => {
      if (error.name === 'AbortError') throw error
      throw new Problem(0)
    })
    if (answer.ok) return answer
    const wait = Number(answer.headers.get('retry-after'))
    if ((answer.status === 429 || answer.status === 503) && tried < TRIES && wait <= LONGEST_WAIT) {
      await new Promise((done) => setTimeout(done, 1000 * (wait || 1)))
      continue
    }
    const problem = new Problem(answer.status, await answer.json().catch(() => ({})))
    if (answer.status === 401) expired()
    throw problem
  }
}

/** Escapes a key or a folder for a path. Its slashes stay. */
export const inPath = (text) => text.split('/').map(encodeURIComponent).join('/')
