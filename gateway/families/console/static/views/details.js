// The panel of one file beside the list: its preview, its facts, its actions.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { words } from '../api/ask.js'
import { events } from '../api/events.js'
import { edit, link, one, remove, revokeLinks, shown } from '../api/files.js'
import { FAMILIES, ago, bytes, plain, time } from '../format.js'
import { useObservable } from '../observable.js'
import { copyText } from '../parts/copying.js'
import { Confirm } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Failed, Loading } from '../parts/mood.js'
import { extent } from '../parts/placeholder.js'
import { follow } from '../parts/saving.js'
import { complain, say } from '../parts/toast.js'
import { html, useEffect, useRef, useState } from '../render.js'
import { sayDiscarded } from './discarding.js'
import { EditDialog } from './editing.js'
import { KeepDialog } from './keeping.js'
import { MoveDialog } from './moving.js'
import { Preview } from './preview.js'
import { ShareDialog } from './sharing.js'
import { SILENT, eventWords } from './activity_words.js'

export function Details({ id, items, onClose, onChange, onGone, onMoved, onView }) {
  const [file, setFile] = useState(/** @type {LibraryFile | null} */ (items.find((item) => item.id === id) ?? null))
  const [problem, setProblem] = useState(null)
  const [dialog, setDialog] = useState('')
  const [edited, setEdited] = useState(null) // the file as it was when editing began, whatever events arrive
  const heading = useRef(null)
  const told = useObservable(events)
  const changes = told.filter(({ subject_id: subject }) => subject === id)
  const newest = changes[0]?.id
  useEffect(() => {
    const controller = new AbortController()
    one(id, controller.signal).then((found) => { setFile(found); setProblem(null) }, (error) => !controller.signal.aborted && setProblem(error))
    return () => controller.abort()
  }, [id, newest])
  useEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement)
    heading.current?.focus()
    const escape = (event) => event.key === 'Escape' && !document.querySelector('dialog[open]') && onClose()
    window.addEventListener('keydown', escape)
    return () => {
      window.removeEventListener('keydown', escape)
      if (before?.isConnected) before.focus({ preventScroll: true })
    }
  }, [])
  const readable = file?.scan?.outcome !== 'infected'
  const save = async (body) => {
    const after = await edit(edited, body)
    setFile(after)
    onChange(after)
    setEdited(null)
  }
  const discard = async () => {
    try {
      await remove([id])
      onGone(id)
      onClose()
      sayDiscarded([id], () => undefined)
    } catch (error) {
      const metadata = { until: file.keep_until, hold: file.hold && 'true' } // a result of many does not say which
      complain(error.code === 'RETENTION_HELD' ? { message: words(0, { code: error.code, metadata }) } : error)
    }
  }
  const download = () => link(id, { attachment: true }).then(({ url }) => follow(shown(url), file.filename), complain)
  const copyLink = () => link(id).then(({ url, expires_at: end }) => copyText(url, end ? `Link copied. It works until ${time(end)}.` : 'Link copied. It works until you revoke it.'), complain)
  const action = (icon, label, run) => html`<button type="button" class="button small" onClick=${run}><${Icon} name=${icon} size=${18} />${label}</button>`
  return html`<aside class="details" aria-label="Details">
    <div class="details-head"><h2 ref=${heading} tabindex="-1" dir="auto" title=${file && plain(file.filename)}>${file ? plain(file.filename) : 'Details'}</h2>
      <button type="button" class="bare" aria-label="Close details" onClick=${onClose}><${Icon} name="close" /></button></div>
    ${problem ? html`<${Failed} problem=${problem} />` : !file ? html`<${Loading} />` : html`<div class="details-body">
      <${Preview} file=${file} onView=${onView} />
      <div class="actions">
        ${readable && html`${action('download', 'Download', download)}${action('share', 'Share', () => setDialog('share'))}${action('link', 'Copy link', copyLink)}`}
        ${action('edit', 'Edit', () => one(id).then(setEdited, complain))}${action('folder', 'Move or copy', () => setDialog('move'))}${file.family !== 'temp' && action('lock', 'Keep', () => setDialog('keep'))}${action('trash', 'Trash', discard)}
      </div>
      <${Facts} file=${file} />
      <h3>Links</h3>
      <p class="hint">Anyone who has a link to this file can see it.${' '}
        <button type="button" class="link" onClick=${() => setDialog('revoke')}>Revoke all links</button></p>
      <h3>History</h3>
      <ol class="history">
        ${changes.filter(({ type }) => !SILENT.has(type)).map((event) => html`<li key=${event.id}><span>${eventWords(event)}</span><time title=${time(event.created_at)}>${ago(event.created_at)}</time></li>`)}
        ${file.generation > 1 && html`<li><span>Revision ${file.generation}: changed ${file.generation === 2 ? 'once' : `${file.generation - 1} times`}</span><time title=${time(file.updated_at)}>${ago(file.updated_at)}</time></li>`}
        <li><span>Stored</span><time title=${time(file.created_at)}>${ago(file.created_at)}</time></li>
      </ol>
    </div>`}
    ${edited && html`<${EditDialog} file=${edited} save=${save} onClose=${() => setEdited(null)} />`}
    ${dialog === 'keep' && html`<${KeepDialog} file=${file} onClose=${() => setDialog('')}
      onKept=${(kept) => { setFile({ ...file, ...kept }); onChange({ ...file, ...kept }) }} />`}
    ${dialog === 'move' && html`<${MoveDialog} file=${file} onMoved=${onMoved} onClose=${() => setDialog('')} />`}
    ${dialog === 'share' && html`<${ShareDialog} what=${{ file_id: id }} name=${file.filename} onClose=${() => setDialog('')} />`}
    ${dialog === 'revoke' && html`<${Confirm} title="Revoke all links?" text="All links to this file stop working at once, including those on web pages. You can make new ones." verb="Revoke"
      run=${() => revokeLinks(id).then(() => say('All links to this file have been revoked.'))} onClose=${() => setDialog('')} />`}
  </aside>`
}

/** @param {{file: LibraryFile}} properties */
function Facts({ file }) {
  const own = Object.entries(file.metadata).filter(([name]) => !['user_id', 'original_filename', 'content_type', 'upload_timestamp'].includes(name))
  const facts = [
    ['Title', file.title], ['Description', file.description], ['Prompt', file.prompt], ['Kind', file.generation_type],
    ['Tags', file.tags.length ? html`<span class="tags">${file.tags.map((tag) => html`<span class="badge" key=${tag}>${tag}</span>`)}</span>` : null],
    ['Family', FAMILIES[file.family]], ['Type', file.content_type], ['Dimensions', file.width && `${extent(file).width} × ${extent(file).height} pixels`], ['Taken', file.taken_at && time(file.taken_at)], ['Size', html`<span title=${`${file.size} bytes`}>${bytes(file.size)}</span>`],
    ['Visibility', file.visibility === 'public' ? 'Public: anyone can read it' : 'Private'],
    ['Stored', time(file.created_at)], ['Changed', file.updated_at === file.created_at ? null : time(file.updated_at)],
    ['Expires', file.expires_at && time(file.expires_at)],
    ['Kept until', file.keep_until && time(file.keep_until)], ['Moves to trash', file.delete_after && time(file.delete_after)],
    ['Legal hold', file.hold && `${file.hold.reason || 'No reason given'}${file.hold.by_admin ? ' (placed by an admin)' : ''}, since ${time(file.hold.placed_at)}`],
    ['Malware', file.scan && scanWords(file.scan)], ['Event', file.event_id && html`<code>${file.event_id}</code>`],
    ['Settings', file.settings && html`<code>${JSON.stringify(file.settings, null, 1)}</code>`],
    ...own.map(([name, value]) => [name, value]),
    ['Key', html`<code>${file.key}</code>`], ['Id', html`<code>${file.id}</code>`],
  ]
  return html`<dl class="facts">${facts.filter(([, value]) => value).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`
}

/** The result of the malware scan as text. @param {LibraryFile['scan']} scan */
function scanWords({ outcome, scanned_at: at, signature, cause }) {
  if (outcome === 'infected') return `Found: ${signature}${at ? `, ${time(at)}` : ''}`
  if (outcome === 'clean') return `None found${at ? `, ${time(at)}` : ''}`
  return cause === 'size' ? 'Not scanned: the file is too large' : 'Not scanned yet'
}
