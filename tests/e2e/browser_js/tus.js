// tus-js-client as its documentation uses it in a page: earlier uploads of the same file are looked up and gone on with.
import * as tus from 'tus-js-client'

whenChosen(async (file) => {
  const upload = new tus.Upload(file, {
    endpoint: options.endpoint,
    headers: { Authorization: `Bearer ${options.token}` },
    metadata: { filename: file.name, filetype: file.type },
    removeFingerprintOnSuccess: true,
    onProgress: (sent) => seen.progress.push(sent),
    onError: (error) => { seen.error = String(error) },
    onSuccess: () => { seen.url = upload.url },
  })
  const previous = await upload.findPreviousUploads()
  if (previous.length) upload.resumeFromPreviousUpload(previous[0])
  upload.start()
})
