// What signs a webhook's messages, to be copied.
import { CopyField } from '../parts/copying.js'
import { Dialog } from '../parts/dialog.js'
import { html } from '../render.js'

/** The only time that it is shown. */
export const SecretDialog = ({ secret, onClose }) => html`<${Dialog} title="Secret" onClose=${onClose}>
  <${CopyField} label="The secret that signs what is sent" value=${secret} />
  <p class="hint">Copy it now: nobody can show it again. Check each message with it, by any library for Standard Webhooks.</p>
  <div class="dialog-foot"><button type="button" class="button primary" onClick=${onClose}>Done</button></div>
<//>`
