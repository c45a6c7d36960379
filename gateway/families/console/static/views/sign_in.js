import { useObservable } from '../observable.js'
import { Icon } from '../parts/icon.js'
import { html, useState } from '../render.js'
import { farewell, signIn } from '../session.js'

/** The sign-in page: a field for the token, and the reason for signing in again. */
export function SignIn() {
  const why = useObservable(farewell)
  const [state, setState] = useState({ busy: false, error: '' })
  const submit = async (event) => {
    event.preventDefault()
    setState({ busy: true, error: '' })
    setState({ busy: false, error: await signIn(new FormData(event.target).get('token')) })
  }
  return html`<main class="door">
    <form class="door-card" onSubmit=${submit}>
      <div class="brand"><span class="brand-mark" aria-hidden="true"></span><span>Strongroom</span></div>
      <h1>Sign in</h1>
      ${why && html`<p class="notice" role="status"><${Icon} name="clock" size=${18} />${why}</p>`}
      <label class="field"><span>Access token</span>
        <textarea name="token" rows="4" spellcheck="false" autocomplete="off" autocapitalize="off" placeholder="eyJ…"
          aria-describedby="token-help" aria-invalid=${Boolean(state.error)}></textarea></label>
      ${state.error && html`<p class="field-error" role="alert">${state.error}</p>`}
      <button type="submit" class="button primary block" disabled=${state.busy}>Sign in</button>
      <p class="hint" id="token-help">The token of your application or of your operator. It stays in this tab and is forgotten when the tab
        closes. On your own machine: <code>strongroom token --sub you</code></p>
    </form>
  </main>`
}
