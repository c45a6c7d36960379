// What a view says while it has nothing to show: it loads, it is empty, it has failed.
import { html, useEffect } from '../render.js'
import { Icon } from './icon.js'

export const Loading = ({ what = 'Loading' }) => html`<div class="mood" role="status">
  <span class="spinner" aria-hidden="true"></span><p>${what}…</p>
</div>`

export const Empty = ({ icon = 'inbox', title, children }) => html`<div class="mood">
  <span class="mood-icon"><${Icon} name=${icon} size=${28} /></span><h2>${title}</h2>${children}
</div>`

/** `again`: tries it once more; by itself when the connection for lack of which it failed is back. */
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
