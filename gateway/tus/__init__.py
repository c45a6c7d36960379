"""tus 1.0 at ``/files``: a door to the resumable uploads of storage_service (https://tus.io/protocols/resumable-upload)."""
