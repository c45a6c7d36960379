export type Node = unknown
export const Fragment: unique symbol
export function h(type: unknown, properties: object | null, ...children: Node[]): Node
export function render(node: Node, parent: Element): void
