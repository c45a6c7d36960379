// Files of every family, the trash, usage.
/** @import { Reply } from '../../types/api' */
import { BASE } from '../address.js'
import { Problem, ask, inPath, send } from './ask.js'

const PAGE = 200

/** @returns {Reply<'list_library_files'>} */
export const list = (filters, pageToken, signal) =>
  ask('GET', 'api/v1/files', { query: { ...filters, limit: PAGE, page_token: pageToken }, signal })

/** @returns {Reply<'list_library_files'>} */
export const folder = (prefix, pageToken, signal) =>
  ask('GET', 'api/v1/files', { query: { prefix, delimiter: '/', limit: PAGE, page_token: pageToken }, signal })

/**
 * Reads a file. The result has its `revision`, for edits.
 * @returns {Promise<Awaited<Reply<'get_library_file'>> & {revision: string | null}>}
 */
export async function one(id, signal) {
  const answer = await send('GET', `api/v1/files/${id}`, { signal })
  return { ...(await answer.json()), revision: answer.headers.get('etag') }
}

/**
 * Edits a file if it still has the revision that was shown, so that no other edit is overwritten.
 * @returns {Promise<Awaited<Reply<'edit_library_file'>> & {revision: string | null}>}
 */
export async function edit(file, changes) {
  const headers = { 'if-match': file.revision }
  const answer = await send('PATCH', `api/v1/files/${file.id}`, { body: changes, headers })
  return { ...(await answer.json()), revision: answer.headers.get('etag') }
}

/** Moves a file to one of the user's paths, where it gets a new id. No file is overwritten. @returns {Reply<'move_library_file'>} */
export const move = (id, path) => ask('POST', `api/v1/files/${id}/move`, { body: { target: { family: 'path', path } } })

/** @returns {Reply<'copy_library_file'>} */
export const copy = (id, path) => ask('POST', `api/v1/files/${id}/copy`, { body: { target: { family: 'path', path } } })

/**
 * Moves files to the trash. Raises Problem if only one file was named and it could not be moved.
 * @returns {Reply<'delete_library_files'>}
 */
export async function remove(ids) {
  const answer = await ask('POST', 'api/v1/files/batch-delete', { body: { files: ids, soft: true } })
  const [first] = answer.results
  if (ids.length === 1 && !first.deleted) throw new Problem(0, first)
  return answer
}

/** Sets `{ keep_until, delete_after }`; null removes a time. Returns the file's retention and its `hold`. @returns {Reply<'set_file_retention'>} */
export const retain = (id, times) => ask('PATCH', `api/v1/files/${id}/retention`, { body: times })

/** @returns {Reply<'hold_file'>} */
export const hold = (id, reason) => ask('PUT', `api/v1/files/${id}/hold`, { body: { reason } })

/** @returns {Reply<'release_file'>} */
export const release = (id) => ask('DELETE', `api/v1/files/${id}/hold`)

/** @returns {Reply<'delete_folder'>} */
export const removeFolder = (prefix) => ask('DELETE', `api/v1/folders/${inPath(prefix)}`, { query: { soft: true } })

/** @returns {Reply<'list_trash'>} */
export const trash = (pageToken, signal) =>
  ask('GET', 'api/v1/trash', { query: { limit: PAGE, page_token: pageToken }, signal })

/** @returns {Reply<'restore_from_trash'>} */
export const restore = (id) => ask('POST', `api/v1/trash/${id}/restore`)

/** @returns {Reply<'purge_from_trash'>} */
export const purge = (id) => ask('DELETE', `api/v1/trash/${id}`)

/** @returns {Reply<'empty_trash'>} */
export const emptyTrash = () => ask('DELETE', 'api/v1/trash')

/** @returns {Reply<'get_usage'>} */
export const usage = (signal) => ask('GET', 'api/v1/usage', { signal })

/** Monthly costs of the stored files, by the installation's prices. @returns {Reply<'get_costs'>} */
export const costs = (signal) => ask('GET', 'api/v1/usage/costs', { signal })

/** @returns {Reply<'make_link'>} */
export const link = (id, options = {}) => ask('POST', 'api/v1/links', { body: { file_id: id, ...options } })

/** @returns {Reply<'revoke_links'>} */
export const revokeLinks = (id) => ask('POST', 'api/v1/links/revoke', { body: { file_id: id } })

/**
 * Returns a link in a form that this page may load. Links of the gateway get the address of this page, whatever
 * other names the gateway has, because the page's content policy allows no other origin.
 */
export function shown(url) {
  if (!url) return ''
  const path = new URL(url, BASE).pathname
  const at = path.indexOf('/l/')
  return at < 0 ? url : new URL(path.slice(at + 1), BASE).href
}
