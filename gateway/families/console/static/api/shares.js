// Shares: what people without an account can open.
import { ask } from './ask.js'

export const list = (pageToken, signal) => ask('GET', 'api/v1/shares', { query: { limit: 100, page_token: pageToken }, signal })

export const make = (body) => ask('POST', 'api/v1/shares', { body })

export const change = (id, body) => ask('PATCH', `api/v1/shares/${id}`, { body })

export const revoke = (id) => ask('DELETE', `api/v1/shares/${id}`)
