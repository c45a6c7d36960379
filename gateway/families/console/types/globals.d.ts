/** Not in every browser, and so not in TypeScript's library. */
interface Window {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<FileSystemFileHandle>
}
