// The last verification: whether every row has its object, and every object its row.
import { findings, verification, verify } from '../api/admin.js'
import { ago, bytes, count, many, time } from '../format.js'
import { FormDialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { follow } from '../parts/saving.js'
import { say } from '../parts/toast.js'
import { useAnswer } from '../answer.js'
import { html, useEffect, useState } from '../render.js'

const DEPTHS = { listings: 'Names, sizes and tags: quick', heads: 'Also each object’s own metadata', bytes: 'Also each object’s bytes, read back: slow' }

export function Verification() {
  const last = useAnswer(verification, [])
  const [asking, setAsking] = useState(false)
  const run = last.value?.verification
  const running = run?.state === 'running'
  useEffect(() => {
    if (!running) return undefined
    const timer = setTimeout(last.again, 1500)
    return () => clearTimeout(timer)
  }, [last.value])
  const begin = async (form) => {
    const { begun } = await verify(form.get('depth'))
    say(begun ? 'The verification has started.' : 'A verification is already running.')
    setAsking(false)
    last.again()
  }
  const report = () => {
    const url = URL.createObjectURL(new Blob([JSON.stringify(last.value, null, 2)], { type: 'application/json' }))
    follow(url, `verification-${run.id}.json`)
    setTimeout(() => URL.revokeObjectURL(url), 10000)
  }
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Verification</h1><div class="spacer"></div>
      ${last.value?.report && html`<button type="button" class="button" onClick=${report}><${Icon} name="download" size=${18} />Signed report</button>`}
      <button type="button" class="button primary" disabled=${running} onClick=${() => setAsking(true)}><${Icon} name="shield" size=${18} />Verify now</button></div>
    <p class="view-intro">Compares every database row with its object, and every object with its row. It only reports.</p>
    ${last.problem ? html`<${Failed} problem=${last.problem} again=${last.again} />` : !last.value ? html`<${Loading} />`
      : !run ? html`<${Empty} icon="shield" title="No verification has run yet"><p>A run takes seconds for thousands of files.</p><//>`
      : html`<${Run} run=${run} />${run.state !== 'running' && run.findings.length > 0 && html`<${Findings} key=${run.id} />`}`}
    ${asking && html`<${FormDialog} title="Verify now" verb="Start" save=${begin} onClose=${() => setAsking(false)}>
      <label class="field"><span>Depth</span><select name="depth">${Object.entries(DEPTHS).map(([value, label]) => html`<option key=${value} value=${value} selected=${value === 'heads'}>${label}</option>`)}</select></label><//>`}
  </div>`
}

function Run({ run }) {
  const found = run.findings.reduce((sum, one) => sum + one.count, 0)
  const verdict = run.state === 'running' ? 'Running' : run.state === 'failed' ? 'Not finished' : found ? many(found, 'finding') : 'No differences'
  const tone = run.state === 'finished' && !found ? 'good' : run.state === 'running' ? '' : 'bad'
  return html`<ul class="lines"><li class="line-item">
      <span class=${`line-icon ${tone}`}><${Icon} name=${tone === 'good' ? 'check' : tone === 'bad' ? 'alert' : 'clock'} /></span>
      <div class="line-text"><strong role="status">${verdict}</strong><span>begun <span title=${time(run.begun_at)}>${ago(run.begun_at)}</span> · ${run.depth}${run.failure && ` · ${run.failure}`}</span></div></li></ul>
    ${run.state === 'running' && html`<progress max=${run.shards || 1} value=${run.shards_done} aria-label="Verification"></progress>`}
    <div class="figures">
      ${[['Rows', count(run.rows)], ['Objects', count(run.objects)], ['Files', count(run.files)], ['Bytes', bytes(run.size)]].map(([label, value]) => html`<div class="figure" key=${label}><span>${label}</span><strong>${value}</strong></div>`)}
    </div>`
}

function Findings() {
  const page = useAnswer((signal) => findings(0, signal), [])
  if (page.problem) return html`<${Failed} problem=${page.problem} again=${page.again} />`
  if (!page.value) return html`<${Loading} />`
  return html`<h2 class="section">Findings</h2><div class="table-box" tabindex="0" role="region" aria-label="Findings"><table class="table">
    <thead><tr><th scope="col">What</th><th scope="col">Owner</th><th scope="col">Key or row</th><th scope="col" class="number">Size</th></tr></thead>
    <tbody>${page.value.findings.map((one) => html`<tr key=${one.number}><td>${one.kind.replaceAll('_', ' ')}</td><td>${one.user_id ?? '–'}</td><td><code>${one.key ?? one.row ?? '–'}</code></td><td class="number">${bytes(one.size)}</td></tr>`)}</tbody></table></div>
    ${page.value.next_after && html`<p class="hint">The first ${page.value.findings.length}. All of them: <code>strongroom verify --run last</code></p>`}`
}
