// Project trees and their versions.
/** @import { Reply } from '../../types/api' */
import { ask, inPath, send } from './ask.js'

/** @returns {Reply<'list_projects'>} */
export const list = (pageToken, signal) => ask('GET', 'api/projects', { query: { limit: 100, page_token: pageToken }, signal })

/** @returns {Promise<Awaited<Reply<'list_project_versions'>>['versions']>} */
export const versions = async (slug, signal) => (await ask('GET', `api/projects/${slug}/versions`, { signal })).versions

/** Names, sizes and hashes of a version: `{ version, files }`. @returns {Reply<'list_project_files'>} */
export const tree = (slug, version, signal) => ask('GET', `api/projects/${slug}/files`, { query: { version }, signal })

/** Returns the answer with the bytes of one file. */
export const file = (slug, version, path, signal) => send('GET', `api/projects/${slug}/files/${inPath(path)}`, { query: { version }, signal })

export const archive = (slug, version) => send('GET', `api/projects/${slug}/archive`, { query: { version } })

/** `expected`: the newest version that was shown. The rollback is refused if a newer one was saved since. @returns {Reply<'rollback_project'>} */
export const rollBack = (slug, version, expected) => ask('POST', `api/projects/${slug}/rollback`, { body: { version, expected_version: expected } })

/** @returns {Reply<'delete_project'>} */
export const remove = (slug) => ask('DELETE', `api/projects/${slug}`)

/** @returns {Reply<'project_preview_url'>} */
export const preview = (slug, version) => ask('GET', `api/projects/${slug}/preview-url`, { query: { version } })
