"""Loads botocore's service data without what is unused here, because each client keeps it in memory.

Plain dictionaries, without documentation texts, and only with the endpoints of the store's and the credential
services: 2 MiB resident instead of 10 with botocore's own loader.
"""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any, Final

import botocore.loaders

#: Names in ``endpoints.json``: the store, and the services that issue keys (botocore's credentials). For
#: services that are missing botocore builds an endpoint of the usual form.
_SERVICES: Final = frozenset({"s3", "sts", "oidc", "portal.sso", "signin"})


class LeanFiles(botocore.loaders.JSONFileLoader):
    """botocore's loader of files, without the unused data."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of ``file_path`` (given without extension), or None if the file doesn't
        exist.
        """
        packed, plain = Path(f"{file_path}.json.gz"), Path(f"{file_path}.json")
        if plain.is_file():
            return _lean(plain.read_bytes())
        return _lean(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


def _lean(text: bytes) -> Any:
    content = json.loads(text, object_hook=_without_texts)
    for partition in content.get("partitions", ()):
        if services := partition.get("services"):
            partition["services"] = {name: one for name, one in services.items() if name in _SERVICES}
    return content


def _without_texts(found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(found.get("documentation"), str):  # not a shape that happens to have this name
        found["documentation"] = ""
    return found


@functools.cache
def data_files(path: str | None) -> botocore.loaders.Loader:
    """Return a loader whose files are read once per process instead of once per session.

    ``path``: further folders, as in botocore's variable ``data_path``.
    """
    loader = botocore.loaders.create_loader(path)
    loader.file_loader = LeanFiles()
    return loader
