// The preview of a file, as far as a browser can show it.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { shown } from '../api/files.js'
import { words } from '../api/ask.js'
import { bytes, kind } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Placeholder, extent } from '../parts/placeholder.js'
import { html, useEffect, useState } from '../render.js'
import { iconOf, nameOf } from './items.js'

const TEXT_LIMIT = 64 * 1024

/** @param {{file: LibraryFile, onView?: () => void}} properties `onView`: opens the viewer */
export function Preview({ file, onView }) {
  const [failed, setFailed] = useState(false)
  const [there, setThere] = useState(false)
  const url = shown(file.url)
  const what = kind(file.content_type)
  const fail = () => setFailed(true)
  if (file.scan?.outcome === 'infected') {
    return html`<div class="preview none bad" role="alert"><${Icon} name="alert" size=${48} />
      <p>The scanner found <strong>${file.scan.signature}</strong> in this file. Nobody can read it. Delete it, or upload a clean one instead.</p></div>`
  }
  if (!url || failed) {
    return html`<div class="preview none"><${Icon} name=${iconOf(file.content_type)} size=${48} />
      <p>${failed ? 'This file can’t be shown here. Download it to view it.' : 'No preview'}</p></div>`
  }
  const before = !there && file.thumbhash && html`<${Placeholder} thumbhash=${file.thumbhash} />`
  if (what === 'picture') return html`<button type="button" class="preview" aria-label="View in full size" onClick=${onView}>${before}
    <img src=${url} ...${extent(file)} alt=${nameOf(file)} onLoad=${() => setThere(true)} onError=${fail} /></button>`
  if (what === 'film') return html`<div class="preview">${before}<video src=${url} ...${extent(file)} controls preload="metadata" onLoadedData=${() => setThere(true)} onError=${fail}></video>
    <button type="button" class="button small" onClick=${onView}>View in full size</button></div>`
  if (what === 'sound') return html`<div class="preview sound"><${Icon} name="sound" size=${48} /><audio src=${url} controls preload="metadata" onError=${fail}></audio></div>`
  if (what === 'text') return html`<${TextPreview} url=${url} size=${file.size} />`
  return html`<div class="preview none"><${Icon} name=${iconOf(file.content_type)} size=${48} />
    ${what === 'pdf' ? html`<a class="button small" href=${url} target="_blank" rel="noopener">Open</a>` : html`<p>No preview for ${file.content_type}</p>`}</div>`
}

/** The first part of a text file. */
function TextPreview({ url, size }) {
  const [text, setText] = useState(null)
  useEffect(() => {
    const controller = new AbortController()
    fetch(url, { signal: controller.signal, headers: { range: `bytes=0-${TEXT_LIMIT - 1}` } })
      .then(async (answer) => (answer.ok ? answer.text() : words(answer.status, await answer.json().catch(() => ({})))))
      .then(setText, (error) => error.name !== 'AbortError' && setText('Can’t be read: the service can’t be reached.'))
    return () => controller.abort()
  }, [url])
  return html`<div class="preview text"><pre tabindex="0" aria-label="Beginning of the text">${text ?? 'Loading…'}</pre>
    ${size > TEXT_LIMIT && html`<p class="hint">The first ${bytes(TEXT_LIMIT)} of ${bytes(size)}.</p>`}</div>`
}
