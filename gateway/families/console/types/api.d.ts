import type { Operations } from '../../../../clients/typescript/src/schema'

/** What an operation of the OpenAPI document answers; `schema.ts` is written from that (`make typescript`). */
export type Reply<Name extends keyof Operations> = Promise<Operations[Name]['reply']>
