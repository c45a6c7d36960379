// Bytes that need the bearer token can't be a plain link: they are read here and handed to the browser.

/** Save an answer's bytes; where the browser can write a file piece by piece, they are never in memory as a whole. */
export async function save(answer, name) {
  if (window.showSaveFilePicker) {
    try {
      const handle = await window.showSaveFilePicker({ suggestedName: name })
      await answer.body.pipeTo(await handle.createWritable())
      return
    } catch (error) {
      if (error.name === 'AbortError') {
        await answer.body?.cancel().catch(() => undefined) // nobody wants it any more
        return
      }
      if (error.name !== 'SecurityError' && error.name !== 'NotAllowedError') throw error
    }
  }
  const url = URL.createObjectURL(await answer.blob())
  follow(url, name)
  setTimeout(() => URL.revokeObjectURL(url), 60000)
}

/** As if a link with this address were clicked. */
export function follow(url, name) {
  const link = Object.assign(document.createElement('a'), { href: url, download: name ?? '' })
  document.body.append(link)
  link.click()
  link.remove()
}
