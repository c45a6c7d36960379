import { useEffect, useState } from './render.js'

/**
 * A value of the whole page that views watch: the session, the uploads, the events.
 * @template T
 * @param {T} value
 */
export function observable(value) {
  const watchers = new Set()
  return {
    get: () => value,
    /** @param {T} next */
    set(next) {
      value = next
      for (const watcher of [...watchers]) watcher(value)
    },
    /** @param {(value: T) => void} watcher @returns {() => void} stops watching */
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
  }
}

/** Returns the value of `source`, and renders the component again when it changes. */
export function useObservable(source) {
  const [value, setValue] = useState(() => source.get())
  useEffect(() => {
    setValue(() => source.get()) // it may have changed between rendering and watching
    return source.watch((next) => setValue(() => next))
  }, [source])
  return value
}
