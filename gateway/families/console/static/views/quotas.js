// Usage and quota of each user, for admins.
import { setQuota, users } from '../api/admin.js'
import { bytes, count } from '../format.js'
import { FormDialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { say } from '../parts/toast.js'
import { usePages } from '../pages.js'
import { html, useState } from '../render.js'

const GB = 1e9

export function Quotas() {
  const found = usePages(async (pageToken, signal) => {
    const page = await users(pageToken, signal)
    return { items: page.users, next: page.next_page_token }
  }, [])
  const [editing, setEditing] = useState(null)
  const save = async (form) => {
    const number = (name, unit) => (form.get(name) === '' ? null : Math.round(Number(form.get(name)) * unit))
    const after = await setQuota(editing.user_id, { limit_bytes: number('gigabytes', GB), limit_files: number('files', 1) })
    found.change((items) => items.map((user) => (user.user_id === after.user_id ? { ...user, ...after } : user)))
    setEditing(null)
    say(`Limits of ${after.user_id} are set.`)
  }
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Users and quotas</h1></div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${found.reload} />`
      : !found.items.length ? html`<${Empty} icon="users" title="Nobody has stored anything yet" />`
      : html`<div class="table-box" tabindex="0" role="region" aria-label="Users"><table class="table">
        <thead><tr><th scope="col">User</th><th scope="col" class="number">Files</th><th scope="col" class="number">Stored</th><th scope="col" class="number">Limit</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
        <tbody>${found.items.map((user) => html`<tr key=${user.user_id}><td><strong>${user.user_id}</strong></td>
          <td class="number">${count(user.file_count)}${user.limit_files !== null && ` of ${count(user.limit_files)}`}</td>
          <td class="number">${bytes(user.used_bytes)}</td><td class="number">${user.limit_bytes === null ? 'none' : bytes(user.limit_bytes)}</td>
          <td class="number"><button type="button" class="button small" aria-label=${`Set limits of ${user.user_id}`} onClick=${() => setEditing(user)}><${Icon} name="edit" size=${18} />Limits</button></td></tr>`)}</tbody></table></div>
        ${found.next && html`<p><button type="button" class="button" onClick=${found.more}>Show more</button></p>`}`}
    ${editing && html`<${FormDialog} title=${`Limits of ${editing.user_id}`} verb="Set" save=${save} onClose=${() => setEditing(null)}>
      <label class="field"><span>Gigabytes</span><input name="gigabytes" type="number" min="0" step="any" placeholder="No limit" defaultValue=${editing.limit_bytes === null ? '' : editing.limit_bytes / GB} /></label>
      <label class="field"><span>Files</span><input name="files" type="number" min="0" placeholder="No limit" defaultValue=${editing.limit_files ?? ''} /></label>
      <p class="hint">Existing files stay, even over the limit.</p><//>`}
  </div>`
}
