// What a view says while it has nothing to show: it loads, it is empty, it has failed.
import { html } from '../render.js'
import { Icon } from './icon.js'

export const Loading = ({ what = 'Loading' }) => html`<div class="mood" role="status">
  <span class="spinner" aria-hidden="true"></span><p>${what}…</p>
</div>`

export const Empty = ({ icon = 'inbox', title, children }) => html`<div class="mood">
  <span class="mood-icon"><${Icon} name=${icon} size=${28} /></span><h2>${title}</h2>${children}
</div>`

export const Failed = ({ problem, again }) => html`<div class="mood" role="alert">
  <span class="mood-icon warn"><${Icon} name="alert" size=${28} /></span>
  <h2>That did not work</h2><p>${problem.message}</p>
  ${again && html`<button type="button" class="button" onClick=${again}><${Icon} name="refresh" size=${18} />Try again</button>`}
</div>`
