// Differences between two versions: the files, and the lines of texts.
import { go, here } from '../address.js'
import { file as read } from '../api/projects.js'
import { bytes, kind, many } from '../format.js'
import { Failed, Loading } from '../parts/mood.js'
import { useAnswer } from '../answer.js'
import { html, useEffect } from '../render.js'
import diff from '../vendor/diff.js'
import { PICTURE_LIMIT, TEXT_LIMIT, decoded } from './project_file.js'

const WORDS = { added: 'New', removed: 'Removed', changed: 'Changed' }
const LINE_LIMIT = 4000

export function Differences({ slug, before, after, path }) {
  const found = compare(before.files, after.files)
  return html`<div class="panel-head"><h2>Version ${before.version} → version ${after.version}</h2>
      <a class="button small" href=${here({ against: '', path: '' })}>Close</a></div>
    ${!found.length ? html`<p class="panel-told hint">Both versions have the same files.</p>`
      : html`<p class="panel-told hint">${many(found.length, 'file differs', 'files differ')}.</p>
      <ul class="differences">${found.map((one) => html`<li key=${one.path}>
        <button type="button" class="leaf" aria-expanded=${one.path === path} onClick=${() => go(here({ path: one.path === path ? '' : one.path }))}>
          <span class=${`badge ${one.what}`}>${WORDS[one.what]}</span><span class="leaf-name">${one.path}</span></button>
        ${one.path === path && html`<${Lines} slug=${slug} one=${one} versions=${[before.version, after.version]} />`}
      </li>`)}</ul>`}`
}

/** Returns `{ path, what, before, after }` for each path that differs between the versions. */
export function compare(before, after) {
  const old = new Map(before.map((file) => [file.path, file]))
  const now = new Map(after.map((file) => [file.path, file]))
  const found = []
  for (const path of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const [one, two] = [old.get(path), now.get(path)]
    if (one && two && one.sha256 === two.sha256 && one.executable === two.executable) continue
    found.push({ path, before: one, after: two, what: !one ? 'added' : two ? 'changed' : 'removed' })
  }
  return found
}

function Lines({ slug, one, versions }) {
  const large = [one.before, one.after].some((file) => file && file.size > TEXT_LIMIT)
  const both = useAnswer((signal) => (large ? null : texts(slug, one, versions, signal)), [one.path, versions.join()])
  if (large) return html`<${Bytes} one=${one} slug=${slug} versions=${versions} />`
  if (both.problem) return html`<${Failed} problem=${both.problem} again=${both.again} />`
  if (!both.value) return html`<${Loading} what="Comparing" />`
  if (both.value.includes(null)) return html`<${Bytes} one=${one} slug=${slug} versions=${versions} />`
  const { hunks } = diff.structuredPatch('', '', ...both.value, '', '', { context: 3 })
  const lines = hunks.flatMap(numbered)
  if (!lines.length) return html`<p class="panel-told hint">${one.before?.executable !== one.after?.executable ? 'Only the executable bit has changed.' : 'No lines differ.'}</p>`
  return html`<div class="diff" tabindex="0" role="region" aria-label=${`Differences of ${one.path}`}><table><tbody>
    ${lines.slice(0, LINE_LIMIT).map(({ sign, gap, old, now, text }, index) => html`<tr key=${index} class=${gap ? 'gap' : SIGNS[sign]}>
      <td class="number">${old}</td><td class="number">${now}</td><td class="sign">${sign === '-' ? '−' : sign}</td><td class="line">${text}</td></tr>`)}
  </tbody></table>${lines.length > LINE_LIMIT && html`<p class="panel-told hint">The first ${LINE_LIMIT} of ${lines.length} lines.</p>`}</div>`
}

/** Files that are no text, or too long: their sizes in both versions, and pictures. */
function Bytes({ slug, one, versions }) {
  const sides = [one.before, one.after].map((file, index) => ({ file, version: versions[index] })).filter(({ file }) => file)
  return html`<div class="diff-bytes">${sides.map(({ file, version }) => html`<figure key=${version}>
    ${kind(file.content_type) === 'picture' && file.size <= PICTURE_LIMIT && html`<${Picture} slug=${slug} version=${version} path=${one.path} />`}
    <figcaption>Version ${version}: ${file.content_type}, ${bytes(file.size)}</figcaption></figure>`)}</div>`
}

function Picture({ slug, version, path }) {
  const found = useAnswer(async (signal) => URL.createObjectURL(await (await read(slug, version, path, signal)).blob()), [path, version])
  useEffect(() => () => found.value && URL.revokeObjectURL(found.value), [found.value])
  if (found.problem) return html`<${Failed} problem=${found.problem} again=${found.again} />`
  return found.value ? html`<img src=${found.value} alt=${`${path} in version ${version}`} />` : html`<${Loading} />`
}

const SIGNS = { '+': 'plus', '-': 'minus', ' ': 'same' }

function numbered({ oldStart, newStart, lines }) {
  let old = oldStart
  let now = newStart
  /** @type {Array<{sign: string, gap?: boolean, old: number | string, now: number | string, text: string}>} */
  const shown = [{ sign: ' ', gap: true, old: '', now: '', text: `from line ${newStart}` }]
  for (const line of lines) {
    const sign = line[0]
    if (sign === '\\') continue // "No newline at end of file"
    shown.push({ sign, text: line.slice(1), old: sign === '+' ? '' : old++, now: sign === '-' ? '' : now++ })
  }
  return shown
}

function texts(slug, { path, before, after }, versions, signal) {
  const text = async (file, version) => (file ? decoded(await (await read(slug, version, path, signal)).arrayBuffer()) : '')
  return Promise.all([text(before, versions[0]), text(after, versions[1])])
}
