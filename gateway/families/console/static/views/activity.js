// Events of the user's files since this tab was opened.
import { events } from '../api/events.js'
import { ago, time } from '../format.js'
import { useObservable } from '../observable.js'
import { Icon } from '../parts/icon.js'
import { Empty } from '../parts/mood.js'
import { html } from '../render.js'
import { to } from '../address.js'
import { SILENT, eventWords } from './activity_words.js'

const ICONS = { file_ready: 'upload', file_updated: 'edit', file_deleted: 'trash', file_damaged: 'alert', file_infected: 'alert', file_readable: 'clock', import_failed: 'alert', save_failed: 'alert', project_saved: 'project', project_deleted: 'trash', upload_progress: 'clock' }
const BAD = new Set(['file_damaged', 'file_infected', 'import_failed', 'save_failed'])

export function Activity() {
  const all = useObservable(events).filter(({ type }) => !SILENT.has(type))
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Activity</h1></div>
    <p class="view-intro">Changes to your files as they happen, made by you, by programs that use your account, or by guests of your drops. Only changes since this page was opened are shown.</p>
    ${!all.length ? html`<${Empty} icon="activity" title="Quiet so far"><p>Uploads, edits and deletions appear here at once.</p><//>`
      : html`<ul class="lines">${all.map((event) => html`<li class="line-item" key=${event.id}>
        <span class=${BAD.has(event.type) ? 'line-icon bad' : 'line-icon'}><${Icon} name=${ICONS[event.type] ?? 'bell'} /></span>
        <div class="line-text"><strong>${linked(event)}</strong><time title=${time(event.created_at)}>${ago(event.created_at)}</time></div>
      </li>`)}</ul>`}
  </div>`
}

function linked(event) {
  const words = eventWords(event)
  if (event.type === 'file_ready' || event.type === 'file_updated') return html`<a href=${to(['files'], { file: event.subject_id })}>${words}</a>`
  if (event.type === 'project_saved') return html`<a href=${to(['projects', event.data.slug], { version: String(event.data.version) })}>${words}</a>`
  return words
}
