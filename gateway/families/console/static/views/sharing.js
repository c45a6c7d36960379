// The dialog that creates a share: of a given file, folder or project, or of one named in the form.
import { make } from '../api/shares.js'
import { CopyField } from '../parts/copying.js'
import { Dialog, FormDialog } from '../parts/dialog.js'
import { html, useState } from '../render.js'

const ENDS = { 86400: 'In a day', 604800: 'In a week', 2592000: 'In 30 days', 0: 'Never' }

/** @param {{what: object, name: string, onClose: () => void, onMade?: (share: any) => void, children?: unknown, read?: (form: FormData) => object}} properties `what`: the part of the request that names the shared content */
export function ShareDialog({ what, name, onClose, onMade, children, read = () => ({}) }) {
  const [url, setUrl] = useState('')
  const save = async (form) => {
    const share = await make({
      ...what,
      ...read(form),
      title: form.get('title').trim(),
      password: form.get('password') || undefined,
      expires_in: Number(form.get('expires_in')),
      max_uses: Number(form.get('max_uses')) || 0,
    })
    onMade?.(share)
    setUrl(share.url)
  }
  if (url) {
    return html`<${Dialog} title="Share" onClose=${onClose}>
      <${CopyField} label="Link for your guests" value=${url} />
      <p class="hint">Copy it now: it can’t be shown again. You can revoke it under Shares at any time.</p>
      <div class="dialog-foot"><button type="button" class="button primary" onClick=${onClose}>Done</button></div>
    <//>`
  }
  return html`<${FormDialog} title=${name ? `Share ${name}` : 'New share'} verb="Create link" save=${save} onClose=${onClose}>
    ${children}
    <label class="field"><span>Title for guests</span><input name="title" maxlength="255" defaultValue=${name} /></label>
    <div class="fields">
      <label class="field"><span>Expires</span><select name="expires_in">
        ${Object.entries(ENDS).map(([value, label]) => html`<option key=${value} value=${value} selected=${value === '604800'}>${label}</option>`)}</select></label>
      <label class="field"><span>Maximum uses</span><input name="max_uses" type="number" min="0" max="100000" placeholder="Unlimited" /></label>
    </div>
    <label class="field"><span>Password</span><input name="password" type="password" maxlength="256" autocomplete="new-password" placeholder="None" /></label>
  <//>`
}
