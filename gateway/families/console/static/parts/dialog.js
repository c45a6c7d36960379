// The browser's own dialog element: keeps the focus inside, closes by Escape and hides the page behind it.
import { html, useLayoutEffect, useRef, useState } from '../render.js'
import { Icon } from './icon.js'

let named = 0

/** A window over the page. `onClose` is called however it closes. */
export function Dialog({ title, onClose, children, wide = false }) {
  const element = useRef(null)
  const [id] = useState(() => `dialog-${(named += 1)}`)
  useLayoutEffect(() => { // before the first paint, so that a key pressed then goes to the dialog
    const before = /** @type {HTMLElement | null} */ (document.activeElement)
    element.current.showModal()
    return () => before?.focus?.()
  }, [])
  const outside = (event) => event.target === element.current && onClose()
  return html`<dialog ref=${element} class=${wide ? 'dialog wide' : 'dialog'} aria-labelledby=${id}
    onCancel=${(event) => { event.preventDefault(); onClose() }} onMouseDown=${outside}>
    <div class="dialog-head"><h2 id=${id}>${title}</h2>
      <button type="button" class="bare" aria-label="Close" onClick=${onClose}><${Icon} name="close" /></button></div>
    <div class="dialog-body">${children}</div>
  </dialog>`
}

/** Asks before an action that can't be undone. `run` may be asynchronous; its error is shown in the dialog. */
export function Confirm({ title, text, verb, danger = true, run, onClose }) {
  const [state, setState] = useState({ busy: false, error: '' })
  const act = async () => {
    setState({ busy: true, error: '' })
    try {
      await run()
      onClose()
    } catch (problem) {
      setState({ busy: false, error: problem.message })
    }
  }
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p>${text}</p>
    ${state.error && html`<p class="field-error" role="alert">${state.error}</p>`}
    <div class="dialog-foot">
      <button type="button" class="button" onClick=${onClose}>Cancel</button>
      <button type="button" class=${danger ? 'button danger' : 'button primary'} disabled=${state.busy} onClick=${act}>${verb}</button>
    </div>
  <//>`
}

/** A form in a dialog: `save(FormData)`; its error is shown beside the button. */
export function FormDialog({ title, verb, save, onClose, children, wide = false }) {
  const [state, setState] = useState({ busy: false, error: '' })
  const submit = async (event) => {
    event.preventDefault()
    setState({ busy: true, error: '' })
    try {
      await save(new FormData(event.target))
    } catch (problem) {
      setState({ busy: false, error: problem.message })
    }
  }
  return html`<${Dialog} title=${title} onClose=${onClose} wide=${wide}>
    <form onSubmit=${submit}>
      ${children}
      ${state.error && html`<p class="field-error" role="alert">${state.error}</p>`}
      <div class="dialog-foot">
        <button type="button" class="button" onClick=${onClose}>Cancel</button>
        <button type="submit" class="button primary" disabled=${state.busy}>${verb}</button>
      </div>
    </form>
  <//>`
}
