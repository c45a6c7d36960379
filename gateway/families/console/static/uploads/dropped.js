// Files dropped on the page, also those in dropped folders.

/** @returns {Promise<{file: File, path: string}[]>} `path` includes the dropped folders */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean) // before any await, which clears the items
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
  for (;;) { // a reader returns the entries in batches
    const some = await new Promise((done, failed) => reader.readEntries(done, failed))
    if (!some.length) return
    for (const child of some) await walk(child, `${path}/`, found)
  }
}

/** Whether the dragged data are files (and not text or a picture of this page). */
export const holdsFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files')
