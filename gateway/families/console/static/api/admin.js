// What operators see; with the admin role only.
import { BASE } from '../address.js'
import { ask } from './ask.js'

const PATH = 'api/admin'

/** What answers behind the gateway, by name: `ok`, or why not. Asked for without a token. */
export async function readiness(signal) {
  const answer = await fetch(new URL('readyz', BASE), { signal })
  const { checks = {} } = await answer.json()
  return checks
}

export const cleaner = (signal) => ask('GET', `${PATH}/cleaner`, { signal })

export const users = (pageToken, signal, sort = 'bytes') => ask('GET', `${PATH}/usage`, { query: { limit: 100, page_token: pageToken, sort }, signal })

export const setQuota = (user, limits) => ask('PUT', `${PATH}/quotas/${encodeURIComponent(user)}`, { body: limits })

export const verification = (signal) => ask('GET', `${PATH}/verification`, { signal })

export const verify = (depth) => ask('POST', `${PATH}/verification`, { body: { depth } })

export const findings = (after, signal) => ask('GET', `${PATH}/verification/findings`, { query: { after, limit: 100 }, signal })

export const acts = (signal) => ask('GET', `${PATH}/acts`, { query: { limit: 20 }, signal })
