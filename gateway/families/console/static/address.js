// The current view's address is the fragment behind `#`: folder names and search terms never reach a server's
// log, and the gateway serves only one page.
import { observable, useObservable } from './observable.js'

/** The gateway's URL, with a slash at the end. The console may be mounted below a prefix. */
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
    return text // a literal % typed into the address
  }
}

/** The current address: `{ parts, query }`. */
export const useAddress = () => useObservable(current)

/**
 * Returns the address of a view, for links.
 * @param {string[]} parts
 * @param {Record<string, string | undefined | null>} [query] empty values are left out
 */
export function to(parts, query = {}) {
  const kept = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value) kept.set(name, value)
  const text = kept.toString()
  return `#/${parts.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`
}

/** Returns the address of the current view with some query parameters changed. */
export function here(changes) {
  const { parts, query } = current.get()
  return to(parts, { ...Object.fromEntries(query), ...changes })
}

/** Navigates to an address. `replace`: replaces the entry in the browser's history. */
export function go(address, { replace = false } = {}) {
  if (address === window.location.hash) return
  if (!replace) {
    window.location.hash = address
    return
  }
  window.history.replaceState(null, '', address)
  current.set(read())
}
