"""Snapshots of a cell's database, and their restoration: like a backup and its restore.

A copy by TEMPLATE takes tenths of a second and contains everything: rows, roles' rights, row-level security.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Final
from urllib.parse import urlsplit

from tests.databases import Logins
from tests.faults.cell import Cell

_END_CONNECTIONS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()
"""


def take(cell: Cell, label: str) -> Logins:
    """Copy the current state under a name. The services are stopped for it, and run again afterwards."""
    cell.stop_services()
    name = _name(cell.logins)
    cell.logins.at("postgres").rows(_END_CONNECTIONS, name)
    taken = cell.logins.create(f"{name}-{label}", template=name)
    cell.run()
    return taken


def restore(cell: Cell, taken: Logins | None) -> None:
    """Restore the snapshot, or an empty database. The services have ended, and are not started."""
    cell.stop_services()
    current = cell.logins
    current.drop()
    current.create(_name(current), template=_name(taken) if taken is not None else "metadata_template")


def copy_bucket(cell: Cell, name: str) -> int:
    """Copy every version of every object into a new bucket, oldest first, by one PUT each, like copying
    tools: version ids and entity tags are new, delete markers are not copied. The services have ended.
    Returns how many.
    """
    s3, old = cell.checker.s3, cell.store.bucket
    cell.use_bucket(name)
    listed = s3.list_object_versions(Bucket=old)
    assert not listed["IsTruncated"]
    versions = sorted(listed.get("Versions", []), key=itemgetter("LastModified"))
    for one in versions:
        found = s3.get_object(Bucket=old, Key=one["Key"], VersionId=one["VersionId"])
        s3.put_object(
            Bucket=name,
            Key=one["Key"],
            Body=found["Body"].read(),
            Metadata=found["Metadata"],
            ContentType=found["ContentType"],
        )
    return len(versions)


def _name(logins: Logins) -> str:
    return urlsplit(logins.superuser).path.lstrip("/")
