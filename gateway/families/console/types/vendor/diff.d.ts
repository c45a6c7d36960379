interface Hunk { oldStart: number; newStart: number; lines: string[] }
declare const diff: { structuredPatch(oldName: string, newName: string, before: string, after: string, oldHeader: string, newHeader: string, options: { context: number }): { hunks: Hunk[] } }
export default diff
