// Preact and htm together: components are functions, markup is a tagged template.
import htm from './vendor/htm.js'
import { h } from './vendor/preact.js'

export { Fragment, render } from './vendor/preact.js'
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact_hooks.js'

/** Creates markup. Inserted values are text or components, never HTML. */
export const html = htm.bind(h)
