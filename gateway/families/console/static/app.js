import { useObservable } from './observable.js'
import { html } from './render.js'
import { session } from './session.js'
import { Shell } from './views/shell.js'
import { SignIn } from './views/sign_in.js'

/** The sign-in page, or the console. Each sign-in has a new shell, so that no state of one user reaches the next. */
export function App() {
  const now = useObservable(session)
  return now ? html`<${Shell} key=${now.token} who=${now} />` : html`<${SignIn} />`
}
