// Where we are stands behind the `#`: names of folders and words people search for never reach a server's log,
// and the gateway serves one page only.
import { observable, useObservable } from './observable.js'

/** The gateway, with a slash at the end; the console may be mounted below a prefix. */
export const BASE = new URL('.', window.location.href.split('#')[0]).href

const HOME = '/files'
const current = observable(read())
window.addEventListener('hashchange', () => current.set(read()))

function read() {
  const text = window.location.hash.slice(1) || HOME
  const mark = text.indexOf('?')
  const path = mark < 0 ? text : text.slice(0, mark)
  return {
    parts: path.split('/').slice(1).map(decoded),
    query: new URLSearchParams(mark < 0 ? '' : text.slice(mark + 1)),
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // a % that somebody typed
  }
}

/** `{ parts, query }` of the moment. */
export const useAddress = () => useObservable(current)

/**
 * The address of a view, for links.
 * @param {string[]} parts
 * @param {Record<string, string | undefined | null>} [query] what is empty is left out
 */
export function to(parts, query = {}) {
  const kept = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value) kept.set(name, value)
  const text = kept.toString()
  return `#/${parts.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`
}

/** The view of now with other parameters. */
export function here(changes) {
  const { parts, query } = current.get()
  return to(parts, { ...Object.fromEntries(query), ...changes })
}

/** Go to an address; `replace`: without a step to go back to. */
export function go(address, { replace = false } = {}) {
  if (address === window.location.hash) return
  if (!replace) {
    window.location.hash = address
    return
  }
  window.history.replaceState(null, '', address)
  current.set(read())
}
