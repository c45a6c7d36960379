"""The name that a file gets in a folder of the caller's."""

from __future__ import annotations

from strongroom.client.files import StoredFile
from strongroom.local_names import fit


def local_name(file: StoredFile) -> str:
    """A name for ``file`` in a folder of the caller's: never a path, hidden, reserved, or with control
    characters.

    From the file name; from the end of the key where that leaves nothing.
    """
    return fit(file.filename) or fit(file.key.rsplit("/", 1)[-1]) or file.id
