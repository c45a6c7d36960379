// Uppy with its tus plugin, which resumes by itself.
import Uppy from '@uppy/core'
import Tus from '@uppy/tus'

const uppy = new Uppy({ autoProceed: true }).use(Tus, {
  endpoint: options.endpoint,
  headers: { Authorization: `Bearer ${options.token}` },
})
uppy.on('upload-progress', (_, progress) => seen.progress.push(progress.bytesUploaded))
uppy.on('upload-error', (_, error) => { seen.error = String(error) })
uppy.on('upload-success', (_, response) => { seen.url = response.uploadURL })

whenChosen((file) => uppy.addFile({ name: file.name, type: file.type, data: file, source: 'disk' }))
