// Shares: links to files for people without an account.
/** @import { Reply } from '../../types/api' */
import { ask } from './ask.js'

/** @returns {Reply<'list_shares'>} */
export const list = (pageToken, signal) => ask('GET', 'api/v1/shares', { query: { limit: 100, page_token: pageToken }, signal })

/** @returns {Reply<'create_share'>} */
export const make = (body) => ask('POST', 'api/v1/shares', { body })

/** @returns {Reply<'update_share'>} */
export const change = (id, body) => ask('PATCH', `api/v1/shares/${id}`, { body })

/** @returns {Reply<'revoke_share'>} */
export const revoke = (id) => ask('DELETE', `api/v1/shares/${id}`)
