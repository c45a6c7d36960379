// What stands in for a picture until it is there: its colours, out of the 25 bytes that lists have of it.
import { html, useEffect, useRef } from '../render.js'
import { thumbHashToRGBA } from '../vendor/thumbhash.js'

/** @param {{thumbhash: string}} properties in base64, as lists have it */
export function Placeholder({ thumbhash }) {
  const canvas = useRef(null)
  useEffect(() => {
    const { w, h, rgba } = thumbHashToRGBA(Uint8Array.from(atob(thumbhash), (letter) => letter.charCodeAt(0)))
    Object.assign(canvas.current, { width: w, height: h })
    canvas.current.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0)
  }, [thumbhash])
  return html`<canvas ref=${canvas} class="placeholder" aria-hidden="true"></canvas>`
}

/** Width and height as it is shown: cameras store what they turn, and say so. Nothing where they are not known. */
/** @param {{width?: number, height?: number, orientation?: number}} file */
export function extent({ width, height, orientation }) {
  if (!width || !height) return {}
  return orientation >= 5 ? { width: height, height: width } : { width, height }
}
