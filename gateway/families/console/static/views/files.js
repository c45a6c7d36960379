// Files of all families, newest first: as tiles or rows, searched and filtered.
import { to } from '../address.js'
import { list } from '../api/files.js'
import { FAMILIES } from '../format.js'
import { Empty } from '../parts/mood.js'
import { html } from '../render.js'
import { Filters, filtersOf } from './filters.js'
import { Listing } from './listing.js'

export function Files({ address, who }) {
  const filters = filtersOf(address.query)
  const load = async (pageToken, signal) => {
    const page = await list(filters, pageToken, signal)
    return { items: page.files, next: page.next_page_token }
  }
  const family = filters.family
  const narrowed = Object.keys(filters).some((name) => name !== 'family')
  const title = filters.q ? `Results for “${filters.q}”` : family ? (FAMILIES[family] ?? 'Files') : 'All files'
  return html`<${Listing} address=${address} who=${who} title=${title} load=${load} by=${[JSON.stringify(filters)]}
    matches=${(file) => !narrowed && (!family || file.family === family)} tools=${html`<${Filters} query=${address.query} />`}
    empty=${narrowed ? html`<${Empty} icon="search" title="Nothing matches"><p>No file matches all of these conditions.</p>
        <p><a class="button" href=${to(['files'], { family })}>Clear search and filters</a></p><//>`
      : html`<${Empty} icon="upload" title="Nothing here yet"><p>Drop files anywhere on this page, or use Upload.</p><//>`} />`
}

