"""The object store on any S3-compatible server.

Two ways lead to the store. Calls that carry bytes or are made for every file (PutObject, UploadPart,
GetObject, HeadObject) take the light path: signed by ``http.sigv4``, sent by ``http.connection``. All others
go through a botocore client. Both block, so ``client.Offload`` runs them on bounded thread pools;
``errors.translate`` turns whatever they raise into ``objectstore.errors``, and ``calls`` alone decides about
second tries.
"""
