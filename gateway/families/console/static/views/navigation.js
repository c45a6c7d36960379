import { to } from '../address.js'
import { state } from '../api/events.js'
import { costs, usage } from '../api/files.js'
import { heard } from '../api/events.js'
import { bytes, many } from '../format.js'
import { useObservable } from '../observable.js'
import { Icon } from '../parts/icon.js'
import { html, useEffect, useRef, useState } from '../render.js'

const LIBRARY = [
  ['All files', 'grid', ['files'], {}],
  ['Files', 'file', ['files'], { family: 'files' }],
  ['Generations', 'sparkle', ['files'], { family: 'generations' }],
  ['Event media', 'picture', ['files'], { family: 'event_media' }],
  ['Paths', 'text', ['files'], { family: 'path' }],
  ['Folders', 'folder', ['folder', ''], {}],
  ['Projects', 'project', ['projects'], {}],
]
const KEEPING = [
  ['Shares', 'share', ['shares'], {}],
  ['Trash', 'trash', ['trash'], {}],
  ['Activity', 'activity', ['activity'], {}],
  ['Webhooks', 'hook', ['webhooks'], {}],
  ['Usage and costs', 'chart', ['costs'], {}],
]
const OPERATING = [
  ['Health', 'shield', ['health'], {}],
  ['Verification', 'check', ['verification'], {}],
  ['Users and quotas', 'users', ['quotas'], {}],
  ['Webhooks for all', 'hook', ['all-webhooks'], {}],
]
const STATES = { live: 'Live', connecting: 'Connecting', waiting: 'Reconnecting' }

export function Navigation({ address, who, onSignOut }) {
  const link = ([label, icon, parts, query]) => {
    const current = address.parts[0] === parts[0] && (parts[0] !== 'files' || (address.query.get('family') ?? '') === (query.family ?? ''))
    return html`<li key=${label}><a class="nav-link" href=${to(parts, query)} aria-current=${current ? 'page' : undefined}><${Icon} name=${icon} />${label}</a></li>`
  }
  const live = useObservable(state)
  const place = useRef(null)
  useEffect(() => place.current.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' }), [address])
  return html`<div class="side">
    <a class="brand" href=${to(['files'])}><span class="brand-mark" aria-hidden="true"></span><span>Strongroom</span></a>
    <nav aria-label="Main" ref=${place}>
      <ul>${LIBRARY.map(link)}</ul>
      <h2 class="nav-head">Keeping</h2>
      <ul>${KEEPING.map(link)}</ul>
      ${who.admin && html`<h2 class="nav-head">Operating</h2><ul>${OPERATING.map(link)}</ul>`}
    </nav>
    <div class="side-foot">
      <${Usage} />
      <div class="who">
        <span class="avatar" aria-hidden="true">${[...who.user][0]?.toUpperCase()}</span>
        <span class="who-name"><strong title=${who.user}>${who.user}</strong><span class=${`live ${live}`}>${STATES[live]}${who.admin && ' · admin'}</span></span>
        <button type="button" class="bare" aria-label="Sign out" title="Sign out" onClick=${onSignOut}><${Icon} name="out" /></button>
      </div>
    </div>
  </div>`
}

const cents = (usd) => (usd > 0 && usd < 0.01 ? 'under 0.01' : `about ${usd.toFixed(2)}`)

const COUNTED = new Set(['file_ready', 'file_deleted', 'project_saved', 'project_deleted'])

/** The used part of the quota. It is read again when a file or a project is stored or deleted. */
function Usage() {
  const [used, setUsed] = useState(null)
  const [cost, setCost] = useState(null)
  useEffect(() => {
    const controller = new AbortController()
    let timer = 0
    costs(controller.signal).then(setCost, () => setCost(null)) // only once: it is an estimate, and costly, because it adds up all rows
    const read = () => usage(controller.signal).then(setUsed, () => setUsed((old) => old)) // the old figure stays; the views show the error
    const hear = ({ type }) => {
      if (!COUNTED.has(type)) return
      clearTimeout(timer)
      timer = setTimeout(read, 800)
    }
    read()
    heard.add(hear)
    return () => {
      controller.abort()
      clearTimeout(timer)
      heard.delete(hear)
    }
  }, [])
  if (!used) return html`<div class="usage"></div>`
  const limit = used.limit_bytes
  return html`<div class="usage">
    <span><strong>${bytes(used.used_bytes)}</strong>${limit !== null ? ` of ${bytes(limit)}` : ' used'}</span><span>${many(used.file_count, 'file')}</span>
    ${limit !== null && html`<meter min="0" max=${limit || 1} high=${0.9 * limit} value=${used.used_bytes} aria-label="Quota"></meter>`}
    ${cost && html`<span title="What is stored and written, by the installation's prices">${cents(cost.storage_usd_per_month + cost.write_usd_per_month)} USD a month</span>`}
  </div>`
}
