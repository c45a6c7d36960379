// Webhooks: the caller's own, and for operators those that hear of everybody's files.
import { ask } from './ask.js'

/** @param {boolean} all those of the installation, with the admin role only */
export function webhooks(all) {
  const path = all ? 'api/admin/webhooks' : 'api/webhooks'
  return {
    list: (pageToken, signal) => ask('GET', path, { query: { limit: 100, page_token: pageToken }, signal }),
    one: (id, signal) => ask('GET', `${path}/${id}`, { signal }),
    make: (body) => ask('POST', path, { body }),
    change: (id, body) => ask('PATCH', `${path}/${id}`, { body }),
    remove: (id) => ask('DELETE', `${path}/${id}`),
    rotate: (id) => ask('POST', `${path}/${id}/secret`, { body: {} }),
    test: (id) => ask('POST', `${path}/${id}/test`),
    deliveries: (id, state, pageToken, signal) =>
      ask('GET', `${path}/${id}/deliveries`, { query: { state, limit: 50, page_token: pageToken }, signal }),
    replay: (id, body) => ask('POST', `${path}/${id}/replay`, { body }),
  }
}
