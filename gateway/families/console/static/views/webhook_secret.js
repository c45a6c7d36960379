// The secret that signs a webhook's messages, with a button that copies it.
import { CopyField } from '../parts/copying.js'
import { Dialog } from '../parts/dialog.js'
import { html } from '../render.js'

/** The dialog that shows the secret. It is shown only once. */
export const SecretDialog = ({ secret, onClose }) => html`<${Dialog} title="Secret" onClose=${onClose}>
  <${CopyField} label="Signing secret" value=${secret} />
  <p class="hint">Copy it now: it can’t be shown again. Verify each message with it, using any Standard Webhooks library.</p>
  <div class="dialog-foot"><button type="button" class="button primary" onClick=${onClose}>Done</button></div>
<//>`
