// The list of webhooks: targets that receive events of files.
import { to } from '../address.js'
import { webhooks } from '../api/webhooks.js'
import { ago, many, time } from '../format.js'
import { FormDialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { usePages } from '../pages.js'
import { html, useState } from '../render.js'
import { Webhook } from './webhook.js'
import { SecretDialog } from './webhook_secret.js'

const ALL = 'all-webhooks'
const EVENTS = {
  file_ready: 'Stored', file_described: 'Described', file_updated: 'Changed', file_deleted: 'Deleted', file_damaged: 'Damaged', file_infected: 'Infected',
  file_readable: 'Restored from archive',  import_failed: 'Not fetched', save_failed: 'Not stored', project_saved: 'Project saved', project_deleted: 'Project deleted',
}
const STATES = { active: ['good', 'Active'], paused: ['', 'Paused'], disabled: ['bad', 'Disabled'] }

export function Webhooks({ address }) {
  const [view, id] = address.parts
  const all = view === ALL
  return id ? html`<${Webhook} id=${id} api=${webhooks(all)} back=${to([view])} />` : html`<${List} view=${view} all=${all} />`
}

function List({ view, all }) {
  const api = webhooks(all)
  const found = usePages(async (pageToken, signal) => {
    const page = await api.list(pageToken, signal)
    return { items: page.webhooks, next: page.next_page_token }
  }, [])
  const [making, setMaking] = useState(false)
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>${all ? 'Webhooks for all users' : 'Webhooks'}</h1><div class="spacer"></div>
      <button type="button" class="button" onClick=${() => setMaking(true)}><${Icon} name="plus" size=${18} />New webhook</button></div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${found.reload} />`
      : !found.items.length ? html`<${Empty} icon="hook" title="No webhooks yet"><p>A webhook is an address of yours that gets a signed message for each file that is stored, changed or deleted${all && ', whoever it belongs to'}.</p><//>`
      : html`<ul class="lines">${found.items.map((one) => html`<${Line} key=${one.id} webhook=${one} href=${to([view, one.id])} />`)}</ul>
        ${found.next && html`<p><button type="button" class="button" onClick=${found.more}>Show more</button></p>`}`}
    ${making && html`<${NewWebhook} make=${api.make} onMade=${found.add} onClose=${() => setMaking(false)} />`}
  </div>`
}

function Line({ webhook, href }) {
  const [tone, word] = STATES[webhook.state]
  return html`<li class="line-item">
    <span class="line-icon"><${Icon} name="hook" /></span>
    <div class="line-text"><strong><a href=${href}>${webhook.description || webhook.url}</a></strong>
      <span>${webhook.description && `${webhook.url} · `}made <span title=${time(webhook.created_at)}>${ago(webhook.created_at)}</span>
        ${webhook.dead > 0 && ` · ${many(webhook.dead, 'dead letter')}`}</span></div>
    <span class="line-figure">${many(webhook.delivered, 'delivery', 'deliveries')}</span>
    <span class=${`badge ${tone}`}>${word}</span>
  </li>`
}

function NewWebhook({ make, onMade, onClose }) {
  const [secret, setSecret] = useState('')
  const save = async (form) => {
    const { secret: made, ...webhook } = await make({ url: form.get('url').trim(), description: form.get('description').trim(), types: form.getAll('types') })
    onMade(webhook)
    setSecret(made)
  }
  if (secret) return html`<${SecretDialog} secret=${secret} onClose=${onClose} />`
  return html`<${FormDialog} title="New webhook" verb="Create" save=${save} onClose=${onClose}>
    <label class="field"><span>Address</span><input name="url" type="url" required maxlength="8192" placeholder="https://hooks.example.com/strongroom" /></label>
    <label class="field"><span>Description</span><input name="description" maxlength="255" /></label>
    <fieldset class="field ticks"><legend>Events</legend>
      ${Object.entries(EVENTS).map(([value, label]) => html`<label key=${value}><input type="checkbox" name="types" value=${value} /> ${label}</label>`)}
      <p class="hint">If none is selected, all are sent.</p></fieldset>
  <//>`
}
