import { App } from './app.js'
import { html, render } from './render.js'
import { begin } from './session.js'

begin()
render(html`<${App} />`, document.querySelector('#app'))
