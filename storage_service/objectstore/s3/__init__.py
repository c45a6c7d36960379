"""The object store on any S3-compatible server.

There are two ways to call it. Calls that carry bytes or are made for every file (PutObject, UploadPart,
GetObject, HeadObject) take the light path: signed by ``http.sigv4``, sent by ``http.connection``, by the
event loop or a thread. All others go through a botocore client. Calls that block run on the bounded thread
pools of ``client.Offload``. ``errors.translate`` turns all exceptions into ``objectstore.errors``, and only
``calls`` decides about retries.
"""
