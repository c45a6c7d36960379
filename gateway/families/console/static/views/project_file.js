// One file of a version, as text or picture.
import { file as read } from '../api/projects.js'
import { bytes, kind } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Failed, Loading } from '../parts/mood.js'
import { save } from '../parts/saving.js'
import { complain } from '../parts/toast.js'
import { useAnswer } from '../answer.js'
import { html, useEffect } from '../render.js'

export const TEXT_LIMIT = 512 * 1024
export const PICTURE_LIMIT = 16 * 1024 * 1024

export function ProjectFile({ slug, version, path, file }) {
  const what = file ? kind(file.content_type) : 'file'
  const readable = file && (what === 'picture' || (what !== 'archive' && what !== 'film' && what !== 'sound' && file.size <= TEXT_LIMIT))
  const content = useAnswer((signal) => (readable ? contentOf(slug, version, path, what, signal) : null), [path, version])
  const url = content.value?.url
  useEffect(() => () => url && URL.revokeObjectURL(url), [url])
  const name = path.split('/').at(-1)
  const download = () => read(slug, version, path).then((answer) => save(answer, name)).catch(complain)
  return html`<section class="panel project-file" aria-label=${path}>
    <div class="panel-head"><h2>${path}</h2>${file && html`<span class="hint">${bytes(file.size)}</span>`}
      <button type="button" class="bare" aria-label=${`Download ${name}`} onClick=${download}><${Icon} name="download" /></button></div>
    ${!file ? html`<p class="panel-told hint">This version has no such file.</p>`
      : content.problem ? html`<${Failed} problem=${content.problem} again=${content.again} />`
      : !readable ? html`<p class="panel-told hint">Not shown here (${file.content_type}, ${bytes(file.size)}). Download it to look at it.</p>`
      : !content.value ? html`<${Loading} />`
      : url ? html`<div class="panel-told"><img src=${url} alt=${path} /></div>`
      : html`<pre class="code" tabindex="0" aria-label=${`Text of ${name}`}>${content.value.text}</pre>`}
  </section>`
}

async function contentOf(slug, version, path, what, signal) {
  const answer = await read(slug, version, path, signal)
  return what === 'picture' ? { url: URL.createObjectURL(await answer.blob()) } : { text: textOf(await answer.arrayBuffer()) }
}

const textOf = (buffer) => decoded(buffer) ?? '(not text)'

/** Decodes UTF-8; null: the bytes are not valid text. */
export function decoded(buffer) {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(buffer)
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}
