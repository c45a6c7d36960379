// Files out of what is dropped on the page, folders included.

/** @returns {Promise<{file: File, path: string}[]>} `path` with the folders that were dropped */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean) // before any await: then they are gone
  if (!entries.length) return [...transfer.files].map((file) => ({ file, path: file.name }))
  const found = []
  for (const entry of entries) await walk(entry, '', found)
  return found
}

async function walk(entry, folder, found) {
  const path = folder + entry.name
  if (entry.isFile) {
    found.push({ path, file: await new Promise((done, failed) => entry.file(done, failed)) })
    return
  }
  const reader = entry.createReader()
  for (;;) { // a reader gives some of them at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed))
    if (!some.length) return
    for (const child of some) await walk(child, `${path}/`, found)
  }
}

/** Whether something that is dragged holds files (and not a text or a picture of this page). */
export const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files')
