// Project trees and their versions.
import { ask, inPath, send } from './ask.js'

export const list = (pageToken, signal) => ask('GET', 'api/projects', { query: { limit: 100, page_token: pageToken }, signal })

export const versions = async (slug, signal) => (await ask('GET', `api/projects/${slug}/versions`, { signal })).versions

/** Names, sizes and hashes of a version: `{ version, files }`. */
export const tree = (slug, version, signal) => ask('GET', `api/projects/${slug}/files`, { query: { version }, signal })

/** The bytes of one file, as an answer. */
export const file = (slug, version, path, signal) => send('GET', `api/projects/${slug}/files/${inPath(path)}`, { query: { version }, signal })

export const archive = (slug, version) => send('GET', `api/projects/${slug}/archive`, { query: { version } })

/** `expected`: the newest version that was seen, so that nothing is rolled back that somebody has saved meanwhile. */
export const rollBack = (slug, version, expected) => ask('POST', `api/projects/${slug}/rollback`, { body: { version, expected_version: expected } })

export const remove = (slug) => ask('DELETE', `api/projects/${slug}`)

export const preview = (slug, version) => ask('GET', `api/projects/${slug}/preview-url`, { query: { version } })
