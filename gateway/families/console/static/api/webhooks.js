// Webhooks: the user's own, and for operators those that receive events of all users' files.
/** @import { Reply } from '../../types/api' */
import { ask } from './ask.js'

/** @param {boolean} all the installation's webhooks, which need the admin role */
export function webhooks(all) {
  const path = all ? 'api/admin/webhooks' : 'api/webhooks'
  return {
    /** @returns {Reply<'list_webhooks'>} */
    list: (pageToken, signal) => ask('GET', path, { query: { limit: 100, page_token: pageToken }, signal }),
    /** @returns {Reply<'get_webhook'>} */
    one: (id, signal) => ask('GET', `${path}/${id}`, { signal }),
    /** @returns {Reply<'create_webhook'>} */
    make: (body) => ask('POST', path, { body }),
    /** @returns {Reply<'update_webhook'>} */
    change: (id, body) => ask('PATCH', `${path}/${id}`, { body }),
    /** @returns {Reply<'delete_webhook'>} */
    remove: (id) => ask('DELETE', `${path}/${id}`),
    /** @returns {Reply<'rotate_webhook_secret'>} */
    rotate: (id) => ask('POST', `${path}/${id}/secret`, { body: {} }),
    /** @returns {Reply<'test_webhook'>} */
    test: (id) => ask('POST', `${path}/${id}/test`),
    /** @returns {Reply<'list_webhook_deliveries'>} */
    deliveries: (id, state, pageToken, signal) =>
      ask('GET', `${path}/${id}/deliveries`, { query: { state, limit: 50, page_token: pageToken }, signal }),
    /** @returns {Reply<'replay_webhook'>} */
    replay: (id, body) => ask('POST', `${path}/${id}/replay`, { body }),
  }
}
