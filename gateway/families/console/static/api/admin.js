// Operations for operators. They need the admin role.
/** @import { Reply } from '../../types/api' */
import { BASE } from '../address.js'
import { ask } from './ask.js'

const PATH = 'api/admin'

/** The checks behind the gateway by name: `ok`, or the reason for a failure. Needs no token. */
export async function readiness(signal) {
  const answer = await fetch(new URL('readyz', BASE), { signal })
  const { checks = {} } = await answer.json()
  return checks
}

/** @returns {Reply<'get_cleaner'>} */
export const cleaner = (signal) => ask('GET', `${PATH}/cleaner`, { signal })

/** @returns {Reply<'list_usage'>} */
export const users = (pageToken, signal, sort = 'bytes') => ask('GET', `${PATH}/usage`, { query: { limit: 100, page_token: pageToken, sort }, signal })

/** @returns {Reply<'set_quota'>} */
export const setQuota = (user, limits) => ask('PUT', `${PATH}/quotas/${encodeURIComponent(user)}`, { body: limits })

/** @returns {Reply<'get_verification'>} */
export const verification = (signal) => ask('GET', `${PATH}/verification`, { signal })

/** @returns {Reply<'start_verification'>} */
export const verify = (depth) => ask('POST', `${PATH}/verification`, { body: { depth } })

/** @returns {Reply<'list_findings'>} */
export const findings = (after, signal) => ask('GET', `${PATH}/verification/findings`, { query: { after, limit: 100 }, signal })

/** Stored files of all users that the scanner found infected. @returns {Reply<'list_infected'>} */
export const infected = (signal) => ask('GET', `${PATH}/infected`, { query: { limit: 100 }, signal })

/** @returns {Reply<'get_all_costs'>} */
export const allCosts = (signal) => ask('GET', `${PATH}/costs`, { signal })

/** @returns {Reply<'list_acts'>} */
export const acts = (signal) => ask('GET', `${PATH}/acts`, { query: { limit: 20 }, signal })
