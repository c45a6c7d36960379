// Uploads by tus: three at a time, each with progress, pause, resume and cancel. An interrupted upload continues
// when the same file is chosen for the same destination, also after a reload.
import { BASE } from '../address.js'
import { words } from '../api/ask.js'
import { observable } from '../observable.js'
import { expired, session } from '../session.js'
import { say } from '../parts/toast.js'
import tus from '../vendor/tus.js'

const AT_ONCE = 3
const CHUNK = 64 * 1024 * 1024 // bytes per request: below the usual limits of proxies for bodies
const RETRIES = [0, 1000, 3000, 5000, 10000]

/**
 * Every upload of this page, oldest first; a job is `{ id, user, name, size, sent, state, error, trouble, place }`.
 * `trouble`: why it is tried again.
 */
export const uploads = observable([])
/** Functions called with the destination of each stored file. */
export const stored = new Set()

let made = 0
let painting = false

/** Adds files to the queue: `[{ file, path }]`; `path` includes the dropped folders. */
export function add(files, place) {
  const jobs = files.map(({ file, path }) => ({
    id: (made += 1), user: session.get()?.user, file, name: path || file.name, size: file.size, sent: 0,
    state: 'waiting', error: '', trouble: '', unanswered: false, place, task: null,
  }))
  uploads.set([...uploads.get(), ...jobs])
  advance()
}

export function pause(job) {
  job.state = 'paused'
  job.task?.abort()
  advance()
}

/** Stops an upload until its user has signed in again. */
function hold(job) {
  job.state = 'waiting'
  job.task?.abort()
}

export function resume(job) {
  Object.assign(job, { state: 'waiting', error: '', unanswered: false })
  advance()
}

/** Cancels an upload, and deletes its bytes on the service. */
export function cancel(job) {
  const { task } = job
  job.state = 'cancelled'
  uploads.set(uploads.get().filter((other) => other !== job))
  task?.abort(Boolean(task.url)).catch(() => say(`The part of ${job.name} that was uploaded will be deleted automatically.`))
  advance()
}

export const clear = () => uploads.set(uploads.get().filter((job) => job.state !== 'done'))

export const pauseAll = () => uploads.get().filter(({ state }) => state === 'sending' || state === 'waiting').forEach(pause)

export const resumeAll = () => uploads.get().filter(({ state }) => state === 'paused' || state === 'failed').forEach(resume)

session.watch((now) => {
  if (now) uploads.set(uploads.get().filter(({ user }) => user === now.user)) // the next user does not see the previous user's uploads
  else uploads.get().filter(({ state }) => state === 'sending').forEach(hold)
  advance()
})

window.addEventListener('online', () => uploads.get().filter(({ unanswered }) => unanswered).forEach(resume))

window.addEventListener('beforeunload', (event) => {
  if (uploads.get().some(({ state }) => state === 'sending' || state === 'waiting')) event.preventDefault()
})

function advance() {
  const jobs = uploads.get()
  const sending = jobs.filter(({ state }) => state === 'sending').length
  if (session.get()) jobs.filter(({ state }) => state === 'waiting').slice(0, AT_ONCE - sending).forEach(start)
  paint()
}

/** Updates views at most once per frame, however often progress is reported. */
function paint() {
  if (painting) return
  painting = true
  requestAnimationFrame(() => {
    painting = false
    uploads.set([...uploads.get()])
  })
}

async function start(job) {
  job.state = 'sending'
  if (!job.task) {
    job.task = new tus.Upload(job.file, options(job))
    const [earlier] = await job.task.findPreviousUploads()
    if (earlier) job.task.resumeFromPreviousUpload(earlier)
    if (job.state !== 'sending') return // paused while earlier uploads were looked up
  }
  job.task.options.headers = authorization()
  job.task.start()
}

function options(job) {
  return {
    endpoint: new URL('files', BASE).href,
    headers: authorization(),
    metadata: metadata(job),
    chunkSize: CHUNK,
    retryDelays: RETRIES,
    removeFingerprintOnSuccess: true,
    fingerprint: async () =>
      ['strongroom', session.get()?.user, JSON.stringify(job.place), job.name, job.size, job.file.lastModified].join('|'),
    onShouldRetry: (error) => {
      const status = error.originalResponse?.getStatus() ?? 0
      if (bodyOf(error).code === 'RETENTION_HELD') return false // any other 423: another client is sending to this upload
      const again = status === 0 || status === 409 || status === 423 || status === 429 || status >= 500
      if (again) {
        job.trouble = status === 0 ? 'No connection. Trying again…' : words(status, bodyOf(error))
        paint()
      }
      return again
    },
    onProgress: (sent) => {
      Object.assign(job, { sent, trouble: '' })
      paint()
    },
    onSuccess: () => {
      Object.assign(job, { state: 'done', sent: job.size, file: null, task: null })
      for (const listener of stored) listener(job.place)
      advance()
    },
    onError: (error) => {
      const status = error.originalResponse?.getStatus() ?? 0
      if (status === 401) {
        hold(job)
        expired()
        return
      }
      Object.assign(job, { state: 'failed', error: words(status, bodyOf(error)), unanswered: status === 0 })
      advance()
    },
  }
}

const authorization = () => ({ authorization: `Bearer ${session.get()?.token ?? ''}` })

/** The tus metadata for a destination (docs/tus.md). A file below a path keeps its dropped folders. */
function metadata({ file, name, place }) {
  const found = { filename: file.name, ...(file.type && { filetype: file.type }), ...place }
  if (place.family === 'path') found.path = `${place.path}${name}`
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value))
}

/** The problem in the answer; empty without an answer. */
function bodyOf(error) {
  try {
    return JSON.parse(error.originalResponse?.getBody() || '{}')
  } catch {
    return {}
  }
}
