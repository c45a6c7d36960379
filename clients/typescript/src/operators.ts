import { watchAll } from "./events.js";
import type { WatchAllOptions } from "./events.js";
import type { Notification, Operations } from "./schema.js";
import type { Body, OperationName, Transport } from "./transport.js";
import { webhooksOfAll } from "./webhooks.js";

type Query<Name extends OperationName> = Operations[Name]["query"];

/** Operations for admins. Other users get PERMISSION_DENIED. */
export function operatorsOf(transport: Transport) {
  const { call } = transport;
  return {
    usage: (query: Query<"list_usage"> = {}) => call("list_usage", { query }),
    costs: () => call("get_all_costs", {}),
    setQuota: (user: string, body: Body<"set_quota">) => call("set_quota", { path: { user }, body }),
    infected: (query: Query<"list_infected"> = {}) => call("list_infected", { query }),
    cleaner: () => call("get_cleaner", {}),
    acts: (query: Query<"list_acts"> = {}) => call("list_acts", { query }),
    verification: {
      last: () => call("get_verification", {}),
      start: (body: Body<"start_verification"> = {}) => call("start_verification", { body }),
      findings: (query: Query<"list_findings"> = {}) => call("list_findings", { query }),
    },
    webhooks: webhooksOfAll(call),
    /** Events of all users' files as they happen; reconnects automatically. */
    events: (options: WatchAllOptions = {}): AsyncGenerator<Notification> => watchAll(transport, options),
  };
}
