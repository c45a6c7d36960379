// Costs of the stored files by storage class and family; for admins also those of all users.
import { allCosts } from '../api/admin.js'
import { costs, usage } from '../api/files.js'
import { useAnswer } from '../answer.js'
import { bytes, count, many } from '../format.js'
import { Failed, Loading } from '../parts/mood.js'
import { html } from '../render.js'

const money = new Intl.NumberFormat(undefined, { style: 'currency', currency: 'USD', maximumFractionDigits: 4 })
const FAMILIES = { file: 'Files', generation: 'Generations', event_media: 'Event media', profile_picture: 'Profile picture', temp: 'Temporary', path: 'Paths', project: 'Projects, all versions' }

export function Costs({ who }) {
  const used = useAnswer(usage, [])
  const mine = useAnswer(costs, [])
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Usage and costs</h1></div>
    <p class="view-intro">What you store, by storage class, and what it costs per month, estimated with the installation’s prices. The trash counts here, but not against the quota.</p>
    ${used.value && html`<div class="figures">
      <div class="figure"><span>Stored</span><strong>${bytes(used.value.used_bytes)}</strong></div>
      <div class="figure"><span>Files</span><strong>${count(used.value.file_count)}</strong></div>
      <div class="figure"><span>Quota</span><strong>${used.value.limit_bytes === null ? 'None' : bytes(used.value.limit_bytes)}</strong></div>
      <div class="figure"><span>File limit</span><strong>${used.value.limit_files === null ? 'None' : count(used.value.limit_files)}</strong></div></div>`}
    <${Lines} answer=${mine} label="Costs" />
    ${who.admin && html`<${OfAll} />`}
  </div>`
}

function OfAll() {
  return html`<h2 class="section">All users</h2><${Lines} answer=${useAnswer(allCosts, [])} label="Costs of all users" />`
}

function Lines({ answer, label }) {
  if (answer.problem) return html`<${Failed} problem=${answer.problem} again=${answer.again} />`
  if (!answer.value) return html`<${Loading} />`
  const { lines, storage_usd_per_month: stored, write_usd_per_month: written } = answer.value
  if (!lines.length) return html`<p class="hint">Nothing is stored.</p>`
  return html`<div class="table-box" tabindex="0" role="region" aria-label=${label}><table class="table"><thead><tr><th scope="col">Storage class</th><th scope="col">Family</th><th scope="col" class="number">Objects</th><th scope="col" class="number">Size</th><th scope="col" class="number">Per month</th></tr></thead>
    <tbody>${lines.map((line) => html`<tr key=${line.storage_class + line.family}><td>${line.storage_class}</td><td>${FAMILIES[line.family] ?? line.family}</td><td class="number">${count(line.objects)}</td><td class="number">${bytes(line.bytes)}</td>
      <td class="number">${line.usd_per_gb_month === null ? 'unknown price' : money.format(line.usd_per_month)}</td></tr>`)}</tbody></table></div>
    <p class="hint">${money.format(stored)} per month for storage, ${money.format(written)} for what was written in the last 30 days (${many(lines.reduce((sum, line) => sum + line.written, 0), 'object')}).</p>`
}
