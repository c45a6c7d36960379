"""The object stores under the contract tests, and what each can prove."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import Final

from storage_service.objectstore.values import MIB


@dataclass(frozen=True)
class Backend:
    """A store and its capabilities: a test runs only on stores that have what it needs.

    ``has``: checksums (verifies CRC-32C), signatures (checks SigV4, expiry included), http (signed URLs can
    be tried), forms (accepts browser forms), conditions (If-None-Match), copy_conditions (If-Match on the
    source of a copy), ends_uploads (a part for an aborted upload is refused as such), upload_times (tells
    when an upload began).
    """

    name: str
    has: frozenset[str]


_S3 = frozenset({"checksums", "conditions", "copy_conditions", "ends_uploads", "upload_times"})
BACKENDS = (
    Backend("memory", _S3),
    Backend("swift", _S3 | {"signatures", "http"}),
    # moto accepts wrong checksums and any signature, ignores conditions of copies, answers a part for an
    # aborted upload with a 500, and says that every upload began in 2010. So it is used only for what Swift
    # can't do
    Backend("moto", frozenset({"forms"})),
)
#: A single store for every test, whether or not it can prove it: `python -m scripts.store_table`.
ONLY: Final = os.environ.get("STRONGROOM_CONTRACT_STORE", "")
ALL = [ONLY] if ONLY else [backend.name for backend in BACKENDS if backend.name != "moto"]
PART = 5 * MIB
# This process's buckets: others use the same servers.
PLAIN: Final = f"plain-{uuid.uuid4().hex}"
VERSIONED: Final = f"versioned-{uuid.uuid4().hex}"


def having(*capabilities: str) -> list[str]:
    """Names of the backends with all of these capabilities, for parametrizing ``backend``."""
    if ONLY:
        return [ONLY]
    return [backend.name for backend in BACKENDS if backend.has.issuperset(capabilities)]
