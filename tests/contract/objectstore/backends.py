"""The object stores under contract, and what each of them can prove."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import Final

from storage_service.objectstore.values import MIB


@dataclass(frozen=True)
class Backend:
    """A store and its capabilities: a test runs on those that have what it needs, the others are not listed.

    ``has``: checksums (verifies CRC-32C), signatures (checks SigV4, expiry included), http (signed URLs can
    be tried), forms (takes browser forms), conditions (If-None-Match), copy_conditions (If-Match on the
    source of a copy), ends_uploads (a part for an aborted upload is refused as such), upload_times (tells
    when an upload began).
    """

    name: str
    has: frozenset[str]


_S3 = frozenset({"checksums", "conditions", "copy_conditions", "ends_uploads", "upload_times"})
BACKENDS = (
    Backend("memory", _S3),
    Backend("swift", _S3 | {"signatures", "http"}),
    # moto takes wrong checksums and any signature, copies whatever the conditions say, answers a part for an
    # aborted upload with a 500 and says that every upload began in 2010: what it says to anything but the one
    # thing that Swift cannot do proves nothing
    Backend("moto", frozenset({"forms"})),
)
#: One store instead, with every test, whether or not it can prove it: `python -m scripts.store_table`.
ONLY: Final = os.environ.get("STRONGROOM_CONTRACT_STORE", "")
ALL = [ONLY] if ONLY else [backend.name for backend in BACKENDS if backend.name != "moto"]
PART = 5 * MIB
# The buckets of this process: others work on the same servers.
PLAIN: Final = f"plain-{uuid.uuid4().hex}"
VERSIONED: Final = f"versioned-{uuid.uuid4().hex}"


def having(*capabilities: str) -> list[str]:
    """Names of the backends with all of these; for parametrising ``backend``."""
    if ONLY:
        return [ONLY]
    return [backend.name for backend in BACKENDS if backend.has.issuperset(capabilities)]
