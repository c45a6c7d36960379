"""What an object carries is for us alone: S3 shows an object's metadata to whoever gets the object, behind a
signed URL or a CDN, and prompts are nobody's business.

Sealed as links are. The key is derived from the secret of the services; without it a spec is lost, the file
is not.
"""

from __future__ import annotations

from typing import Final

from servicekit.sealing import Sealed

_LABEL: Final = b"strongroom objects 1"


class Sealing(Sealed):
    """One instance per process; `secret`: `STRONGROOM_INTERNAL_SECRET`."""

    def __init__(self, secret: bytes) -> None:
        super().__init__(secret, _LABEL)
