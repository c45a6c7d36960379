// Runs one tus-js-client upload and prints its end as JSON: node upload.mjs '{"endpoint": …, "file": …}'.
// "abortAfter": bytes after which the process dies without a word, as a closed laptop would.
import { createReadStream } from 'node:fs'
import { PassThrough } from 'node:stream'
import * as tus from 'tus-js-client'

const options = JSON.parse(process.argv[2])
const done = (result) => { process.stdout.write(JSON.stringify(result)); process.exit(0) }

// Deferred: a stream that hides its file, because tus-js-client 4.3.1 announces whole chunks of a file for its last one.
const file = createReadStream(options.file)
const source = options.deferred ? file.pipe(new PassThrough()) : file
let seen = null
const upload = new tus.Upload(source, {
  endpoint: options.endpoint,
  headers: { Authorization: `Bearer ${options.token}` },
  metadata: options.metadata ?? {},
  chunkSize: options.chunkSize ?? Infinity,
  uploadLengthDeferred: options.deferred ?? false,
  parallelUploads: options.parallel ?? 1,
  uploadDataDuringCreation: options.withCreation ?? false,
  uploadUrl: options.url ?? null,
  retryDelays: options.retryDelays ?? [0, 200, 500, 1000],
  onUploadUrlAvailable: () => { seen = upload.url },
  onChunkComplete: (size, accepted) => {
    if (options.abortAfter && accepted >= options.abortAfter) {
      process.stdout.write(JSON.stringify({ url: seen, accepted }), () => process.kill(process.pid, 'SIGKILL'))
    }
  },
  onError: (error) => done({ error: String(error) }),
  onSuccess: async () => {
    if (options.terminate) await tus.Upload.terminate(upload.url, { headers: { Authorization: `Bearer ${options.token}` } })
    done({ url: upload.url })
  },
})
upload.start()
