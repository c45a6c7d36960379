// Saves files whose request needs the bearer token, which a plain link can't send.

/** Saves the bytes of an answer. If the browser can write files piece by piece, they are never in memory as a whole. */
export async function save(answer, name) {
  if (window.showSaveFilePicker) {
    try {
      const handle = await window.showSaveFilePicker({ suggestedName: name })
      await answer.body.pipeTo(await handle.createWritable())
      return
    } catch (error) {
      if (error.name === 'AbortError') {
        await answer.body?.cancel().catch(() => undefined) // the user has cancelled
        return
      }
      if (error.name !== 'SecurityError' && error.name !== 'NotAllowedError') throw error
    }
  }
  const url = URL.createObjectURL(await answer.blob())
  follow(url, name)
  setTimeout(() => URL.revokeObjectURL(url), 60000)
}

/** Follows a URL like a click on a link; with `name` the browser saves it under that name. */
export function follow(url, name) {
  const link = Object.assign(document.createElement('a'), { href: url, download: name ?? '' })
  document.body.append(link)
  link.click()
  link.remove()
}
