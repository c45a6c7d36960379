import { watchAll } from "./events.js";
import type { WatchAllOptions } from "./events.js";
import type { Notification, Operations } from "./schema.js";
import type { Body, CallOptions, OperationName, Transport } from "./transport.js";
import { webhooksOfAll } from "./webhooks.js";

type Query<Name extends OperationName> = Operations[Name]["query"];

/** Operations for admins. Other users get PERMISSION_DENIED. */
export function operatorsOf(transport: Transport) {
  const { call } = transport;
  return {
    usage: (query: Query<"list_usage"> = {}, options?: CallOptions) => call("list_usage", { query }, options),
    costs: (options?: CallOptions) => call("get_all_costs", {}, options),
    setQuota: (user: string, body: Body<"set_quota">, options?: CallOptions) => call("set_quota", { path: { user }, body }, options),
    infected: (query: Query<"list_infected"> = {}, options?: CallOptions) => call("list_infected", { query }, options),
    cleaner: (options?: CallOptions) => call("get_cleaner", {}, options),
    acts: (query: Query<"list_acts"> = {}, options?: CallOptions) => call("list_acts", { query }, options),
    verification: {
      last: (options?: CallOptions) => call("get_verification", {}, options),
      start: (body: Body<"start_verification"> = {}, options?: CallOptions) => call("start_verification", { body }, options),
      findings: (query: Query<"list_findings"> = {}, options?: CallOptions) => call("list_findings", { query }, options),
    },
    webhooks: webhooksOfAll(call),
    /** Events of all users' files as they happen; reconnects automatically. */
    events: (options: WatchAllOptions = {}): AsyncGenerator<Notification> => watchAll(transport, options),
  };
}
