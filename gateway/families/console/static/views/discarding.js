// Moves files to the trash, and back.
import { restore } from '../api/files.js'
import { many } from '../format.js'
import { complain, say } from '../parts/toast.js'

/** Shows that files were moved to the trash, with an action that restores them. */
export function sayDiscarded(ids, after) {
  const back = () => Promise.all(ids.map(restore)).then(after, complain)
  say(`${many(ids.length, 'file')} moved to the trash.`, { action: { label: 'Undo', run: back } })
}
