// Paths as a tree of folders that open and close.
import { bytes } from '../format.js'
import { Icon } from '../parts/icon.js'
import { html } from '../render.js'

const OPEN_UP_TO = 200 // with more files only the top is open, so that a large tree is there at once

export function Tree({ files, path, onOpen }) {
  if (!files.length) return html`<p class="hint panel-told">This version has no files.</p>`
  return html`<ul class="tree"><${Level} node=${grown(files)} path=${path} onOpen=${onOpen} open=${files.length <= OPEN_UP_TO} /></ul>`
}

function Level({ node, path, onOpen, open }) {
  return html`${[...node.folders].map(([name, child]) => html`<li key=${`${name}/`}><details open=${open || path.startsWith(child.prefix)}>
      <summary><${Icon} name="folder" size=${18} />${name}</summary>
      <ul><${Level} node=${child} path=${path} onOpen=${onOpen} open=${open} /></ul></details></li>`)}
    ${node.files.map((file) => html`<li key=${file.path}><button type="button" class="leaf" aria-current=${file.path === path ? 'true' : undefined} onClick=${() => onOpen(file.path)}>
      <${Icon} name="text" size=${18} /><span class="leaf-name">${file.path.slice(node.prefix.length)}</span><span class="leaf-size">${bytes(file.size)}</span></button></li>`)}`
}

function grown(files) {
  const root = { prefix: '', folders: new Map(), files: [] }
  for (const file of files) {
    let node = root
    for (const name of file.path.split('/').slice(0, -1)) {
      if (!node.folders.has(name)) node.folders.set(name, { prefix: `${node.prefix}${name}/`, folders: new Map(), files: [] })
      node = node.folders.get(name)
    }
    node.files.push(file)
  }
  return root
}
