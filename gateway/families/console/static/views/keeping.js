// The dialog for a file's retention: times, and a legal hold.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { hold, release, retain } from '../api/files.js'
import { plain, time } from '../format.js'
import { FormDialog } from '../parts/dialog.js'
import { say } from '../parts/toast.js'
import { html } from '../render.js'

const FIELDS = ['keep_until', 'delete_after']

/** @param {{file: LibraryFile, onKept: (kept: Partial<LibraryFile>) => void, onClose: () => void}} properties `onKept`: called with `{ keep_until, delete_after, hold }` */
export function KeepDialog({ file, onKept, onClose }) {
  const save = async (form) => {
    const times = {}
    for (const name of FIELDS) {
      const text = form.get(name)
      if (text !== local(file[name])) times[name] = text ? new Date(text).toISOString() : null
    }
    const held = form.get('held') === 'on'
    const reason = (form.get('reason') ?? '').trim()
    if (Object.keys(times).length) onKept(await retain(file.id, times))
    if (held && (!file.hold || reason !== file.hold.reason)) onKept(await hold(file.id, reason))
    if (!held && file.hold) onKept(await release(file.id))
    say(`Retention of ${plain(file.filename)} is set.`)
    onClose()
  }
  return html`<${FormDialog} title="Retention" verb="Save" save=${save} onClose=${onClose}>
    <label class="field"><span>Keep until</span><input name="keep_until" type="datetime-local" defaultValue=${local(file.keep_until)} />
      <small>Until then nobody can delete or replace it${file.keep_until ? `; ${time(file.keep_until)} can only be extended` : ''}.</small></label>
    <label class="field"><span>Move to trash on</span><input name="delete_after" type="datetime-local" defaultValue=${local(file.delete_after)} />
      <small>It is moved automatically. Leave empty to keep it.</small></label>
    <label class="check-field"><input name="held" type="checkbox" defaultChecked=${Boolean(file.hold)} /><span>Legal hold: protected until the hold is lifted</span></label>
    <label class="field"><span>Reason for the hold</span><input name="reason" maxlength="255" defaultValue=${file.hold?.reason ?? ''} placeholder="Case 2026-17" /></label>
  <//>`
}

/** A time as the value of a datetime-local field: local time, to the minute. */
function local(text) {
  if (!text) return ''
  const at = new Date(text)
  return new Date(at.getTime() - 60000 * at.getTimezoneOffset()).toISOString().slice(0, 16)
}
