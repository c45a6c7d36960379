// The one way to the REST API: the caller's token, problems as errors, patience with 429 and 503.
import { BASE } from '../address.js'
import { time } from '../format.js'
import { expired, session } from '../session.js'

const TRIES = 3
const LONGEST_WAIT = 5

/** What went wrong, in words for people. `status` 0: no answer came. */
export class Problem extends Error {
  constructor(status, body = {}) {
    super(words(status, body))
    this.status = status
    this.code = body.code ?? ''
    this.metadata = body.metadata ?? {}
  }
}

/** What people are told instead of what programs are; a function: of the problem's metadata. */
const WORDS = {
  PRECONDITION_FAILED: 'Somebody has changed this meanwhile. What you see now is the newest; try again.',
  QUOTA_EXCEEDED: 'There is no room left: your quota is used up.',
  FILE_COUNT_EXCEEDED: 'There is no room left: you have as many files as you may.',
  FILE_NOT_FOUND: 'This file is no longer there.',
  SHARE_NOT_FOUND: 'This share is no longer there.',
  PROJECT_NOT_FOUND: 'This project is no longer there.',
  VERSION_CONFLICT: 'Somebody has saved this project meanwhile. What you see now is the newest; try again.',
  PERMISSION_DENIED: 'Your account may not do this.',
  CONTENT_INFECTED: 'The scanner has found malware in this file: it can’t be read or stored. Store a clean one in its place.',
  OBJECT_ARCHIVED: 'This file lies in an archive. It is being brought back, which takes hours; come again later.',
  OBJECT_LOST: 'The bytes of this file are missing or damaged. Store it again, or ask who runs the service.',
  RATE_LIMITED: 'That was too much in a short time. Wait a moment and try again.',
  OVERLOADED: 'The service is busy just now. Try again in a moment.',
  RETENTION_HELD: ({ until, hold }) =>
    (hold ? 'This is on legal hold: it can be deleted or replaced once the hold is lifted.'
      : until ? `This is kept until ${time(until)}: it can be deleted or replaced from then on.`
      : 'This is kept for a time, or on legal hold: it can’t be deleted or replaced yet.'),
}

/**
 * A problem as people are told it.
 * @param {number} status of HTTP; 0: no answer came
 * @param {{code?: string, detail?: string, message?: string, metadata?: Record<string, string>}} body
 */
export function words(status, body) {
  const told = WORDS[body.code]
  if (told) return typeof told === 'function' ? told(body.metadata ?? {}) : told
  const text = body.detail || body.message
  if (text) return text
  if (status === 0) return 'The service can’t be reached. Check the connection and try again.'
  return status >= 500 ? 'The service has a problem of its own. Try again in a moment.' : `Refused (${status}).`
}

/**
 * Ask the API and read its JSON.
 * @param {string} method
 * @param {string} path relative to the gateway, without a slash before it
 * @param {{query?: Record<string, unknown>, body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [options]
 */
export async function ask(method, path, options = {}) {
  const answer = await send(method, path, options)
  return answer.status === 204 ? null : answer.json()
}

/**
 * The same, with the answer itself: for bytes and streams.
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
  // A repeat of a POST has the same key, so that what was done already is not done again.
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

/** Slashes in keys and folders stay slashes. */
export const inPath = (text) => text.split('/').map(encodeURIComponent).join('/')
