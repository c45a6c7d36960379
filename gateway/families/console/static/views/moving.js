// The dialog that moves or copies a file to another path.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { copy, move } from '../api/files.js'
import { FormDialog } from '../parts/dialog.js'
import { say } from '../parts/toast.js'
import { html } from '../render.js'

/** `onMoved`: called with the moved file, which has a new id.
 * @param {{file: LibraryFile, onMoved: (file: LibraryFile) => void, onClose: () => void}} properties */
export function MoveDialog({ file, onMoved, onClose }) {
  const submit = async (form) => {
    const path = form.get('path').trim()
    const place = path.endsWith('/') ? path + file.filename : path
    if (form.get('how') === 'copy') {
      await copy(file.id, place)
      say(`Copied to ${place}.`)
    } else {
      const moved = await move(file.id, place)
      say(`Moved to ${place}.`)
      onClose()
      onMoved(moved)
      return
    }
    onClose()
  }
  return html`<${FormDialog} title="Move or copy" verb="Apply" save=${submit} onClose=${onClose}>
    <label class="field"><span>Action</span><select name="how"><option value="move">Move</option><option value="copy">Copy</option></select></label>
    <label class="field"><span>Destination</span><input name="path" required maxlength="1024" defaultValue=${placeOf(file)} placeholder="album/summer/" />
      <small class="hint">A path; if it ends with /, the file keeps its name. An existing file is not overwritten.</small></label>
  <//>`
}

/** The path of a file (keys of this family are `paths/{user}/{path}`), else its file name. */
const placeOf = (file) => (file.family === 'path' ? file.key.split('/').slice(2).join('/') : file.filename)
