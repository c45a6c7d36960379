// What a test sees of a page. Runs before the page's own scripts.
window.eyes = {
  trouble: [],

  visible: (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }),

  name: (element) =>
    (element.getAttribute('aria-label') ?? element.innerText ?? '').replace(/\s+/g, ' ').trim(),

  shows: (text, where) =>
    [...document.querySelectorAll(where)].some((element) =>
      element.innerText.replace(/\s+/g, ' ').includes(text) ||
      [...element.querySelectorAll('[aria-label], input')].some((one) => (one.getAttribute('aria-label') ?? one.value) === text)),

  /** Behind an open dialog nothing can be used. */
  scope: (where) => document.querySelector('dialog[open]') ?? document.querySelector(where),

  click(name, where) {
    const found = [...(this.scope(where)?.querySelectorAll('a, button, input[type=checkbox], label:has(> input[type=checkbox]), summary') ?? [])].find(
      (element) => this.visible(element) && !element.disabled && (this.name(element) === name || this.name(element).startsWith(`${name} `)))
    found?.click()
    return Boolean(found)
  },

  fill(label, value) {
    const field = [...this.scope('body').querySelectorAll('input, textarea, select')].find((element) =>
      element.getAttribute('aria-label') === label || element.labels?.[0]?.firstElementChild?.innerText.trim() === label)
    if (!field) return false
    const set = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value').set
    set.call(field, value)
    field.dispatchEvent(new Event('input', { bubbles: true }))
    field.dispatchEvent(new Event('change', { bubbles: true }))
    return true
  },

  drop(files) {
    const dataTransfer = new DataTransfer()
    for (const [name, type, text] of files) dataTransfer.items.add(new File([text], name, { type }))
    for (const kind of ['dragenter', 'dragover', 'drop'])
      document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer }))
  },
}
window.addEventListener('error', (event) => window.eyes.trouble.push(event.message))
window.addEventListener('unhandledrejection', (event) => window.eyes.trouble.push(String(event.reason?.stack ?? event.reason)))
window.addEventListener('securitypolicyviolation', (event) =>
  window.eyes.trouble.push(`${event.violatedDirective}: ${event.blockedURI}`))
