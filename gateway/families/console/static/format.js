// Numbers and times as people read them, in the browser's language.
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB', 'PB']
const number = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 })
const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })
/** @type {Array<[Intl.RelativeTimeFormatUnit, number]>} */
const STEPS = [['second', 60], ['minute', 60], ['hour', 24], ['day', 30], ['month', 12], ['year', Infinity]]

/** `1.4 MB`: thousands are 1000, as stores bill them. */
export function bytes(count) {
  let value = Number(count) || 0
  let unit = 0
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 ? value : number.format(value)} ${UNITS[unit]}`
}

/** `12,345`. */
export const count = (value) => number.format(value)

/** `1 file`, `2 files`. */
export const many = (value, one, more = `${one}s`) => `${number.format(value)} ${value === 1 ? one : more}`

/** `2 Jan 2026, 03:04`. */
export const time = (text) => (text ? moment.format(new Date(text)) : '–')

/** `2 Jan 2026`. */
export const date = (text) => (text ? day.format(new Date(text)) : '–')

/** `3 minutes ago`, `in 2 days`. */
export function ago(text, now = Date.now()) {
  if (!text) return '–'
  let value = (new Date(text).getTime() - now) / 1000
  if (Math.abs(value) < 10) return 'just now'
  for (const [unit, size] of STEPS) {
    if (Math.abs(value) < size) return relative.format(Math.round(value), unit)
    value /= size
  }
  return time(text)
}

/** `7 d`, `3 h`, `20 min`, `5 s`: a remaining time. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return '–'
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}

/** @type {Array<[RegExp, string]>} */
const KINDS = [
  [/^image\//, 'picture'], [/^video\//, 'film'], [/^audio\//, 'sound'], [/^application\/pdf$/, 'pdf'],
  [/^text\/|json$|xml$|yaml$|javascript$|x-sh$/, 'text'], [/zip|tar|gzip|7z/, 'archive'],
]

/** Characters that reverse the direction of text, so that `gnp.exe` looks like `exe.png`: shown as visible signs. */
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/** Returns a name in the order of its letters. Another person may have chosen it. */
export const plain = (name) => name.replace(TURNING, '\ufffd')

/** The kind of a media type, by how a browser shows it: `picture`, `film`, `sound`, `pdf`, `text`, `archive`, `file`. */
export function kind(contentType = '') {
  const type = contentType.split(';')[0].trim()
  return KINDS.find(([pattern]) => pattern.test(type))?.[1] ?? 'file'
}

export const FAMILIES = {
  files: 'Files',
  generations: 'Generations',
  event_media: 'Event media',
  path: 'Paths',
  profile_picture: 'Profile picture',
  temp: 'Temporary',
}
