interface Answer { getStatus(): number; getBody(): string }
export interface TusError extends Error { originalResponse?: Answer | null }
declare class Upload {
  constructor(file: File, options: object)
  url: string | null
  options: { headers: Record<string, string> }
  start(): void
  abort(terminate?: boolean): Promise<void>
  findPreviousUploads(): Promise<object[]>
  resumeFromPreviousUpload(earlier: object): void
}
declare const tus: { Upload: typeof Upload }
export default tus
