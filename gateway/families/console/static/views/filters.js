import { go, here } from '../address.js'
import { Icon } from '../parts/icon.js'
import { html } from '../render.js'

const DAY = 86400000
const HOUR = 3600000
const TYPES = { '': 'Any type', 'image/*': 'Pictures', 'video/*': 'Videos', 'audio/*': 'Audio', 'application/pdf': 'PDF', 'text/*': 'Text', 'application/*': 'Documents, archives' }
const TIMES = { '': 'Any time', 1: 'Past 24 hours', 7: 'Past 7 days', 30: 'Past 30 days', 365: 'Past year' }
const SIZES = { '': 'Any size', '1000000': 'Over 1 MB', '10000000': 'Over 10 MB', '100000000': 'Over 100 MB', '1000000000': 'Over 1 GB' }

/** Returns the query of the API for the filters in the address. */
export function filtersOf(query) {
  const found = {}
  for (const name of ['family', 'q', 'type', 'prefix', 'size_min']) if (query.get(name)) found[name] = query.get(name)
  const days = Number(query.get('days'))
  // Rounded to the hour, so that rendering again does not change the query.
  if (days) found.created_after = new Date(Math.floor(Date.now() / HOUR) * HOUR - days * DAY).toISOString()
  return found
}

/** The filters of a list. They are in the address, so that a view can be bookmarked. */
export function Filters({ query }) {
  const select = (label, name, choices) => html`<label class="filter"><span class="hidden">${label}</span>
    <select value=${query.get(name) ?? ''} class=${query.get(name) ? 'set' : ''} onChange=${(event) => go(here({ [name]: event.target.value, file: '' }))}>
      ${Object.entries(choices).map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
    </select></label>`
  const set = ['type', 'days', 'size_min', 'prefix', 'q'].some((name) => query.get(name))
  return html`<div class="filters">
    ${select('Type', 'type', TYPES)}${select('Uploaded', 'days', TIMES)}${select('Size', 'size_min', SIZES)}
    ${query.get('prefix') && html`<span class="chip"><${Icon} name="folder" size=${16} />${query.get('prefix')}</span>`}
    ${set && html`<a class="link" href=${here({ type: '', days: '', size_min: '', prefix: '', q: '', file: '' })}>Clear</a>`}
  </div>`
}
