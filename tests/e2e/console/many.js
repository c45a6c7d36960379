// Ten thousand files where there is one: pages of them, as the API answers them.
{
  const one = ONE
  const ask = window.fetch
  window.fetch = (url, options) => {
    const at = new URL(url)
    if (!localStorage.many || at.pathname !== '/api/v1/files') return ask(url, options)
    const from = Number(at.searchParams.get('page_token') ?? 0)
    const size = Number(at.searchParams.get('limit'))
    const numbers = Array.from({ length: size }, (_, index) => from + index)
    const files = numbers.map((number) => ({ ...one, id: `file-${number}`, filename: `file ${number}` }))
    const next = from + size < 10000 ? String(from + size) : null
    return Promise.resolve(new Response(JSON.stringify({ files, folders: [], next_page_token: next })))
  }
}
