import { useObservable } from './observable.js'
import { html } from './render.js'
import { session } from './session.js'
import { Shell } from './views/shell.js'
import { SignIn } from './views/sign_in.js'

/** The door, or what is behind it; a shell of its own for each user, so that nothing of one is left to the next. */
export function App() {
  const now = useObservable(session)
  return now ? html`<${Shell} key=${now.token} who=${now} />` : html`<${SignIn} />`
}
