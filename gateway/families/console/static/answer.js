// One answer of the API for a view: loading, loaded, or failed.
import { useCallback, useEffect, useState } from './render.js'

/**
 * Requests an answer. Returns `{ value, problem, again }`; `again` repeats the request.
 * @template Value
 * @param {(signal: AbortSignal) => Promise<Value> | null} load null: nothing to request yet
 * @param {unknown[]} by a change of one requests the answer again; until then the old answer stays,
 *   unless one of the first two has changed
 */
export function useAnswer(load, by) {
  const [state, setState] = useState({ value: /** @type {Value} */ (null), problem: null, of: '' })
  const [tried, setTried] = useState(0)
  const of = JSON.stringify(by.slice(0, 2))
  useEffect(() => {
    const controller = new AbortController()
    const asked = load(controller.signal)
    if (!asked) return undefined
    asked.then((value) => !controller.signal.aborted && setState({ value, problem: null, of }),
      (problem) => !controller.signal.aborted && setState({ value: null, problem, of }))
    return () => controller.abort()
  }, [...by, tried])
  const again = useCallback(() => setTried((old) => old + 1), [])
  return { value: state.of === of ? state.value : null, problem: state.of === of ? state.problem : null, again }
}
