// The list of this page's uploads, in the corner.
import { bytes, duration, many } from '../format.js'
import { useObservable } from '../observable.js'
import { Icon } from '../parts/icon.js'
import { Windowed } from '../parts/windowed.js'
import { html, useRef, useState } from '../render.js'
import { cancel, clear, pause, pauseAll, resume, resumeAll, uploads } from './queue.js'

const ROW = 60

export function Tray() {
  const jobs = useObservable(uploads)
  const [open, setOpen] = useState(true)
  const rate = useRate(jobs)
  if (!jobs.length) return null
  const of = (...states) => jobs.filter(({ state }) => states.includes(state)).length
  const size = jobs.reduce((sum, job) => sum + job.size, 0)
  const sent = jobs.reduce((sum, job) => sum + job.sent, 0)
  const going = of('sending', 'waiting')
  const failed = of('failed')
  const title = going ? `Uploading ${many(going, 'file')}` : failed ? `${many(failed, 'upload')} failed`
    : of('paused') ? `${many(of('paused'), 'upload')} paused` : `${many(of('done'), 'file')} uploaded`
  return html`<section class=${open ? 'tray' : 'tray folded'} aria-label="Uploads">
    <div class="tray-head">
      <div class="tray-title"><strong role="status">${title}</strong>
        ${going > 0 && html`<span>${bytes(sent)} of ${bytes(size)}${rate > 0 && ` · ${duration((size - sent) / rate)} left`}</span>`}</div>
      ${going > 0 && html`<button type="button" class="bare" aria-label="Pause all" onClick=${pauseAll}><${Icon} name="pause" /></button>`}
      ${(going ? failed : of('paused', 'failed')) > 0 && html`<button type="button" class="bare" aria-label="Resume all" onClick=${resumeAll}><${Icon} name="play" /></button>`}
      <button type="button" class="bare" aria-expanded=${open} aria-label=${open ? 'Collapse the list' : 'Show the list'}
        onClick=${() => setOpen(!open)}><${Icon} name=${open ? 'minus' : 'list'} /></button>
      ${!going && html`<button type="button" class="bare" aria-label="Clear what is done" onClick=${clear}><${Icon} name="close" /></button>`}
    </div>
    <progress class="tray-progress" max=${size || 1} value=${sent} aria-label="All uploads"></progress>
    ${open && html`<div class="tray-list" data-scroller>
      <${Windowed} items=${jobs} label="Uploads" keyOf=${(job) => job.id} rowHeight=${ROW} draw=${(job) => html`<${Job} job=${job} />`} />
    </div>`}
  </section>`
}

const STATES = { waiting: 'waits for its turn', paused: 'paused', done: 'stored' }

function Job({ job }) {
  const told = job.state === 'failed' ? job.error
    : job.state === 'sending' && job.trouble ? job.trouble
    : job.state === 'sending' ? `${bytes(job.sent)} of ${bytes(job.size)}` : `${STATES[job.state]} · ${bytes(job.size)}`
  const button = (icon, verb, act) => html`<button type="button" class="bare" aria-label=${`${verb} ${job.name}`} onClick=${() => act(job)}><${Icon} name=${icon} size=${18} /></button>`
  return html`<div class=${`job ${job.state}`}>
    <div class="job-text"><span class="job-name" title=${job.name}>${job.name}</span><span class="job-told" title=${told}>${told}</span></div>
    ${(job.state === 'sending' || job.state === 'waiting') && button('pause', 'Pause', pause)}
    ${job.state === 'paused' && button('play', 'Resume', resume)}
    ${job.state === 'failed' && button('refresh', 'Try again', resume)}
    ${job.state === 'done' ? html`<span class="job-done"><${Icon} name="check" size=${18} /></span>` : button('close', 'Cancel', cancel)}
    ${job.state !== 'done' && job.state !== 'failed' && html`<progress max=${job.size || 1} value=${job.sent} aria-label=${job.name}></progress>`}
  </div>`
}

/** Bytes per second over the last seconds. */
function useRate(jobs) {
  const past = useRef([])
  const sent = jobs.reduce((sum, job) => sum + job.sent, 0)
  const now = performance.now()
  past.current = [...past.current.filter(({ at }) => now - at < 5000), { at: now, sent }]
  const [first] = past.current
  return now - first.at < 500 ? 0 : (1000 * (sent - first.sent)) / (now - first.at)
}
