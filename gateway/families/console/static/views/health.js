// Health of the installation: its checks, the cleaner's work, and the acts of admins.
import { acts, cleaner, infected, readiness } from '../api/admin.js'
import { ago, bytes, count, plain, time } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Failed, Loading } from '../parts/mood.js'
import { useAnswer } from '../answer.js'
import { html, useEffect } from '../render.js'

const EVERY = 15000
const NAMES = {
  storage: 'Storage service', metadata: 'Metadata service', postgres: 'Postgres', s3: 'Object store', versioning: 'Bucket versioning',
  internal: 'Trust between services', cleaner: 'Cleaner', project_keys: 'Project keys', upload_sweep: 'Expired uploads',
  event_listen: 'Events, receiving', event_notify: 'Events, publishing',
}
const STATES = { pending: 'Uploads in progress', completing: 'Uploads being completed', deleting: 'Deleted, being removed', aborting: 'Aborted, being removed', gone: 'Tombstones', committed: 'Stored' }

export function Health() {
  const checks = useAnswer(readiness, [])
  const work = useAnswer(cleaner, [])
  const done = useAnswer(acts, [])
  const found = useAnswer(infected, [])
  useEffect(() => {
    const timer = setInterval(() => document.hidden || (checks.again(), work.again()), EVERY)
    return () => clearInterval(timer)
  }, [])
  const bad = Object.values(checks.value ?? {}).filter((state) => state !== 'ok').length
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Health</h1>${checks.value && html`<span class=${`badge ${bad ? 'bad' : 'good'}`} role="status">${bad ? `${bad} unhealthy` : 'All healthy'}</span>`}</div>
    ${checks.problem ? html`<${Failed} problem=${checks.problem} again=${checks.again} />` : !checks.value ? html`<${Loading} />`
      : html`<ul class="checks">${Object.entries(checks.value).map(([name, state]) => html`<li key=${name} class="check">
        <span class=${`line-icon ${state === 'ok' ? 'good' : 'bad'}`}><${Icon} name=${state === 'ok' ? 'check' : 'alert'} size=${18} /></span>
        <span class="line-text"><strong>${NAMES[name] ?? name}</strong><span>${state === 'ok' ? 'Answers' : state}</span></span></li>`)}</ul>`}
    <h2 class="section">Cleaner</h2>
    ${work.problem ? html`<${Failed} problem=${work.problem} again=${work.again} />` : !work.value ? html`<${Loading} />` : html`<${Cleaner} work=${work.value} />`}
    <h2 class="section">Malware in stored files</h2>
    ${found.problem ? html`<${Failed} problem=${found.problem} again=${found.again} />` : !found.value ? html`<${Loading} />` : html`<${Infected} contents=${found.value.contents} />`}
    <h2 class="section">Audit log</h2>
    ${done.problem ? html`<${Failed} problem=${done.problem} again=${done.again} />` : !done.value ? html`<${Loading} />`
      : !done.value.acts.length ? html`<p class="hint">Nothing yet.</p>`
      : html`<div class="table-box" tabindex="0" role="region" aria-label="Acts"><table class="table"><thead><tr><th scope="col">Act</th><th scope="col">By</th><th scope="col">About</th><th scope="col">Outcome</th><th scope="col">When</th></tr></thead>
        <tbody>${done.value.acts.map((act) => html`<tr key=${act.id}><td>${act.act.replaceAll('_', ' ')}</td><td>${act.actor ?? 'the installation'}</td><td>${act.user_id ?? '–'}</td><td>${act.outcome}</td><td title=${time(act.at)}>${ago(act.at)}</td></tr>`)}</tbody></table></div>`}
  </div>`
}

function Infected({ contents }) {
  if (!contents.length) return html`<p class="hint">The scanner has found none.</p>`
  return html`<div class="table-box" tabindex="0" role="region" aria-label="Infected files"><table class="table"><thead><tr><th scope="col">Name</th><th scope="col">Owner</th><th scope="col">Found</th><th scope="col" class="number">Size</th><th scope="col">When</th></tr></thead>
    <tbody>${contents.map((one) => html`<tr key=${one.key}><td title=${one.key}>${plain(one.filename || one.key)}</td><td>${one.user_id}</td><td><span class="badge bad">${one.signature}</span></td><td class="number">${bytes(one.size)}</td><td title=${time(one.found_at)}>${ago(one.found_at)}</td></tr>`)}</tbody></table></div>`
}

function Cleaner({ work }) {
  const rows = work.backlog.filter(({ count: number }) => number > 0)
  return html`${!rows.length && !work.failures.length ? html`<p class="hint">Nothing to do. Last asked for work: ${work.replicas.map(({ seen_at: seen }) => ago(seen)).join(', ') || 'never'}.</p>`
    : html`<div class="table-box" tabindex="0" role="region" aria-label="Cleaner backlog"><table class="table"><thead><tr><th scope="col">State</th><th scope="col" class="number">Count</th><th scope="col" class="number">Size</th><th scope="col" class="number">Due</th><th scope="col" class="number">Failing</th></tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.state}><td>${STATES[row.state]}</td><td class="number">${count(row.count)}</td><td class="number">${bytes(row.size)}</td><td class="number">${count(row.due)}</td>
        <td class="number">${row.failing ? html`<span class="badge bad">${count(row.failing)}</span>` : '0'}</td></tr>`)}</tbody></table></div>`}
    ${work.failures.map((one) => html`<p key=${one.failure} class="field-error">${count(one.count)} since ${time(one.since)}, tried ${one.most_tries} times: ${one.failure}</p>`)}`
}
