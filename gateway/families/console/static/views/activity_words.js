import { bytes, plain } from '../format.js'

const DAMAGE = { lost: 'its bytes are missing', corrupt: 'it has other bytes than were stored' }

/** Types of events that are not listed as activity, because no person caused them. Lists show their effect. */
export const SILENT = new Set(['upload_progress', 'file_described'])

/** Returns an event as a sentence. */
export function eventWords({ type, data }) {
  const name = plain(data.filename || data.path || data.slug || data.key || 'A file')
  switch (type) {
    case 'file_ready': return `${name} was stored`
    case 'file_updated': return `${name} was changed`
    case 'file_deleted': return `${name} was deleted`
    case 'file_infected': return data.stored ? `${name} is infected: ${data.signature}` : `${name} was refused: ${data.signature}`
    case 'file_readable': return `${name} was restored from the archive`
    case 'file_damaged': return `${name} is damaged: ${DAMAGE[data.damage] ?? data.damage}`
    case 'save_failed': return `${name} could not be stored: ${data.message}`
    case 'import_failed': return `${name} could not be fetched: ${data.message}`
    case 'project_saved': return `${data.name || data.slug} was saved as version ${data.version}`
    case 'project_save_progress': return `${data.slug} is being saved: ${data.stored_count} of ${data.file_count} files, ${bytes(data.stored_bytes)} of ${bytes(data.size_bytes)}`
    case 'project_deleted': return `Project ${data.name || data.slug} was deleted`
    case 'upload_progress': return `An upload has reached ${bytes(data.persisted_size)}${data.size_bytes ? ` of ${bytes(data.size_bytes)}` : ''}`
    case 'webhook_disabled': return `The webhook to ${data.url ?? 'a target'} was disabled`
    case 'events_lost': return 'Some events are missing'
    default: return `${type.replaceAll('_', ' ')}: ${name}`
  }
}
