// The user's shares with people who have no account, and the form for new ones.
import { list, revoke } from '../api/shares.js'
import { ago, bytes, many, time } from '../format.js'
import { Confirm } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { say } from '../parts/toast.js'
import { usePages } from '../pages.js'
import { html, useState } from '../render.js'
import { ShareDialog } from './sharing.js'

const STATES = { active: ['good', 'Active'], revoked: ['bad', 'Revoked'], expired: ['', 'Ended'], used_up: ['', 'Used up'] }
const KINDS = { prefix: 'A folder', event_id: 'Event media', project: 'A project', drop: 'A drop: guests upload files' }

export function Shares() {
  const found = usePages(async (pageToken, signal) => {
    const page = await list(pageToken, signal)
    return { items: page.shares, next: page.next_page_token }
  }, [])
  const [making, setMaking] = useState(false)
  const [ending, setEnding] = useState(null)
  const end = async () => {
    const after = await revoke(ending.id)
    found.change((items) => items.map((share) => (share.id === after.id ? after : share)))
    say('The share is revoked; its link no longer works.')
  }
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Shares</h1><div class="spacer"></div>
      <button type="button" class="button" onClick=${() => setMaking(true)}><${Icon} name="plus" size=${18} />New share</button></div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${found.reload} />`
      : !found.items.length ? html`<${Empty} icon="share" title="Nothing is shared"><p>A share is a link for people without an account. It opens a file, a folder, an event or a project, or lets them upload files.</p><//>`
      : html`<ul class="lines">${found.items.map((share) => html`<${Line} key=${share.id} share=${share} onRevoke=${() => setEnding(share)} />`)}</ul>
        ${found.next && html`<p><button type="button" class="button" onClick=${found.more}>Show more</button></p>`}`}
    ${making && html`<${NewShare} onMade=${found.add} onClose=${() => setMaking(false)} />`}
    ${ending && html`<${Confirm} title="Revoke this share?" text="Its link opens nothing any more, also for guests who are in. It can’t be brought back." verb="Revoke" run=${end} onClose=${() => setEnding(null)} />`}
  </div>`
}

function Line({ share, onRevoke }) {
  const [tone, word] = STATES[share.state]
  const drop = share.drop
  return html`<li class="line-item">
    <span class="line-icon"><${Icon} name=${drop ? 'inbox' : 'share'} /></span>
    <div class="line-text"><strong>${share.title || subject(share)}</strong>
      <span>${subject(share)} · made ${ago(share.created_at)}
        ${share.expires_at && html` · <span title=${time(share.expires_at)}>ends ${ago(share.expires_at)}</span>`}
        ${share.has_password && ' · password'}</span></div>
    <span class="line-figure">${drop ? `${many(drop.files, 'file')}, ${bytes(drop.bytes)}` : `${many(share.uses, 'opening')}${share.max_uses ? ` of ${share.max_uses}` : ''}`}</span>
    <span class=${`badge ${tone}`}>${word}</span>
    ${share.state === 'active' ? html`<button type="button" class="button small" onClick=${onRevoke}>Revoke</button>` : html`<span class="line-space"></span>`}
  </li>`
}

function subject({ scope, prefix, project, version, drop, event_id: event }) {
  if (scope === 'file') return 'One file'
  if (scope === 'prefix') return `Folder ${prefix}`
  if (scope === 'project') return `Project ${project}, version ${version}`
  if (scope === 'event') return `Event ${event.slice(0, 8)}…`
  return `Drop into ${drop.path ?? drop.folder ?? 'an event'}`
}

function NewShare({ onMade, onClose }) {
  const [kind, setKind] = useState('prefix')
  const read = (form) => {
    const value = form.get('subject').trim()
    if (kind !== 'drop') return { [kind]: value }
    return { drop: { path: value.replace(/\/$/, ''), max_files: Number(form.get('max_files')) || 100 } }
  }
  const LABELS = { prefix: ['Folder', 'paths/you/trips/'], event_id: ['Event', 'Event id'], project: ['Project', 'Slug'], drop: ['My folder', 'from-guests'] }
  return html`<${ShareDialog} what=${{}} name="" read=${read} onMade=${onMade} onClose=${onClose}>
    <label class="field"><span>What</span><select value=${kind} onChange=${(event) => setKind(event.target.value)}>
      ${Object.entries(KINDS).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select></label>
    <label class="field"><span>${LABELS[kind][0]}</span><input key=${kind} name="subject" required placeholder=${LABELS[kind][1]} /></label>
    ${kind === 'drop' && html`<label class="field"><span>Maximum number of files</span><input name="max_files" type="number" min="1" max="100000" defaultValue="100" /></label>`}
  <//>`
}
