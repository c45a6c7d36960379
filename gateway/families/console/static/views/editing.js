// The dialog with the fields of a file that its owner may change.
/** @import { LibraryFile } from '../../../../../clients/typescript/src/schema' */
import { FormDialog } from '../parts/dialog.js'
import { html } from '../render.js'

/** @param {{file: LibraryFile, save: (changes: object) => Promise<unknown>, onClose: () => void}} properties */
export function EditDialog({ file, save, onClose }) {
  const media = file.family === 'event_media'
  const submit = (form) => {
    const text = (name) => form.get(name).trim()
    const changes = {}
    if (text('filename') !== file.filename) changes.filename = text('filename')
    if (text('visibility') !== file.visibility) changes.visibility = text('visibility')
    if (media) {
      if (text('title') !== (file.title ?? '')) changes.title = text('title') || null
      if (text('description') !== (file.description ?? '')) changes.description = text('description') || null
      const tags = text('tags').split(',').map((tag) => tag.trim()).filter(Boolean)
      if (tags.join() !== file.tags.join()) changes.tags = tags
    }
    if (Object.keys(changes).length) return save(changes)
    onClose()
    return undefined
  }
  return html`<${FormDialog} title="Edit" verb="Save" save=${submit} onClose=${onClose}>
    <label class="field"><span>Name</span><input name="filename" required maxlength="255" defaultValue=${file.filename} /></label>
    ${media && html`<label class="field"><span>Title</span><input name="title" maxlength="255" defaultValue=${file.title ?? ''} /></label>
      <label class="field"><span>Description</span><textarea name="description" rows="3" maxlength="4096" defaultValue=${file.description ?? ''}></textarea></label>
      <label class="field"><span>Tags, separated by commas</span><input name="tags" defaultValue=${file.tags.join(', ')} /></label>`}
    <label class="field"><span>Who can see it</span><select name="visibility">
      <option value="private">Only me, and anyone with a link</option><option value="public" selected=${file.visibility === 'public'}>Everyone</option></select></label>
  <//>`
}

