// A list of files: they can be viewed, selected, and opened beside the list.
import { go, here } from '../address.js'
import { heard } from '../api/events.js'
import { words } from '../api/ask.js'
import { one, remove } from '../api/files.js'
import { many } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Failed, Loading } from '../parts/mood.js'
import { complain, say } from '../parts/toast.js'
import { Windowed } from '../parts/windowed.js'
import { usePages } from '../pages.js'
import { html, useCallback, useEffect, useRef, useState } from '../render.js'
import { stored } from '../uploads/queue.js'
import { Details } from './details.js'
import { sayDiscarded } from './discarding.js'
import { FolderRow, FolderTile, Row, Tile } from './items.js'
import { Viewer, viewable } from './viewer.js'

const TILE = { rowHeight: 232, minWidth: 180, gap: 16 }
const SMALL_TILE = { rowHeight: 196, minWidth: 140, gap: 12 }
const ROW = { rowHeight: 56 }
const LAYOUT = 'strongroom.layout'

/**
 * @param {{title: unknown, load: Parameters<typeof usePages>[0], by: unknown[], matches: (file: any) => boolean, tools?: unknown, empty: unknown,
 *   address: any, who: any, layout?: 'tiles' | 'rows'}} properties `matches`: whether a new file belongs into this list
 */
export function Listing({ address, who, title, load, by, matches, tools, empty, layout: first = 'tiles' }) {
  const [layout, setLayout] = useState(() => window.localStorage.getItem(`${LAYOUT}.${first}`) ?? first)
  const [chosen, setChosen] = useState(() => new Set())
  const [viewed, setViewed] = useState('')
  const list = usePages(load, by)
  useEffect(() => setChosen(new Set()), by)
  useNews(list, matches)
  const shown = address.query.get('file')
  const open = useCallback((file) => go(here({ file: file.id })), [])
  const arrange = (next) => {
    window.localStorage.setItem(`${LAYOUT}.${first}`, next) // views that begin as tiles or as rows have separate settings
    setLayout(next)
  }
  const choose = useCallback((id) => setChosen((old) => {
    const next = new Set(old)
    if (!next.delete(id)) next.add(id)
    return next
  }), [])
  const tiles = layout === 'tiles'
  const narrow = window.innerWidth < 620
  const draw = (item) => {
    if (item.folder) return tiles ? html`<${FolderTile} folder=${item} />` : html`<${FolderRow} folder=${item} />`
    const Item = tiles ? Tile : Row
    return html`<${Item} file=${item} open=${item.id === shown} chosen=${chosen.has(item.id)} onOpen=${open} onChoose=${choose} />`
  }
  const toggle = (value, icon, label) => html`<button type="button" aria-pressed=${layout === value} aria-label=${label} title=${label} onClick=${() => arrange(value)}><${Icon} name=${icon} size=${18} /></button>`
  return html`<div class=${shown ? 'with-details' : 'alone'}>
    <div class="view" data-scroller tabindex="-1">
      <div class="view-head"><h1>${title}</h1><div class="spacer"></div>${tools}
        <div class="segmented" role="group" aria-label="Layout">${toggle('tiles', 'grid', 'As pictures')}${toggle('rows', 'list', 'As a list')}</div></div>
      ${chosen.size > 0 && html`<${Chosen} ids=${chosen} list=${list} onClear=${() => setChosen(new Set())} />`}
      ${list.state === 'loading' ? html`<${Loading} />`
        : list.state === 'failed' && !list.items.length ? html`<${Failed} problem=${list.problem} again=${list.reload} />`
        : !list.items.length && !list.next ? empty
        : html`<${Windowed} key=${layout} items=${list.items} label="Files" keyOf=${(item) => item.folder ?? item.id} draw=${draw}
            onEnd=${list.next ? list.more : null} className=${tiles ? 'tiles' : 'rows'} ...${!tiles ? ROW : narrow ? SMALL_TILE : TILE} />`}
      ${list.state === 'more' && html`<${Loading} what="Loading more" />`}
      ${list.state === 'failed' && list.items.length > 0 && html`<${Failed} problem=${list.problem} again=${list.reload} />`}
    </div>
    ${shown && html`<${Details} key=${shown} id=${shown} who=${who} items=${list.items} onView=${() => setViewed(shown)}
      onMoved=${(after) => { list.change((items) => items.map((item) => (item.id === shown ? after : item))); go(here({ file: after.id }), { replace: true }) }}
      onClose=${() => go(here({ file: '' }))}
      onChange=${(file) => list.change((items) => items.map((item) => (item.id === file.id ? file : item)))}
      onGone=${(id) => list.change((items) => items.filter((item) => item.id !== id))} />`}
    ${viewed && html`<${Viewer} files=${seen(list.items, viewed)} id=${viewed} more=${list.next ? list.more : null}
      onClose=${(id) => { setViewed(''); go(here({ file: id }), { replace: true }) }} />`}
  </div>`
}

/** The items that the viewer can show; always the one with `id`. */
const seen = (items, id) => items.filter((item) => !item.folder && (item.id === id || viewable(item)))

/** The bar with the number of selected files, and the actions on all of them. */
function Chosen({ ids, list, onClear }) {
  const discard = async () => {
    const wanted = [...ids]
    onClear()
    try {
      const { results, failed } = await remove(wanted)
      const gone = results.filter(({ deleted }) => deleted).map(({ file }) => file)
      list.change((items) => items.filter((item) => !gone.includes(item.id)))
      if (failed) say(`${many(failed, 'file')} could not be deleted: ${words(0, results.find(({ deleted }) => !deleted))}`, { tone: 'bad' })
      if (gone.length) sayDiscarded(gone, list.reload)
    } catch (problem) {
      complain(problem)
    }
  }
  return html`<div class="chosen" role="region" aria-label="Selected files">
    <strong>${many(ids.size, 'file')} chosen</strong>
    <button type="button" class="button small" onClick=${discard}><${Icon} name="trash" size=${18} />Move to trash</button>
    <button type="button" class="link" onClick=${onClear}>Clear</button>
  </div>`
}

const CHANGED = new Set(['file_ready', 'file_updated', 'file_described', 'file_infected'])

/** Events within this time are handled together. If they are about more than FEW files, the list is reloaded. */
const TOGETHER_MS = 250
const FEW = 5

/** Applies events to the list: new files appear at the top, changed ones are updated, deleted ones disappear. */
function useNews(list, matches) {
  const latest = useRef({ list, matches })
  latest.current = { list, matches }
  useEffect(() => {
    let timer = 0
    let stale = false // changed since the list was requested
    let left = false
    const again = () => {
      stale = true
      if (!left) timer ||= setTimeout(reload, 500)
    }
    const reload = async () => {
      stale = false
      await latest.current.list.reload()
      timer = 0
      if (stale) again()
    }
    const look = async (id, isNew) => {
      const file = await one(id).catch(() => null) // deleted since, or it appears with the next page
      if (!file) return
      latest.current.list.change((items) => {
        if (items.some((item) => item.id === id)) return items.map((item) => (item.id === id ? file : item))
        return isNew && latest.current.matches(file) ? [file, ...items] : items
      })
    }
    const changed = new Map() // id → whether the file may be missing in the list
    let looking = 0
    const lookAtAll = () => {
      looking = 0
      if (changed.size > FEW) again()
      else for (const [id, isNew] of changed) look(id, isNew)
      changed.clear()
    }
    const hear = ({ type, subject_id: id }) => {
      if (type === 'resumed') again()
      if (type === 'file_deleted') latest.current.list.change((items) => items.filter((item) => item.id !== id))
      if (!CHANGED.has(type)) return
      changed.set(id, changed.get(id) || type !== 'file_described')
      looking ||= setTimeout(lookAtAll, TOGETHER_MS)
    }
    const land = () => again()
    heard.add(hear)
    stored.add(land)
    return () => {
      left = true
      clearTimeout(timer)
      clearTimeout(looking)
      heard.delete(hear)
      stored.delete(land)
    }
  }, [])
}
