import { html, useState } from '../render.js'
import { Icon } from './icon.js'
import { say } from './toast.js'

/** Copies to the clipboard. Pages without TLS have no clipboard interface, so there is a fallback. */
export async function copyText(text, what = 'Copied') {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = Object.assign(document.createElement('textarea'), { value: text })
    const home = document.querySelector('dialog[open]') ?? document.body
    home.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
  say(what)
}

/** A text with a button that copies it. */
export function CopyField({ label, value }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    await copyText(value)
    setCopied(true)
  }
  return html`<label class="field"><span>${label}</span>
    <span class="copy-field"><input readonly value=${value} onFocus=${(event) => event.target.select()} />
      <button type="button" class="button" onClick=${copy}><${Icon} name=${copied ? 'check' : 'copy'} size=${18} />Copy</button></span>
  </label>`
}
