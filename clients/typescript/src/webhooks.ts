import type { Operations } from "./schema.js";
import type { Body, Call, CallOptions, OperationName } from "./transport.js";

type Query<Name extends OperationName> = Operations[Name]["query"];

/** The user's webhooks: they send events of the user's files to a URL. */
export function webhooksOf(call: Call) {
  return {
    list: (query: Query<"list_webhooks"> = {}, options?: CallOptions) => call("list_webhooks", { query }, options),
    create: (body: Body<"create_webhook">, options?: CallOptions) => call("create_webhook", { body }, options),
    get: (id: string, options?: CallOptions) => call("get_webhook", { path: { id } }, options),
    edit: (id: string, body: Body<"update_webhook">, options?: CallOptions) => call("update_webhook", { path: { id }, body }, options),
    delete: (id: string, options?: CallOptions) => call("delete_webhook", { path: { id } }, options),
    rotateSecret: (id: string, body: Body<"rotate_webhook_secret"> = {}, options?: CallOptions) =>
      call("rotate_webhook_secret", { path: { id }, body }, options),
    test: (id: string, options?: CallOptions) => call("test_webhook", { path: { id } }, options),
    deliveries: (id: string, query: Query<"list_webhook_deliveries"> = {}, options?: CallOptions) =>
      call("list_webhook_deliveries", { path: { id }, query }, options),
    replay: (id: string, body: Body<"replay_webhook">, options?: CallOptions) => call("replay_webhook", { path: { id }, body }, options),
  };
}

/** The installation's webhooks, for admins: they send events of all users' files. */
export function webhooksOfAll(call: Call) {
  return {
    list: (query: Query<"list_webhooks_of_all"> = {}, options?: CallOptions) => call("list_webhooks_of_all", { query }, options),
    create: (body: Body<"create_webhook_of_all">, options?: CallOptions) => call("create_webhook_of_all", { body }, options),
    get: (id: string, options?: CallOptions) => call("get_webhook_of_all", { path: { id } }, options),
    edit: (id: string, body: Body<"update_webhook_of_all">, options?: CallOptions) =>
      call("update_webhook_of_all", { path: { id }, body }, options),
    delete: (id: string, options?: CallOptions) => call("delete_webhook_of_all", { path: { id } }, options),
    rotateSecret: (id: string, body: Body<"rotate_webhook_secret_of_all"> = {}, options?: CallOptions) =>
      call("rotate_webhook_secret_of_all", { path: { id }, body }, options),
    test: (id: string, options?: CallOptions) => call("test_webhook_of_all", { path: { id } }, options),
    deliveries: (id: string, query: Query<"list_webhook_deliveries_of_all"> = {}, options?: CallOptions) =>
      call("list_webhook_deliveries_of_all", { path: { id }, query }, options),
    replay: (id: string, body: Body<"replay_webhook_of_all">, options?: CallOptions) =>
      call("replay_webhook_of_all", { path: { id }, body }, options),
  };
}
