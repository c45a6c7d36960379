type Made = (strings: TemplateStringsArray, ...values: any[]) => unknown
declare const htm: { bind(h: unknown): Made }
export default htm
