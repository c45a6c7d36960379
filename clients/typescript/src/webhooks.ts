import type { Operations } from "./schema.js";
import type { Body, Call, OperationName } from "./transport.js";

type Query<Name extends OperationName> = Operations[Name]["query"];

/** The user's webhooks: they send events of the user's files to a URL. */
export function webhooksOf(call: Call) {
  return {
    list: (query: Query<"list_webhooks"> = {}) => call("list_webhooks", { query }),
    create: (body: Body<"create_webhook">) => call("create_webhook", { body }),
    get: (id: string) => call("get_webhook", { path: { id } }),
    edit: (id: string, body: Body<"update_webhook">) => call("update_webhook", { path: { id }, body }),
    delete: (id: string) => call("delete_webhook", { path: { id } }),
    rotateSecret: (id: string, body: Body<"rotate_webhook_secret"> = {}) =>
      call("rotate_webhook_secret", { path: { id }, body }),
    test: (id: string) => call("test_webhook", { path: { id } }),
    deliveries: (id: string, query: Query<"list_webhook_deliveries"> = {}) =>
      call("list_webhook_deliveries", { path: { id }, query }),
    replay: (id: string, body: Body<"replay_webhook">) => call("replay_webhook", { path: { id }, body }),
  };
}

/** The installation's webhooks, for admins: they send events of all users' files. */
export function webhooksOfAll(call: Call) {
  return {
    list: (query: Query<"list_webhooks_of_all"> = {}) => call("list_webhooks_of_all", { query }),
    create: (body: Body<"create_webhook_of_all">) => call("create_webhook_of_all", { body }),
    get: (id: string) => call("get_webhook_of_all", { path: { id } }),
    edit: (id: string, body: Body<"update_webhook_of_all">) => call("update_webhook_of_all", { path: { id }, body }),
    delete: (id: string) => call("delete_webhook_of_all", { path: { id } }),
    rotateSecret: (id: string, body: Body<"rotate_webhook_secret_of_all"> = {}) =>
      call("rotate_webhook_secret_of_all", { path: { id }, body }),
    test: (id: string) => call("test_webhook_of_all", { path: { id } }),
    deliveries: (id: string, query: Query<"list_webhook_deliveries_of_all"> = {}) =>
      call("list_webhook_deliveries_of_all", { path: { id }, query }),
    replay: (id: string, body: Body<"replay_webhook_of_all">) => call("replay_webhook_of_all", { path: { id }, body }),
  };
}
