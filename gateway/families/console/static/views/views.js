// Which view an address stands for.
import { html } from '../render.js'
import { Empty } from '../parts/mood.js'
import { to } from '../address.js'
import { Files } from './files.js'
import { Folder } from './folder.js'

const Nowhere = () => html`<${Empty} icon="alert" title="There is nothing here"><p><a href=${to(['files'])}>To your files</a></p><//>`

const VIEWS = {
  files: { View: Files, title: 'Files' },
  folder: { View: Folder, title: 'Folders' },
}

/** `{ View, title }`. */
export function viewOf(parts, who) {
  const found = VIEWS[parts[0]]
  if (!found || (found.admin && !who.admin)) return { View: Nowhere, title: 'Nothing here' }
  return found
}

