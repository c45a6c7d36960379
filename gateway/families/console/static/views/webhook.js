// One webhook: its state, its deliveries, and sending them again.
import { go } from '../address.js'
import { ago, count, many, time } from '../format.js'
import { Confirm } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { complain, say } from '../parts/toast.js'
import { useAnswer } from '../answer.js'
import { usePages } from '../pages.js'
import { html, useEffect, useState } from '../render.js'
import { eventWords } from './activity_words.js'
import { SecretDialog } from './webhook_secret.js'

const CAUSES = { failing: 'Disabled: no delivery has succeeded for days', gone: 'Disabled: the target answered 410 Gone', secret_unreadable: 'Disabled: its secret can’t be read; create a new one' }
const TOLD = { pending: ['', 'Waiting'], delivered: ['good', 'Delivered'], dead: ['bad', 'Dead letter'] }
const FILTERS = { '': 'All', pending: 'Waiting', delivered: 'Delivered', dead: 'Dead letters' }

export function Webhook({ id, api, back }) {
  const found = useAnswer((signal) => api.one(id, signal), [id])
  const [dialog, setDialog] = useState('')
  const [secret, setSecret] = useState('')
  const [sent, setSent] = useState(0)
  const webhook = found.value
  const again = () => { // reload later, because a delivery takes some time
    setTimeout(() => { found.again(); setSent((number) => number + 1) }, 700)
  }
  const run = (act, words) => act.then((answer) => { say(words(answer)); found.again(); again() }, complain)
  const pause = () => run(api.change(id, { paused: webhook.state === 'active' }), ({ state }) => (state === 'active' ? 'The webhook is active again.' : 'The webhook is paused; events are queued.'))
  const replay = (body) => run(api.replay(id, body), ({ replayed }) => `${many(replayed, 'delivery', 'deliveries')} will be sent again.`)
  const remove = async () => {
    await api.remove(id)
    say('The webhook was deleted.')
    go(back)
  }
  const button = (icon, label, act) => html`<button type="button" class="button" onClick=${act}><${Icon} name=${icon} size=${18} />${label}</button>`
  if (found.problem && !webhook) return html`<div class="view"><${Failed} problem=${found.problem} again=${found.again} /></div>`
  if (!webhook) return html`<div class="view"><${Loading} /></div>`
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>${webhook.description || 'Webhook'}</h1><div class="spacer"></div>
      ${button('play', 'Send a test', () => run(api.test(id), () => 'A test event was sent.'))}
      ${button(webhook.state === 'active' ? 'pause' : 'play', webhook.state === 'active' ? 'Pause' : 'Resume', pause)}
      ${button('refresh', 'New secret', () => setDialog('rotate'))}${button('trash', 'Delete', () => setDialog('delete'))}</div>
    <p class="view-intro"><code>${webhook.url}</code></p>
    <${Health} webhook=${webhook} />
    <${Deliveries} sent=${sent} id=${id} api=${api} dead=${webhook.dead} replay=${replay} />
    ${dialog === 'rotate' && html`<${Confirm} title="Create a new secret?" text="The old one also signs for another day, so that targets can switch over." verb="Create" danger=${false}
      run=${() => api.rotate(id).then((made) => setSecret(made.secret))} onClose=${() => setDialog('')} />`}
    ${dialog === 'delete' && html`<${Confirm} title="Delete this webhook?" text="What waits for it is not sent any more." verb="Delete" run=${remove} onClose=${() => setDialog('')} />`}
    ${secret && html`<${SecretDialog} secret=${secret} onClose=${() => setSecret('')} />`}
  </div>`
}

function Health({ webhook }) {
  const figures = [['Delivered', webhook.delivered], ['Waiting', webhook.pending], ['Dead letters', webhook.dead]]
  return html`${webhook.state === 'disabled' && html`<p class="notice" role="status"><${Icon} name="alert" size=${18} />${CAUSES[webhook.cause] ?? 'Off'}</p>`}
    ${webhook.lost_from && html`<p class="notice" role="status"><${Icon} name="alert" size=${18} />Events from ${time(webhook.lost_from)} to ${time(webhook.lost_until)} were not kept for it: read the lists.</p>`}
    <div class="figures">${figures.map(([label, value]) => html`<div class="figure" key=${label}><span>${label}</span><strong>${count(value)}</strong></div>`)}</div>
    ${webhook.last_failure && html`<p class="hint">Last failure <span title=${time(webhook.last_failure_at)}>${ago(webhook.last_failure_at)}</span>: ${webhook.last_failure}</p>`}`
}

function Deliveries({ id, api, sent, dead, replay }) {
  const [state, setState] = useState('')
  const found = usePages(async (pageToken, signal) => {
    const page = await api.deliveries(id, state, pageToken, signal)
    return { items: page.deliveries, next: page.next_page_token }
  }, [id, state, sent])
  const waiting = found.items.some((one) => one.state === 'pending')
  useEffect(() => {
    if (!waiting) return undefined
    const timer = setTimeout(found.reload, 3000)
    return () => clearTimeout(timer)
  }, [found.items])
  return html`<div class="view-head"><h2 class="section">Deliveries</h2><div class="spacer"></div>
      <div class="segmented" role="group" aria-label="Filter deliveries">${Object.entries(FILTERS).map(([value, label]) => html`<button key=${value} type="button" aria-pressed=${state === value} onClick=${() => setState(value)}>${label}</button>`)}</div>
      ${dead > 0 && html`<button type="button" class="button" onClick=${() => replay({ dead: true })}><${Icon} name="restore" size=${18} />Resend all dead letters</button>`}</div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${found.reload} />`
      : !found.items.length ? html`<${Empty} icon="hook" title="No deliveries yet"><p>Events from now on are sent to this webhook. Send a test to check that the target answers.</p><//>`
      : html`<ul class="lines">${found.items.map((one) => html`<${Delivery} key=${one.id} delivery=${one} replay=${replay} />`)}</ul>
        ${found.next && html`<p><button type="button" class="button" onClick=${found.more}>Show more</button></p>`}`}`
}

function Delivery({ delivery: { id, state, tries, next_try_at: next, status, failure, event, user_id: user }, replay }) {
  const [tone, word] = TOLD[state]
  return html`<li class="line-item"><div class="line-text"><strong>${event.type === 'webhook_ping' ? 'A test' : eventWords(event)}</strong>
      <span>${user && `${user} · `}<time title=${time(event.created_at)}>${ago(event.created_at)}</time>
        ${failure && ` · ${failure}`}${!failure && status && ` · answered ${status}`}${tries > 0 && ` · ${many(tries, 'try', 'tries')}`}${next && state === 'pending' && tries > 0 && ` · again ${ago(next)}`}</span></div>
    <span class=${`badge ${tone}`}>${word}</span>
    ${state === 'pending' ? html`<span class="line-space"></span>` : html`<button type="button" class="button small" onClick=${() => replay({ delivery_id: id })}>Resend</button>`}</li>`
}
