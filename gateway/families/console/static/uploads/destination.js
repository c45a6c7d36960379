// The destination of uploads: from the current view, or from the dialog.
import { html, useRef, useState } from '../render.js'
import { Dialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { bytes, many } from '../format.js'
import { add } from './queue.js'
import { filesOf, holdsFiles } from './dropped.js'

const PLACES = {
  files: 'Files',
  path: 'My folder',
  generations: 'Generations',
  event_media: 'Event media',
  temp: 'Temporary: deleted automatically',
}
const GENERATED = { 'text-to-image': 'Text to image', 'image-to-image': 'Image to image', 'text-to-video': 'Text to video', 'image-to-video': 'Image to video' }

/** Returns the destination for the current view; null: the dialog has to ask. */
export function placeOf({ parts, query }, user) {
  const [view, ...rest] = parts
  if (view === 'folder') {
    const own = `paths/${user}/`
    const prefix = rest.join('/')
    return prefix.startsWith(own) ? { family: 'path', path: prefix.slice(own.length) } : { family: 'files', folder: 'uploads' }
  }
  if (view !== 'files') return { family: 'files', folder: 'uploads' }
  const family = query.get('family')
  if (!family || family === 'files') return { family: 'files', folder: 'uploads' }
  return family === 'temp' ? { family } : null
}

/** The dialog that chooses files and their destination. */
export function UploadDialog({ place, files: given = [], onClose }) {
  const [files, setFiles] = useState(given)
  const [family, setFamily] = useState(place?.family ?? 'files')
  const [over, setOver] = useState(false)
  const input = useRef(null)
  const choose = (list) => setFiles((old) => [...old, ...list])
  const submit = (event) => {
    event.preventDefault()
    const fields = [...new FormData(event.target)].filter(([, value]) => typeof value === 'string' && value)
    /** @type {Record<string, any>} */
    const chosen = { family, ...Object.fromEntries(fields) }
    if (family === 'path') chosen.path = asFolder(chosen.path)
    add(files, chosen)
    onClose()
  }
  const drop = async (event) => {
    event.preventDefault()
    event.stopPropagation()
    setOver(false)
    choose(await filesOf(event.dataTransfer))
  }
  return html`<${Dialog} title="Upload" onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class=${over ? 'dropzone over' : 'dropzone'} onDrop=${drop} onDragLeave=${() => setOver(false)}
        onDragOver=${(event) => holdsFiles(event) && (event.preventDefault(), setOver(true))}>
        <${Icon} name="upload" size=${28} />
        <p>${files.length ? html`<strong>${many(files.length, 'file')}</strong>, ${bytes(files.reduce((sum, { file }) => sum + file.size, 0))}` : 'Drop files or folders here, or'}</p>
        <button type="button" class="button" onClick=${() => input.current.click()}>${files.length ? 'Choose more' : 'Choose files'}</button>
        <input ref=${input} class="hidden" type="file" multiple tabindex="-1" aria-label="Files to upload"
          onChange=${(event) => choose([...event.target.files].map((file) => ({ file, path: file.name })))} />
      </div>
      <label class="field"><span>Destination</span>
        <select value=${family} onChange=${(event) => setFamily(event.target.value)}>
          ${Object.entries(PLACES).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}
        </select></label>
      <${Details} family=${family} place=${place} />
      <div class="dialog-foot">
        <button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="button primary" disabled=${!files.length}>Upload${files.length > 0 && ` ${many(files.length, 'file')}`}</button>
      </div>
    </form>
  <//>`
}

const asFolder = (path = '') => (path && !path.endsWith('/') ? `${path}/` : path)

function Details({ family, place }) {
  const [folder, setFolder] = useState(place?.folder ?? 'uploads')
  const given = place?.family === family ? place : {}
  if (family === 'files') {
    return html`<label class="field"><span>Kind</span>
        <select name="folder" value=${folder} onChange=${(event) => setFolder(event.target.value)}>
          <option value="uploads">Any file</option><option value="documents">Documents</option><option value="audio">Class recordings</option>
        </select></label>
      ${folder === 'audio' && html`<label class="field"><span>Class</span><input name="class_id" required maxlength="128" /></label>`}`
  }
  if (family === 'path') {
    return html`<label class="field"><span>Folder</span><input name="path" defaultValue=${given.path ?? ''} placeholder="reports/2026/" maxlength="512" /></label>`
  }
  if (family === 'generations') {
    return html`<label class="field"><span>Kind</span><select name="generation_type">
        ${Object.entries(GENERATED).map(([value, label]) => html`<option key=${value} value=${value}>${label}</option>`)}</select></label>
      <label class="field"><span>Prompt</span><textarea name="prompt" rows="3" maxlength="8192"></textarea></label>`
  }
  if (family === 'event_media') {
    return html`<label class="field"><span>Event</span><input name="event_id" required defaultValue=${given.event_id ?? ''} placeholder="Its id"
        pattern="[0-9a-fA-F-]{36}" title="The id of an event: 36 letters, digits and hyphens." /></label>
      <label class="field"><span>Title</span><input name="title" maxlength="255" /></label>
      <label class="field"><span>Tags</span><input name="tags" placeholder="dance, cake" /></label>`
  }
  return html`<label class="field"><span>Keep for</span><select name="ttl_seconds">
    <option value="3600">An hour</option><option value="86400" selected>A day</option></select></label>`
}
