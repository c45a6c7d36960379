// Preact and htm as one vocabulary: components are functions, markup is a tagged template.
import htm from './vendor/htm.js'
import { h } from './vendor/preact.js'

export { Fragment, render } from './vendor/preact.js'
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from './vendor/preact_hooks.js'

/** Markup; everything that is put into it is text or a component, never HTML. */
export const html = htm.bind(h)
