// Into the trash, and back.
import { restore } from '../api/files.js'
import { many } from '../format.js'
import { complain, say } from '../parts/toast.js'

/** Told with a way back. */
export function sayDiscarded(ids, after) {
  const back = () => Promise.all(ids.map(restore)).then(after, complain)
  say(`${many(ids.length, 'file')} moved to the trash.`, { action: { label: 'Undo', run: back } })
}
