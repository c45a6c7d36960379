// A list of any length: only the visible rows are in the document. All rows have the same height, so a row's
// position is a multiplication. Arrow keys move from item to item, also to items that are not drawn yet.
import { html, useEffect, useLayoutEffect, useRef, useState } from '../render.js'

const BEYOND = 3 // rows above and below the visible ones, so that fast scrolling shows no gap
const NEAR_END = 8 // rows before the end at which the next page is requested

/**
 * @param {{
 *   items: unknown[], label: string, keyOf: (item: any) => string, draw: (item: any, index: number) => unknown,
 *   rowHeight: number, minWidth?: number, gap?: number, onEnd?: () => void, className?: string,
 * }} properties `minWidth`: as many columns as fit; without it, one column
 */
export function Windowed({ items, label, keyOf, draw, rowHeight, minWidth = 0, gap = 0, onEnd, className = '' }) {
  const list = useRef(null)
  const [size, setSize] = useState({ columns: 1, width: 0, first: 0, last: 30 })
  const wanted = useRef(-1)
  const rows = Math.ceil(items.length / size.columns)

  useLayoutEffect(() => {
    const element = list.current
    const scroller = element.closest('[data-scroller]')
    const measure = () => {
      const width = element.clientWidth
      const columns = minWidth ? Math.max(1, Math.floor((width + gap) / (minWidth + gap))) : 1
      const top = scroller.getBoundingClientRect().top - element.getBoundingClientRect().top
      const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND)
      const last = Math.ceil((top + scroller.clientHeight) / rowHeight) + BEYOND
      setSize((old) => (old.columns === columns && old.width === width && old.first === first && old.last === last
        ? old : { columns, width, first, last }))
    }
    measure()
    const observer = new ResizeObserver(() => requestAnimationFrame(measure)) // in the next frame, because measuring changes the size
    observer.observe(element)
    observer.observe(scroller)
    scroller.addEventListener('scroll', measure, { passive: true })
    return () => {
      observer.disconnect()
      scroller.removeEventListener('scroll', measure)
    }
  }, [rowHeight, minWidth, gap, items.length === 0])

  useEffect(() => {
    if (onEnd && size.last >= rows - NEAR_END) onEnd()
  }, [onEnd, size.last, rows])

  useEffect(() => { // focus the item chosen by a key as soon as it is drawn
    const item = wanted.current >= 0 && list.current.querySelector(`[data-index="${wanted.current}"]`)
    if (!item) return
    wanted.current = -1
    item.querySelector('a, button')?.focus({ preventScroll: true })
  })

  const move = (event) => {
    const at = Number(event.target.closest('[data-index]')?.dataset.index ?? -1)
    const steps = { ArrowDown: size.columns, ArrowUp: -size.columns, Home: -Infinity, End: Infinity }
    if (size.columns > 1) Object.assign(steps, { ArrowRight: 1, ArrowLeft: -1 })
    const step = steps[event.key]
    if (at < 0 || step === undefined || event.target.matches('input[type=text], input[type=search]')) return
    event.preventDefault()
    const next = Math.min(items.length - 1, Math.max(0, at + step))
    if (next === at) return
    wanted.current = next
    reveal(list.current, Math.floor(next / size.columns) * rowHeight, rowHeight)
    setSize((old) => ({ ...old })) // render also if nothing was scrolled
  }

  const cell = (size.width - gap * (size.columns - 1)) / size.columns
  const from = size.first * size.columns
  const drawn = items.slice(from, (size.last + 1) * size.columns)
  return html`<ul ref=${list} class=${`windowed ${className}`} aria-label=${label} onKeyDown=${move}
    style=${{ height: `${Math.max(0, rows * rowHeight - gap)}px` }}>
    ${drawn.map((item, index) => {
      const place = from + index
      const style = {
        width: `${cell}px`,
        height: `${rowHeight - gap}px`,
        transform: `translate(${(place % size.columns) * (cell + gap)}px, ${Math.floor(place / size.columns) * rowHeight}px)`,
      }
      return html`<li key=${keyOf(item)} data-index=${place} style=${style}
        aria-setsize=${onEnd ? -1 : items.length} aria-posinset=${place + 1}>${draw(item, place)}</li>`
    })}
  </ul>`
}

function reveal(list, top, height) {
  const scroller = list.closest('[data-scroller]')
  const start = list.getBoundingClientRect().top - scroller.getBoundingClientRect().top + top
  if (start < 0) scroller.scrollTop += start
  else if (start + height > scroller.clientHeight) scroller.scrollTop += start + height - scroller.clientHeight
}
