// Lists that are loaded in pages: the items, whether there are more, and edits of single items.
import { useCallback, useEffect, useRef, useState } from './render.js'

const NOTHING = { state: 'loading', items: [], next: null, problem: null }

/**
 * Loads a list page by page.
 * @param {(pageToken: string | undefined, signal: AbortSignal) => Promise<{items: any[], next: string | null}>} load
 * @param {unknown[]} by the list is loaded anew when one of these changes
 * @returns `state`: `loading` (no page yet), `ready`, `more` (another page is loading), `failed`;
 * `change(edit)` applies an edit to the items. It must be idempotent: a page that is loading may contain the change already
 */
export function usePages(load, by) {
  const [list, setList] = useState(NOTHING)
  const running = useRef(null)
  const latest = useRef(list)
  latest.current = list
  const loading = useRef(load)
  loading.current = load
  const meanwhile = useRef([])

  const read = useCallback(async (pageToken, keep) => {
    running.current?.abort()
    meanwhile.current = []
    const controller = (running.current = new AbortController())
    try {
      const page = await loading.current(pageToken, controller.signal)
      if (controller.signal.aborted) return
      const edits = meanwhile.current
      setList((old) => ({
        state: 'ready', problem: null, next: page.next,
        items: edits.reduce((items, edit) => edit(items), keep ? [...old.items, ...page.items] : page.items),
      }))
    } catch (problem) {
      if (controller.signal.aborted) return
      setList((old) => ({ ...old, state: 'failed', problem }))
    } finally {
      if (running.current === controller) running.current = null
    }
  }, [])

  useEffect(() => {
    setList(NOTHING)
    read(undefined, false)
    return () => running.current?.abort()
  }, by)

  const more = useCallback(() => {
    const now = latest.current
    if (now.state !== 'ready' || !now.next || running.current) return
    setList((old) => ({ ...old, state: 'more' }))
    read(now.next, true)
  }, [read])
  const reload = useCallback(() => {
    if (latest.current.state === 'failed') setList((old) => ({ ...old, state: old.items.length ? 'more' : 'loading' }))
    const failedPage = latest.current.state === 'failed' && latest.current.items.length ? latest.current.next : undefined
    return read(failedPage ?? undefined, Boolean(failedPage))
  }, [read])
  const change = useCallback((edit) => {
    if (running.current) meanwhile.current.push(edit)
    setList((old) => ({ ...old, items: edit(old.items) }))
  }, [])
  const add = useCallback((item) => change((items) => (items.some(({ id }) => id === item.id) ? items : [item, ...items])), [change])
  return { ...list, more, reload, change, add }
}
