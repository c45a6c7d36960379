// One answer of the API, as a view shows it: not there yet, there, or why not.
import { useCallback, useEffect, useState } from './render.js'

/**
 * @template Value
 * @param {(signal: AbortSignal) => Promise<Value> | null} load null: there is nothing to ask for yet
 * @param {unknown[]} by it is asked for again when one of these changes; the old answer stays until then
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
