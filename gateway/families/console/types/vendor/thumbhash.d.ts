export function thumbHashToRGBA(hash: Uint8Array): { w: number; h: number; rgba: Uint8Array }
