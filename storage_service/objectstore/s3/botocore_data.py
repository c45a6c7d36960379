"""What botocore knows of services, less what nobody here reads: a client keeps it for as long as it lives.

Plain dictionaries, no texts for manuals, and addresses of the store's and the keys' services alone: 2 MiB
resident where botocore's own loader leaves 10.
"""

from __future__ import annotations

import functools
import gzip
import json
from pathlib import Path
from typing import Any, Final

import botocore.loaders

#: As ``endpoints.json`` names them: the store, and who hands out keys (botocore's credentials). To services
#: that are not there botocore gives an address of the usual form.
_SERVICES: Final = frozenset({"s3", "sts", "oidc", "portal.sso", "signin"})


class LeanFiles(botocore.loaders.JSONFileLoader):
    """botocore's, but for what it leaves out."""

    def load_file(self, file_path: str) -> Any:
        """The content of ``file_path`` (without its ending); None where there is no such file."""
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
    if isinstance(found.get("documentation"), str):  # a member of that name would be a shape
        found["documentation"] = ""
    return found


@functools.cache
def data_files(path: str | None) -> botocore.loaders.Loader:
    """Read and parsed once per process instead of once per session. ``path``: further folders, as botocore's
    variable ``data_path`` has them.
    """
    loader = botocore.loaders.create_loader(path)
    loader.file_loader = LeanFiles()
    return loader
