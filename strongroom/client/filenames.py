"""Names of downloaded files in a local folder."""

from __future__ import annotations

from strongroom.client.files import StoredFile
from strongroom.local_names import fit


def local_name(file: StoredFile) -> str:
    """Return a name for ``file`` in a local folder: never a path, hidden, reserved, or with control
    characters.

    It is made from the file name, or from the end of the key if nothing of that is left.
    """
    return fit(file.filename) or fit(file.key.rsplit("/", 1)[-1]) or file.id
