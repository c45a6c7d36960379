// States of a view without content: loading, empty, failed.
import { html, useEffect } from '../render.js'
import { Icon } from './icon.js'

export const Loading = ({ what = 'Loading' }) => html`<div class="mood" role="status">
  <span class="spinner" aria-hidden="true"></span><p>${what}…</p>
</div>`

export const Empty = ({ icon = 'inbox', title, children }) => html`<div class="mood">
  <span class="mood-icon"><${Icon} name=${icon} size=${28} /></span><h2>${title}</h2>${children}
</div>`

/** `again`: repeats the request. After a failure without an answer it is also called when the browser is online again. */
export function Failed({ problem, again }) {
  useEffect(() => {
    if (!again || problem.status !== 0) return undefined
    const retry = () => again()
    window.addEventListener('online', retry)
    return () => window.removeEventListener('online', retry)
  }, [problem, again])
  return html`<div class="mood" role="alert">
    <span class="mood-icon warn"><${Icon} name="alert" size=${28} /></span>
    <h2>Something went wrong</h2><p>${problem.message}</p>
    ${again && html`<button type="button" class="button" onClick=${again}><${Icon} name="refresh" size=${18} />Try again</button>`}
  </div>`
}
