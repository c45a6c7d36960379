// One project: its versions, the tree and the files of one version, and differences between two.
import { go, here, to } from '../address.js'
import { heard } from '../api/events.js'
import { archive, preview, remove, rollBack, tree, versions } from '../api/projects.js'
import { BASE } from '../address.js'
import { ago, bytes, many, time } from '../format.js'
import { Confirm, Dialog } from '../parts/dialog.js'
import { Icon } from '../parts/icon.js'
import { Failed, Loading } from '../parts/mood.js'
import { save } from '../parts/saving.js'
import { complain, say } from '../parts/toast.js'
import { html, useEffect, useState } from '../render.js'
import { Differences } from './differences.js'
import { ProjectFile } from './project_file.js'
import { ShareDialog } from './sharing.js'
import { Tree } from './tree.js'
import { useAnswer } from '../answer.js'

export function Project({ slug, query }) {
  const [saved, setSaved] = useState(0)
  useEffect(() => {
    const hear = ({ type, data }) => type === 'project_saved' && data.slug === slug && setSaved((old) => old + 1)
    heard.add(hear)
    return () => heard.delete(hear)
  }, [slug])
  const all = useAnswer((signal) => versions(slug, signal), [slug, saved])
  const newest = all.value?.[0]?.version
  const version = Number(query.get('version')) || newest
  const against = Number(query.get('against')) || 0
  const shown = useAnswer((signal) => (version ? tree(slug, version, signal) : null), [slug, version])
  const other = useAnswer((signal) => (against ? tree(slug, against, signal) : null), [slug, against])
  const path = query.get('path') ?? ''
  if (all.problem) return html`<div class="view" data-scroller><${Failed} problem=${all.problem} again=${all.again} /></div>`
  if (!all.value) return html`<div class="view" data-scroller><${Loading} /></div>`
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1><span class="crumbs"><a href=${to(['projects'])}>Projects</a><span aria-hidden="true">/</span><span>${slug}</span></span></h1>
      <span class="badge">version ${version}</span><div class="spacer"></div>
      <${Tools} slug=${slug} version=${version} newest=${newest} /></div>
    <div class="project">
      <${Versions} all=${all.value} version=${version} against=${against} />
      <section class="panel" aria-label=${against ? 'Differences' : 'Files'}>
        ${shown.problem ? html`<${Failed} problem=${shown.problem} again=${shown.again} />`
          : !shown.value || (against > 0 && !other.value) ? html`<${Loading} />`
          : against ? html`<${Differences} slug=${slug} before=${other.value} after=${shown.value} path=${path} />`
          : html`<${Tree} files=${shown.value.files} path=${path} onOpen=${(next) => go(here({ path: next }))} />`}
      </section>
      ${!against && path && shown.value && html`<${ProjectFile} key=${`${version}/${path}`} slug=${slug} version=${version} path=${path} file=${shown.value.files.find((file) => file.path === path)} />`}
    </div>
  </div>`
}

function Versions({ all, version, against }) {
  return html`<nav class="panel versions" aria-label="Versions">
    <h2>Versions</h2>
    <ol>${all.map((one) => html`<li key=${one.version}>
      <a href=${here({ version: String(one.version), against: '', path: '' })} aria-current=${one.version === version ? 'true' : undefined}>
        <span class="version-head"><strong>Version ${one.version}</strong><time title=${time(one.created_at)}>${ago(one.created_at)}</time></span>
        <span class="version-told">${one.rolled_back_to ? `Back to version ${one.rolled_back_to}` : html`<span class="plus">+${one.added}</span> <span class="tilde">~${one.changed}</span> <span class="minus">−${one.removed}</span>`}${' · '}${many(one.files_count, 'file')}, ${bytes(one.total_bytes)}</span></a>
      ${one.version !== version && html`<a class="link compare" href=${here({ version: String(version), against: String(one.version), path: '' })} aria-current=${one.version === against ? 'true' : undefined}
        aria-label=${`Compare version ${version} with version ${one.version}`}><${Icon} name="diff" size=${18} /></a>`}
    </li>`)}</ol>
  </nav>`
}

function Tools({ slug, version, newest }) {
  const [dialog, setDialog] = useState('')
  const [frame, setFrame] = useState('')
  const close = () => setDialog('')
  const zip = () => archive(slug, version).then((answer) => save(answer, `${slug}-v${version}.zip`)).catch(complain)
  const look = () => preview(slug, version).then(({ preview_url: url }) => {
    setFrame(new URL(new URL(url, BASE).pathname, window.location.origin).href)
    setDialog('preview')
  }, complain)
  const back = async () => {
    const { project } = await rollBack(slug, version, newest)
    say(`Version ${version} was restored as version ${project.version}.`)
    go(here({ version: '', against: '', path: '' }))
  }
  const discard = async () => {
    await remove(slug)
    say(`Project ${slug} was deleted.`)
    go(to(['projects']))
  }
  const button = (icon, label, run) => html`<button type="button" class="button small" onClick=${run}><${Icon} name=${icon} size=${18} />${label}</button>`
  return html`${version !== newest && button('restore', 'Roll back to this version', () => setDialog('back'))}
    ${button('eye', 'Preview', look)}${button('share', 'Share', () => setDialog('share'))}${button('download', 'ZIP', zip)}${button('trash', 'Delete', () => setDialog('delete'))}
    ${dialog === 'back' && html`<${Confirm} title=${`Roll back to version ${version}?`} danger=${false} verb="Roll back" run=${back} onClose=${close}
      text=${`The files of version ${version} become the newest version. Nothing is lost: all versions in between are kept.`} />`}
    ${dialog === 'delete' && html`<${Confirm} title=${`Delete ${slug}?`} verb="Delete for good" run=${discard} onClose=${close}
      text="This deletes the project with all its versions. There is no trash for projects." />`}
    ${dialog === 'share' && html`<${ShareDialog} what=${{ project: slug, version }} name=${slug} onClose=${close} />`}
    ${dialog === 'preview' && html`<${Dialog} title=${`${slug}, version ${version}`} onClose=${close} wide>
      <iframe class="frame" src=${frame} title="Preview of the front end" sandbox="allow-scripts"></iframe><//>`}`
}
