// Shows the pictures and videos of a list in full size, one at a time.
import { shown } from '../api/files.js'
import { kind } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Placeholder, extent } from '../parts/placeholder.js'
import { html, useEffect, useLayoutEffect, useRef, useState } from '../render.js'
import { nameOf } from './items.js'

const SEEN = ['picture', 'film']

/** Whether the viewer can show a file. */
export const viewable = (file) => Boolean(file.url) && file.scan?.outcome !== 'infected' && SEEN.includes(kind(file.content_type))

/**
 * The arrow keys show the previous and the next file, Escape closes. A video that has the focus gets the arrow keys.
 * @param {{files: any[], id: string, more: (() => void) | null, onClose: (id: string) => void}} properties `more`: loads
 *   the next page; `onClose`: called with the id of the file shown last
 */
export function Viewer({ files, id, more, onClose }) {
  const [seen, setSeen] = useState(id)
  const element = useRef(null)
  const at = Math.max(0, files.findIndex((file) => file.id === seen))
  const file = files[at]
  useLayoutEffect(() => { // before the first paint, so that a key pressed then goes to the dialog
    const before = /** @type {HTMLElement | null} */ (document.activeElement)
    element.current.showModal()
    return () => before?.isConnected && before.focus({ preventScroll: true })
  }, [])
  useEffect(() => {
    if (more && at >= files.length - 3) more()
    for (const near of [files[at + 1], files[at - 1]]) if (near && kind(near.content_type) === 'picture') new Image().src = shown(near.url)
  }, [at, files.length])
  const close = () => onClose(file.id)
  const step = (by) => files[at + by] && setSeen(files[at + by].id)
  const press = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
    if (!by || event.target.matches('video')) return
    event.preventDefault()
    step(by)
  }
  const arrow = (by, icon, label) => html`<button type="button" class=${`bare viewer-${icon}`} aria-label=${label} disabled=${!files[at + by]} onClick=${() => step(by)}><${Icon} name=${icon} size=${28} /></button>`
  return html`<dialog ref=${element} class="viewer" aria-label="Viewer" onKeyDown=${press} onCancel=${(event) => { event.preventDefault(); close() }}>
    <div class="viewer-head"><p aria-live="polite">${nameOf(file)} <small>${at + 1} of ${files.length}${more ? ' or more' : ''}</small></p>
      <button type="button" class="bare" aria-label="Close" onClick=${close}><${Icon} name="close" /></button></div>
    ${arrow(-1, 'back', 'Previous')}
    <${Shown} key=${file.id} file=${file} />
    ${arrow(1, 'next', 'Next')}
  </dialog>`
}

function Shown({ file }) {
  const [there, setThere] = useState(false)
  const [failed, setFailed] = useState(false)
  const url = shown(file.url)
  const given = { src: url, ...extent(file), onError: () => setFailed(true) }
  if (failed) return html`<p class="viewer-shown">This file can’t be shown here. Download it to view it.</p>`
  return html`<div class="viewer-shown">${!there && file.thumbhash && html`<${Placeholder} thumbhash=${file.thumbhash} />`}
    ${kind(file.content_type) === 'film'
      ? html`<video ...${given} controls autoplay onLoadedData=${() => setThere(true)}></video>`
      : html`<img ...${given} alt=${nameOf(file)} onLoad=${() => setThere(true)} />`}</div>`
}
