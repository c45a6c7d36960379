// Finds the view for an address.
import { html } from '../render.js'
import { Empty } from '../parts/mood.js'
import { to } from '../address.js'
import { Files } from './files.js'
import { Activity } from './activity.js'
import { Costs } from './costs.js'
import { Folder } from './folder.js'
import { Health } from './health.js'
import { Projects } from './projects.js'
import { Quotas } from './quotas.js'
import { Shares } from './shares.js'
import { Trash } from './trash.js'
import { Verification } from './verification.js'
import { Webhooks } from './webhooks.js'

const Nowhere = () => html`<${Empty} icon="alert" title="There is nothing here"><p><a href=${to(['files'])}>To your files</a></p><//>`

const VIEWS = {
  files: { View: Files, title: 'Files' },
  folder: { View: Folder, title: 'Folders' },
  projects: { View: Projects, title: 'Projects' },
  shares: { View: Shares, title: 'Shares' },
  trash: { View: Trash, title: 'Trash' },
  webhooks: { View: Webhooks, title: 'Webhooks' },
  costs: { View: Costs, title: 'Usage and costs' },
  activity: { View: Activity, title: 'Activity' },
  health: { View: Health, title: 'Health', admin: true },
  verification: { View: Verification, title: 'Verification', admin: true },
  'all-webhooks': { View: Webhooks, title: 'Webhooks for all users', admin: true },
  quotas: { View: Quotas, title: 'Users and quotas', admin: true },
}

/** Returns the view and its title: `{ View, title }`. */
export function viewOf(parts, who) {
  const found = VIEWS[parts[0]]
  if (!found || (found.admin && !who.admin)) return { View: Nowhere, title: 'Nothing here' }
  return found
}

