"""Fills the tables of the stack and of the naive app with rows by SQL, as superuser.

The stack's rows are copies of a real row (of a file uploaded for this), with new ids and keys, so they have
whatever columns the tables have.
"""

from __future__ import annotations

import psycopg

#: Disables triggers (also those of foreign keys), so that a million consistent rows are made in seconds.
_SILENT = "set session_replication_role = replica"

_COPY_FILES = """
with template as (select * from files where key = %(key)s),
     ids as materialized (
         select n, gen_random_uuid() as file_id, gen_random_uuid() as blob_id
         from generate_series(1, %(count)s) as n
     ),
     copies as (
         select ids.*, 'uploads/' || template.owner_id || '/' || file_id || '.bin' as new_key
         from template, ids
     ),
     copied_blobs as (
         insert into blobs
         select made.*
         from copies, template join blobs on blobs.id = template.blob_id,
              lateral jsonb_populate_record(blobs, jsonb_build_object(
                  'id', copies.blob_id, 'file_id', copies.file_id, 'key', new_key)) as made
     )
insert into files
select made.*
from copies, template join files on files.id = template.id,
     lateral jsonb_populate_record(files, jsonb_build_object(
         'id', file_id, 'blob_id', copies.blob_id, 'key', new_key,
         'created_at', files.created_at - n * interval '1 second')) as made
"""

_COPY_USAGE = """
update usage set file_count = file_count + %(count)s, used_bytes = used_bytes + %(count)s * size_bytes
from files
where files.key = %(key)s and usage.owner_id = files.owner_id
  and stripe = (select min(stripe) from usage as other where other.owner_id = files.owner_id)
"""


def fill_stack(dsn: str, key: str, count: int) -> None:
    """`count` more files like the one of this key, for its owner."""
    with psycopg.connect(dsn) as connection:
        connection.execute(_SILENT)
        connection.execute(_COPY_FILES, {"key": key, "count": count})
        connection.execute(_COPY_USAGE, {"key": key, "count": count})
    _settle(dsn)


def fill_naive(dsn: str, owner: str, count: int) -> None:
    """`count` rows of `owner` in the naive app's table."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "insert into stored_files (id, owner, key, filename, content_type, size, created_at)"
            " select gen_random_uuid(), %(owner)s::text,"
            " 'uploads/' || %(owner)s::text || '/' || gen_random_uuid() || '.bin', 'payload.bin',"
            " 'application/octet-stream', 65536, now() - n * interval '1 second'"
            " from generate_series(1, %(count)s) as n",
            {"owner": owner, "count": count},
        )
    _settle(dsn)


def _settle(dsn: str) -> None:
    """Statistics and visibility as after autovacuum, and no checkpoint due during the measurement."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")
