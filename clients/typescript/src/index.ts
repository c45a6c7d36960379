export { Strongroom } from "./client.js";
export { ConnectionError, StrongroomError } from "./errors.js";
export type { WatchOptions } from "./events.js";
export { CODES, ROUTES } from "./schema.js";
export type * from "./schema.js";
export { Transport } from "./transport.js";
export type { Asked, Body, Call, CallOptions, ClientOptions, OperationName, Reply, Token } from "./transport.js";
export { ResumableUpload } from "./uploads.js";
export type { TusOptions, TusTarget, UploadOptions } from "./uploads.js";
