// Short messages about finished actions. Screen readers read them out; they disappear by themselves.
import { observable, useObservable } from '../observable.js'
import { html } from '../render.js'
import { Icon } from './icon.js'

const SECONDS = 6
const toasts = observable([])
let made = 0

/** Shows a message. `action`: `{ label, run }`, for example to undo. */
export function say(text, { tone = 'good', action = null } = {}) {
  const toast = { id: (made += 1), text, tone, action }
  toasts.set([...toasts.get().slice(-2), toast])
  setTimeout(() => dismiss(toast.id), 1000 * (action || tone === 'bad' ? 2 * SECONDS : SECONDS))
}

/** Shows the message of a failed action. */
export const complain = (problem) => say(problem.message, { tone: 'bad' })

const dismiss = (id) => toasts.set(toasts.get().filter((toast) => toast.id !== id))

export function Toasts() {
  const shown = useObservable(toasts)
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div key=${toast.id} class=${`toast ${toast.tone}`}>
      <${Icon} name=${toast.tone === 'bad' ? 'alert' : 'check'} size=${18} /><span>${toast.text}</span>
      ${toast.action && html`<button type="button" class="link" onClick=${() => {
        dismiss(toast.id)
        toast.action.run()
      }}>${toast.action.label}</button>`}
      <button type="button" class="bare" aria-label="Dismiss" onClick=${() => dismiss(toast.id)}><${Icon} name="close" size=${16} /></button>
    </div>`)}
  </div>`
}
