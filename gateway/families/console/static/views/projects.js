// The list of the user's projects, and the view of one.
import { to } from '../address.js'
import { heard } from '../api/events.js'
import { list } from '../api/projects.js'
import { ago, many } from '../format.js'
import { Icon } from '../parts/icon.js'
import { Empty, Failed, Loading } from '../parts/mood.js'
import { usePages } from '../pages.js'
import { html, useEffect } from '../render.js'
import { Project } from './project.js'

export const Projects = ({ address }) => (address.parts[1] ? html`<${Project} slug=${address.parts[1]} query=${address.query} />` : html`<${All} />`)

function All() {
  const load = async (pageToken, signal) => {
    const page = await list(pageToken, signal)
    return { items: page.projects, next: page.next_page_token }
  }
  const found = usePages(load, [])
  const { reload } = found
  useEffect(() => {
    const hear = ({ type }) => type.startsWith('project_') && reload()
    heard.add(hear)
    return () => heard.delete(hear)
  }, [reload])
  return html`<div class="view" data-scroller tabindex="-1">
    <div class="view-head"><h1>Projects</h1></div>
    ${found.state === 'loading' ? html`<${Loading} />`
      : found.state === 'failed' && !found.items.length ? html`<${Failed} problem=${found.problem} again=${reload} />`
      : !found.items.length ? html`<${Empty} icon="project" title="No projects yet"><p>A project is a tree of files that is saved as a whole, with all its versions.
          Save one by <code>strongroom project save</code> or the API.</p><//>`
      : html`<ul class="cards">${found.items.map((project) => html`<li key=${project.slug}><a class="card" href=${to(['projects', project.slug])}>
          <span class="card-head"><${Icon} name="project" /><strong>${project.name}</strong><span class="badge">v${project.version}</span></span>
          <span class="card-told">${many(project.file_count, 'file')} · saved ${ago(project.updated_at)}</span>
          <span class="tags">${project.tech_stack.slice(0, 5).map((name) => html`<span class="badge" key=${name}>${name}</span>`)}</span>
        </a></li>`)}</ul>
        ${found.next && html`<p><button type="button" class="button" onClick=${found.more}>Show more</button></p>`}`}
  </div>`
}
