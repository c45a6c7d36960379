// Who is signed in. The token stays in this tab: in memory, and in sessionStorage so that a reload keeps it.
import { BASE, go } from './address.js'
import { observable } from './observable.js'

const KEPT = 'strongroom.token'
const ARRIVAL = /^#token=([A-Za-z0-9._-]+)$/

/** `null`, or `{ token, user, admin, expires }` (milliseconds since 1970). */
export const session = observable(null)
/** Why somebody has to sign in again; shown at the door. */
export const farewell = observable('')

/** Signed in by what the address brings (`make up` prints such a link), or by what the tab still has. */
export function begin() {
  const arrived = ARRIVAL.exec(window.location.hash)
  if (arrived) go('#/files', { replace: true }) // out of the address, the history and what people copy
  const token = arrived ? arrived[1] : window.sessionStorage.getItem(KEPT)
  if (token) accept(token)
}

/**
 * Sign in with a token that somebody has typed.
 * @returns {Promise<string>} why not, in words; empty: it is done
 */
export async function signIn(text) {
  const token = text.trim().replace(/^bearer\s+/i, '')
  if (!token) return 'Paste a token first.'
  const claims = read(token)
  if (!claims) return 'This is not a token: a token has three parts separated by dots.'
  if (claims.expires <= Date.now()) return 'This token has expired. Ask for a new one.'
  try {
    const answer = await fetch(new URL('api/v1/usage', BASE), { headers: { authorization: `Bearer ${token}` } })
    if (answer.status === 401) return (await answer.json()).detail || 'This token was refused.'
    if (!answer.ok) return `The service answered ${answer.status}. Try again in a moment.`
  } catch {
    return 'The service can’t be reached. Check the connection and try again.'
  }
  accept(token)
  return ''
}

/** Forget the token. `why` is shown at the door. */
export function signOut(why = '') {
  window.sessionStorage.removeItem(KEPT)
  farewell.set(why)
  session.set(null)
}

/** The service no longer takes the token. */
export const expired = () => signOut('Your session has expired. Sign in again to continue where you were.')

function accept(token) {
  const claims = read(token)
  if (!claims || claims.expires <= Date.now()) {
    expired()
    return
  }
  window.sessionStorage.setItem(KEPT, token)
  farewell.set('')
  session.set({ token, ...claims })
}

/** What a token says; the service checks it, this only shows it. */
function read(token) {
  const parts = token.split('.')
  if (parts.length !== 3) return null
  try {
    const text = atob(parts[1].replaceAll('-', '+').replaceAll('_', '/'))
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (letter) => letter.charCodeAt(0))))
    const admin = claims.role === 'admin' || (Array.isArray(claims.roles) && claims.roles.includes('admin'))
    return { user: String(claims.sub ?? ''), admin, expires: Number(claims.exp) * 1000 }
  } catch {
    return null
  }
}
