// The signed-in user. The token stays in this tab: in memory, and in sessionStorage for reloads.
import { BASE, go } from './address.js'
import { observable } from './observable.js'

const KEPT = 'strongroom.token'
const ARRIVAL = /^#token=([A-Za-z0-9._-]+)$/

/** `null`, or `{ token, user, admin, expires }` (milliseconds since 1970). */
export const session = observable(null)
/** The reason for signing in again, shown on the sign-in page. */
export const farewell = observable('')

/** Signs in with the token in the address (`make up` prints such a link), or with the one that the tab has stored. */
export function begin() {
  const arrived = ARRIVAL.exec(window.location.hash)
  if (arrived) go('#/files', { replace: true }) // removes the token from the address and the history
  const token = arrived ? arrived[1] : window.sessionStorage.getItem(KEPT)
  if (token) accept(token)
}

/**
 * Signs in with a token typed by the user.
 * @returns {Promise<string>} the reason for a refusal, for people; empty: signed in
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

/** Discards the token. `why` is shown on the sign-in page. */
export function signOut(why = '') {
  window.sessionStorage.removeItem(KEPT)
  farewell.set(why)
  session.set(null)
}

/** Signs out because the service no longer accepts the token. */
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

/** Reads the claims of a token for display; null: it is no token. Only the service verifies it. */
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
