// Events of the user's files as they happen: server-sent events read by fetch, because an EventSource sends no
// bearer token. After a lost connection the stream continues after the last event.
import { observable } from '../observable.js'
import { expired, session } from '../session.js'
import { Problem, send } from './ask.js'

const KEPT = 300
const HIDDEN = 30000 // milliseconds for which a hidden page stays connected
const LONGEST_PAUSE = 30000

/** The last events of this tab, newest first: `{ id, type, subject_id, data, created_at }`. */
export const events = observable([])
/** `connecting`, `live`, or `waiting` (for the next try). */
export const state = observable('connecting')
/** Functions called with each event. */
export const heard = new Set()

let last = '' // the id of the newest event
let begun = false

/**
 * Receives events until the returned function is called. Browsers allow six connections to a server for all tabs
 * together, so a hidden page, or one that was left for another page, holds none.
 */
export function listen() {
  let controller = null
  let timer = 0
  const begin = () => {
    clearTimeout(timer)
    if (controller && !controller.signal.aborted) return
    controller = new AbortController()
    run(controller.signal)
  }
  const end = () => {
    clearTimeout(timer)
    controller?.abort()
  }
  const look = () => {
    if (!document.hidden) begin()
    else timer = setTimeout(end, HIDDEN)
  }
  last = ''
  events.set([])
  begin()
  document.addEventListener('visibilitychange', look)
  window.addEventListener('pagehide', end)
  window.addEventListener('pageshow', begin)
  return () => {
    end()
    document.removeEventListener('visibilitychange', look)
    window.removeEventListener('pagehide', end)
    window.removeEventListener('pageshow', begin)
  }
}

async function run(signal) {
  let pause = 1000
  const later = begun
  begun = true
  while (!signal.aborted && session.get()) {
    try {
      state.set('connecting')
      const headers = last ? { 'last-event-id': last } : {}
      const answer = await send('GET', 'api/notifications', { signal, headers })
      state.set('live')
      if (later && !last) for (const listener of heard) listener({ type: 'resumed' }) // events during the interruption were missed
      pause = 1000
      for await (const message of messages(answer.body)) {
        if (message.event === 'end') {
          if (JSON.parse(message.data).code === 'TOKEN_EXPIRED') expired()
          break
        }
        if (message.id) last = message.id
        if (message.data) tell(JSON.parse(message.data))
      }
    } catch (problem) {
      if (signal.aborted) return
      if (problem instanceof Problem && problem.code === 'OFFSET_OUT_OF_RANGE') last = ''
    }
    if (signal.aborted) return
    state.set('waiting')
    await new Promise((done) => setTimeout(done, pause))
    pause = Math.min(2 * pause, LONGEST_PAUSE)
  }
}

function tell(event) {
  events.set([event, ...events.get()].slice(0, KEPT))
  for (const listener of heard) listener(event)
}

/** Parses a stream of server-sent events (WHATWG HTML, 9.2.6): yields one object per message. */
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    rest += value.replaceAll('\r', '')
    let end
    while ((end = rest.indexOf('\n\n')) >= 0) {
      yield fields(rest.slice(0, end))
      rest = rest.slice(end + 2)
    }
  }
}

function fields(text) {
  const message = { event: 'message', data: '', id: '' }
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue // a comment: the heartbeat
    const name = line.slice(0, colon)
    const value = line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') message.data += (message.data && '\n') + value
    else if (name in message) message[name] = value
  }
  return message
}
