// The one way to the REST API: the caller's token, problems as errors, patience with 429 and 503.
import { BASE } from '../address.js'
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

const WORDS = {
  PRECONDITION_FAILED: 'Somebody has changed this meanwhile. What you see now is the newest; try again.',
  QUOTA_EXCEEDED: 'There is no room left: your quota is used up.',
  FILE_COUNT_EXCEEDED: 'There is no room left: you have as many files as you may.',
  FILE_NOT_FOUND: 'This file is no longer there.',
  SHARE_NOT_FOUND: 'This share is no longer there.',
}

function words(status, body) {
  if (status === 0) return 'The service can’t be reached. Check the connection and try again.'
  if (WORDS[body.code]) return WORDS[body.code]
  const text = body.detail || body.message
  if (text) return text
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

/** The same, with the answer itself: for bytes and streams. */
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
