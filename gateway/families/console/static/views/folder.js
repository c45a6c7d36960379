// The view of a folder. Folders are common prefixes of keys that end with a slash.
import { to } from '../address.js'
import { folder as read, removeFolder } from '../api/files.js'
import { send, inPath } from '../api/ask.js'
import { many } from '../format.js'
import { Confirm } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty } from '../parts/mood.js'
import { save } from '../parts/saving.js'
import { complain, say } from '../parts/toast.js'
import { html, useState } from '../render.js'
import { go } from '../address.js'
import { Listing } from './listing.js'
import { ShareDialog } from './sharing.js'

export function Folder({ address, who }) {
  const prefix = address.parts.slice(1).join('/')
  const load = async (pageToken, signal) => {
    const page = await read(prefix, pageToken, signal)
    const folders = page.folders.map((folder) => ({ folder, name: folder.slice(prefix.length).replace(/\/$/, '') }))
    return { items: [...folders, ...page.files], next: page.next_page_token }
  }
  return html`<${Listing} address=${address} who=${who} title=${html`<${Crumbs} prefix=${prefix} />`} load=${load} by=${[prefix]} layout="rows"
    matches=${(file) => file.key.startsWith(prefix) && !file.key.slice(prefix.length).includes('/')}
    tools=${prefix && html`<${Tools} prefix=${prefix} />`}
    empty=${html`<${Empty} icon="folder" title="This folder is empty"><p>Drop files or folders here to fill it.</p><//>`} />`
}

function Crumbs({ prefix }) {
  const names = prefix.split('/').filter(Boolean)
  return html`<span class="crumbs"><a href=${to(['folder', ''])}>Folders</a>
    ${names.map((name, index) => html`<span key=${index} aria-hidden="true">/</span>
      ${index === names.length - 1 ? html`<span aria-current="page">${name}</span>`
        : html`<a href=${to(['folder', `${names.slice(0, index + 1).join('/')}/`])}>${name}</a>`}`)}</span>`
}

function Tools({ prefix }) {
  const [deleting, setDeleting] = useState(false)
  const [sharing, setSharing] = useState(false)
  const name = prefix.split('/').filter(Boolean).at(-1)
  const zip = () => send('GET', `api/v1/folders/${inPath(prefix)}archive`).then((answer) => save(answer, `${name}.zip`)).catch(complain)
  const discard = async () => {
    const { deleted } = await removeFolder(prefix)
    say(`${many(deleted, 'file')} moved to the trash.`)
    go(to(['folder', prefix.replace(/[^/]+\/$/, '')]))
  }
  return html`<button type="button" class="button small" onClick=${zip}><${Icon} name="download" size=${18} />ZIP</button>
    <button type="button" class="button small" onClick=${() => setSharing(true)}><${Icon} name="share" size=${18} />Share</button>
    <button type="button" class="button small" onClick=${() => setDeleting(true)}><${Icon} name="trash" size=${18} />Delete</button>
    ${sharing && html`<${ShareDialog} what=${{ prefix }} name=${name} onClose=${() => setSharing(false)} />`}
    ${deleting && html`<${Confirm} title="Delete this folder?" text=${`Everything in ${name} goes to the trash, and can be restored from there.`}
      verb="Move to trash" run=${discard} onClose=${() => setDeleting(false)} />`}`
}
