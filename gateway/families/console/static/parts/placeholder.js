// Shown in place of a picture until it has loaded: its colours, from the 25 bytes of its thumbhash.
import { html, useEffect, useRef } from '../render.js'
import { thumbHashToRGBA } from '../vendor/thumbhash.js'

/** @param {{thumbhash: string}} properties in base64, as in lists */
export function Placeholder({ thumbhash }) {
  const canvas = useRef(null)
  useEffect(() => {
    const { w, h, rgba } = thumbHashToRGBA(Uint8Array.from(atob(thumbhash), (letter) => letter.charCodeAt(0)))
    Object.assign(canvas.current, { width: w, height: h })
    canvas.current.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(rgba), w, h), 0, 0)
  }, [thumbhash])
  return html`<canvas ref=${canvas} class="placeholder" aria-hidden="true"></canvas>`
}

/** Width and height as shown: swapped if the orientation turns the picture. Empty if they are not known. */
/** @param {{width?: number, height?: number, orientation?: number}} file */
export function extent({ width, height, orientation }) {
  if (!width || !height) return {}
  return orientation >= 5 ? { width: height, height: width } : { width, height }
}
