type Undo = void | undefined | false | number | string | (() => unknown)
type Effect = (effect: () => Undo, by?: unknown[]) => void
export const useEffect: Effect
export const useLayoutEffect: Effect
export function useState<Value>(first: Value | (() => Value)): [Value, (next: Value | ((old: Value) => Value)) => void]
export function useRef<Value>(first: Value): { current: Value }
export function useMemo<Value>(make: () => Value, by: unknown[]): Value
export function useCallback<Call extends Function>(call: Call, by: unknown[]): Call
