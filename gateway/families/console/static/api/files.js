// Files of every family, the trash, usage.
import { BASE } from '../address.js'
import { ask, inPath, send } from './ask.js'

const PAGE = 200

export const list = (filters, pageToken, signal) =>
  ask('GET', 'api/v1/files', { query: { ...filters, limit: PAGE, page_token: pageToken }, signal })

export const folder = (prefix, pageToken, signal) =>
  ask('GET', 'api/v1/files', { query: { prefix, delimiter: '/', limit: PAGE, page_token: pageToken }, signal })

/** With `revision`, for edits. */
export async function one(id, signal) {
  const answer = await send('GET', `api/v1/files/${id}`, { signal })
  return { ...(await answer.json()), revision: answer.headers.get('etag') }
}

/** Made to the revision that was seen, so that nobody's edit is written over. */
export async function edit(file, changes) {
  const headers = { 'if-match': file.revision }
  const answer = await send('PATCH', `api/v1/files/${file.id}`, { body: changes, headers })
  return { ...(await answer.json()), revision: answer.headers.get('etag') }
}

/** To a path of the user's own, where it has another id. Nothing is written over. */
export const move = (id, path) => ask('POST', `api/v1/files/${id}/move`, { body: { target: { family: 'path', path } } })

export const copy = (id, path) => ask('POST', `api/v1/files/${id}/copy`, { body: { target: { family: 'path', path } } })

/** Into the trash. */
export const remove = (ids) => ask('POST', 'api/v1/files/batch-delete', { body: { files: ids, soft: true } })

export const removeFolder = (prefix) => ask('DELETE', `api/v1/folders/${inPath(prefix)}`, { query: { soft: true } })

export const trash = (pageToken, signal) =>
  ask('GET', 'api/v1/trash', { query: { limit: PAGE, page_token: pageToken }, signal })

export const restore = (id) => ask('POST', `api/v1/trash/${id}/restore`)

export const purge = (id) => ask('DELETE', `api/v1/trash/${id}`)

export const emptyTrash = () => ask('DELETE', 'api/v1/trash')

export const usage = (signal) => ask('GET', 'api/v1/usage', { signal })

/** What is stored costs a month, by the installation's prices. */
export const costs = (signal) => ask('GET', 'api/v1/usage/costs', { signal })

export const link = (id, options = {}) => ask('POST', 'api/v1/links', { body: { file_id: id, ...options } })

export const revokeLinks = (id) => ask('POST', 'api/v1/links/revoke', { body: { file_id: id } })

/**
 * A link as this page may show it: links of the gateway by its own address, whatever name it is known by
 * elsewhere, because the page's policy lets nothing else in.
 */
export function shown(url) {
  if (!url) return ''
  const path = new URL(url, BASE).pathname
  const at = path.indexOf('/l/')
  return at < 0 ? url : new URL(path.slice(at + 1), BASE).href
}
