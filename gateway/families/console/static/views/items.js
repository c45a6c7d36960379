// One file in a list: as a tile with its picture, or as a row.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { to } from '../address.js'
import { shown } from '../api/files.js'
import { FAMILIES, ago, bytes, kind, plain, time } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Placeholder, extent } from '../parts/placeholder.js'
import { html, useState } from '../render.js'

const ICONS = { picture: 'picture', film: 'film', sound: 'sound', pdf: 'pdf', text: 'text', archive: 'archive', file: 'file' }

export const iconOf = (contentType) => ICONS[kind(contentType)]

/**
 * The picture of a file; its icon if the browser can't show one, or the file is infected.
 * @param {{file: LibraryFile}} properties
 */
export function Thumb({ file }) {
  const [failed, setFailed] = useState(false)
  const [there, setThere] = useState(false)
  const what = kind(file.content_type)
  const url = file.scan?.outcome === 'infected' ? '' : shown(file.url)
  const fail = () => setFailed(true)
  const arrive = () => setThere(true)
  const before = !there && file.thumbhash && html`<${Placeholder} thumbhash=${file.thumbhash} />`
  if (!failed && url && what === 'picture') return html`${before}<img ...${extent(file)} class=${there ? 'there' : ''} src=${url} alt="" loading="lazy" decoding="async" draggable="false" onLoad=${arrive} onError=${fail} />`
  if (!failed && url && what === 'film') return html`${before}<video ...${extent(file)} class=${there ? 'there' : ''} src=${`${url}#t=0.1`} preload="metadata" muted tabindex="-1" aria-hidden="true" onLoadedData=${arrive} onError=${fail}></video>
    <span class="thumb-badge"><${Icon} name="play" size=${16} /></span>`
  return html`<span class=${`thumb-icon ${what}`}><${Icon} name=${iconOf(file.content_type)} size=${32} /></span>`
}

/** The name shown for a file: its title, its prompt, or its file name. @param {LibraryFile} file */
export const nameOf = (file) => plain(file.title || file.prompt || file.filename)

const Choice = ({ file, chosen, onChoose }) => html`<label class="choice"><input type="checkbox" checked=${chosen} aria-label=${`Choose ${plain(file.filename)}`} onChange=${() => onChoose(file.id)} /></label>`

export function Tile({ file, open, chosen, onOpen, onChoose }) {
  return html`<div class=${`tile${open ? ' open' : ''}${chosen ? ' chosen' : ''}`}>
    <button type="button" class="tile-button" aria-haspopup="true" aria-expanded=${open} onClick=${() => onOpen(file)}>
      <span class="thumb"><${Thumb} file=${file} /></span>
      <span class="tile-name" dir="auto" title=${nameOf(file)}>${nameOf(file)}</span>
      <span class="tile-told">${bytes(file.size)} · ${ago(file.created_at)}</span>
    </button>
    <${Choice} file=${file} chosen=${chosen} onChoose=${onChoose} />
    <span class="tile-marks"><${Marks} file=${file} /></span>
  </div>`
}

/**
 * Badges of states that restrict a file or open it: infected, on hold, kept, public.
 * @param {{file: LibraryFile}} properties
 */
function Marks({ file }) {
  return html`${file.scan?.outcome === 'infected' && html`<span class="badge bad">Infected</span>`}
    ${file.hold ? html`<span class="badge warn">On hold</span>` : isKept(file) && html`<span class="badge warn" title=${`Until ${time(file.keep_until)}`}>Kept</span>`}
    ${file.visibility === 'public' && html`<span class="badge">Public</span>`}`
}

/** @param {LibraryFile} file */
const isKept = (file) => new Date(file.keep_until ?? 0) > new Date()

export function Row({ file, open, chosen, onOpen, onChoose }) {
  return html`<div class=${`row${open ? ' open' : ''}${chosen ? ' chosen' : ''}`}>
    <${Choice} file=${file} chosen=${chosen} onChoose=${onChoose} />
    <button type="button" class="row-button" aria-haspopup="true" aria-expanded=${open} onClick=${() => onOpen(file)}>
      <span class="thumb small"><${Thumb} file=${file} /></span>
      <span class="row-name"><span dir="auto" title=${nameOf(file)}>${nameOf(file)}</span>${nameOf(file) !== plain(file.filename) && html`<small dir="auto">${plain(file.filename)}</small>`}</span>
      <span class="row-cell family">${FAMILIES[file.family]}</span>
      <span class="row-cell size">${bytes(file.size)}</span>
      <span class="row-cell date" title=${time(file.created_at)}>${ago(file.created_at)}</span>
      <${Marks} file=${file} />
    </button>
  </div>`
}

export const FolderTile = ({ folder }) => html`<a class="tile folder-tile" href=${to(['folder', folder.folder])}>
  <span class="thumb"><span class="thumb-icon folder"><${Icon} name="folder" size=${40} /></span></span>
  <span class="tile-name">${folder.name}</span><span class="tile-told">Folder</span></a>`

export const FolderRow = ({ folder }) => html`<a class="row folder-row" href=${to(['folder', folder.folder])}>
  <span class="thumb small"><span class="thumb-icon folder"><${Icon} name="folder" size=${22} /></span></span>
  <span class="row-name">${folder.name}</span></a>`
