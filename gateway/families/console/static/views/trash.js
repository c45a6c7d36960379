// Deleted files that can still be restored.
import { emptyTrash, purge, restore, trash } from '../api/files.js'
import { heard } from '../api/events.js'
import { FAMILIES, ago, bytes, many, plain, time } from '../format.js'
import { Confirm } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { complain, say } from '../parts/toast.js'
import { Windowed } from '../parts/windowed.js'
import { usePages } from '../pages.js'
import { html, useEffect, useState } from '../render.js'
import { iconOf, nameOf } from './items.js'

export function Trash() {
  const found = usePages(async (pageToken, signal) => {
    const page = await trash(pageToken, signal)
    return { items: page.files, next: page.next_page_token }
  }, [])
  const [asked, setAsked] = useState(null)
  const { reload } = found
  useEffect(() => {
    const hear = ({ type }) => type === 'file_deleted' && reload()
    heard.add(hear)
    return () => heard.delete(hear)
  }, [reload])
  const gone = (id) => found.change((items) => items.filter((file) => file.id !== id))
  const back = (file) => restore(file.id).then(() => {
    gone(file.id)
    say(`${plain(file.filename)} was restored.`)
  }, complain)
  const end = async () => {
    if (asked !== 'all') {
      await purge(asked.id)
      gone(asked.id)
      return
    }
    let count = 0
    let kept = 0
    for (let more = true; more;) {
      const answer = await emptyTrash()
      count += answer.purged
      kept = answer.kept
      more = answer.more
    }
    say(`${many(count, 'file')} deleted for good.${kept ? ` ${many(kept, 'file')} stay: kept for a time, or on hold.` : ''}`)
    reload()
  }
  const draw = (file) => html`<div class="row trash-row">
    <span class="thumb small"><span class="thumb-icon"><${Icon} name=${iconOf(file.content_type)} size=${22} /></span></span>
    <span class="row-name"><span>${nameOf(file)}</span><small>deleted ${ago(file.deleted_at)} · <span title=${time(file.purge_at)}>goes for good ${ago(file.purge_at)}</span></small></span>
    <span class="row-cell family">${FAMILIES[file.family]}</span><span class="row-cell size">${bytes(file.size)}</span>
    <button type="button" class="button small" aria-label=${`Restore ${plain(file.filename)}`} onClick=${() => back(file)}><${Icon} name="restore" size=${18} />Restore</button>
    <button type="button" class="bare" aria-label=${`Delete ${plain(file.filename)} for good`} onClick=${() => setAsked(file)}><${Icon} name="close" /></button>
  </div>`
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Trash</h1><div class="spacer"></div>
      ${found.items.length > 0 && html`<button type="button" class="button" onClick=${() => setAsked('all')}><${Icon} name="trash" size=${18} />Empty trash</button>`}</div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${reload} />`
      : !found.items.length ? html`<${Empty} icon="trash" title="The trash is empty"><p>Deleted files stay here for a while before they are removed for good. They do not count against your quota.</p><//>`
      : html`<${Windowed} items=${found.items} label="Deleted files" keyOf=${(file) => file.id} rowHeight=${60} draw=${draw} className="rows" onEnd=${found.next ? found.more : null} />`}
    ${asked && html`<${Confirm} title=${asked === 'all' ? 'Empty the trash?' : `Delete ${plain(asked.filename)} for good?`} text="This can’t be undone." verb="Delete for good" run=${end} onClose=${() => setAsked(null)} />`}
  </div>`
}
