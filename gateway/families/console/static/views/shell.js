// The frame of every view: navigation, search, uploads and messages.
import { go, here, to, useAddress } from '../address.js'
import { listen } from '../api/events.js'
import { Icon } from '../parts/icon.js'
import { Toasts, say } from '../parts/toast.js'
import { html, useEffect, useLayoutEffect, useRef, useState } from '../render.js'
import { expired, signOut } from '../session.js'
import { UploadDialog, placeOf } from '../uploads/destination.js'
import { filesOf, holdsFiles } from '../uploads/dropped.js'
import { add } from '../uploads/queue.js'
import { Tray } from '../uploads/tray.js'
import { Navigation } from './navigation.js'
import { viewOf } from './views.js'

const WARNING = 5 * 60 * 1000

export function Shell({ who }) {
  const address = useAddress()
  const [menu, setMenu] = useState(false)
  const [uploading, setUploading] = useState(null)
  const main = useRef(null)
  const leaving = useExpiry(who)
  useEffect(listen, [])
  const path = address.parts.join('/')
  useLayoutEffect(() => { // closes the menu of small screens; a later effect could close one that was opened since
    setMenu(false)
  }, [path])
  const place = placeOf(address, who.user)
  const dropping = useDrop((files) => (place ? add(files, place) : setUploading({ files })))
  const { View, title } = viewOf(address.parts, who)
  useEffect(() => {
    document.title = `${title} – Strongroom`
  }, [title])
  return html`<div class=${menu ? 'shell menu-open' : 'shell'}>
    <button type="button" class="skip" onClick=${() => main.current.querySelector('[data-scroller]')?.focus()}>Skip to content</button>
    <${Navigation} address=${address} who=${who} onSignOut=${() => signOut()} />
    <div class="veil" onClick=${() => setMenu(false)}></div>
    <div class="body">
      <header class="top">
        <button type="button" class="bare menu-button" aria-label="Menu" aria-expanded=${menu} onClick=${() => setMenu(!menu)}><${Icon} name="menu" /></button>
        <${Search} address=${address} />
        <button type="button" class="button primary" onClick=${() => setUploading({ files: [] })}><${Icon} name="upload" size=${18} /><span>Upload</span></button>
      </header>
      ${leaving && html`<p class="notice bar" role="status"><${Icon} name="clock" size=${18} />Your session expires in ${leaving}. Uploads will pause, and resume when you sign in again.
        <button type="button" class="link" onClick=${() => signOut()}>Sign in again</button></p>`}
      <main ref=${main}><${View} key=${path} address=${address} who=${who} /></main>
    </div>
    ${dropping && html`<div class="drop-veil" aria-hidden="true"><div><${Icon} name="upload" size=${40} /><p>Drop to upload</p></div></div>`}
    ${uploading && html`<${UploadDialog} place=${place ?? guess(address)} files=${uploading.files} onClose=${() => setUploading(null)} />`}
    <${Tray} />
    <${Toasts} />
  </div>`
}

/** The dialog's initial destination if the view does not determine one. */
const guess = ({ query }) => ({ family: query.get('family') ?? 'files' })

function Search({ address }) {
  const asked = address.parts[0] === 'files' ? (address.query.get('q') ?? '') : ''
  const [text, setText] = useState(asked)
  const timer = useRef(0)
  useEffect(() => setText(asked), [asked])
  const search = (q) => {
    clearTimeout(timer.current)
    const inFolder = address.parts[0] === 'folder' ? address.parts.slice(1).join('/') : ''
    go(address.parts[0] === 'files' ? here({ q, file: '' }) : to(['files'], { q, prefix: inFolder }), { replace: Boolean(asked) })
  }
  const type = (value) => {
    setText(value)
    clearTimeout(timer.current)
    if (value.trim() !== asked) timer.current = setTimeout(() => search(value.trim()), 350)
  }
  return html`<form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); search(text.trim()) }}>
    <${Icon} name="search" size=${18} />
    <input type="search" aria-label="Search files" placeholder="Search names, prompts, titles, tags" value=${text} onInput=${(event) => type(event.target.value)} />
  </form>`
}

/** The time until the session expires, as text, once it is short. Signs out when the session expires. */
function useExpiry({ expires }) {
  const [left, setLeft] = useState(expires - Date.now())
  useEffect(() => {
    const timer = setInterval(() => {
      const now = expires - Date.now()
      if (now <= 0) expired()
      else if (now < WARNING) setLeft(now)
    }, 1000)
    return () => clearInterval(timer)
  }, [expires])
  if (left > WARNING) return ''
  return left < 60000 ? 'less than a minute' : `${Math.ceil(left / 60000)} minutes`
}

/** Handles files that are dragged over any part of the page. Returns whether some are. */
function useDrop(take) {
  const [over, setOver] = useState(false)
  const taking = useRef(take)
  taking.current = take
  useEffect(() => {
    let depth = 0
    const inDialog = () => document.querySelector('dialog[open]')
    const enter = (event) => {
      if (!holdsFiles(event) || inDialog()) return
      depth += 1
      setOver(true)
    }
    const leave = (event) => {
      if (!holdsFiles(event)) return
      depth = Math.max(0, depth - 1)
      if (!depth) setOver(false)
    }
    const allow = (event) => holdsFiles(event) && event.preventDefault()
    const drop = async (event) => {
      if (!holdsFiles(event)) return
      event.preventDefault() // by default a browser leaves the page and shows the file
      depth = 0
      setOver(false)
      if (inDialog()) return
      const files = await filesOf(event.dataTransfer).catch(() => [])
      if (files.length) taking.current(files)
      else say('What you dropped can’t be uploaded.', { tone: 'bad' })
    }
    const listeners = { dragenter: enter, dragleave: leave, dragover: allow, drop }
    for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener)
    return () => {
      for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener)
    }
  }, [])
  return over
}
