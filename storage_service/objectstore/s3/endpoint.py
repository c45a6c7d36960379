"""Where requests go: scheme, host, port, and the path of a key under either addressing style."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlsplit

from storage_service.objectstore.s3.options import AddressingStyle

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/-._~"


def encode_key(key: str) -> str:
    """A key as it stands in a URL path: every byte of its UTF-8 but unreserved ones and ``/`` escaped.

    Dot segments stay as they are: S3 keys are not paths. Raises ValueError for an empty key.
    """
    if not key:
        raise ValueError("an object key may not be empty")
    return quote(key, safe=_PATH_SAFE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One bucket at one address. ``host`` is the name to connect to, ``host_header`` what is signed."""

    scheme: str
    host: str
    port: int
    host_header: str
    base_path: str

    @classmethod
    def of(cls, url: str, bucket: str, style: AddressingStyle, *, custom: bool) -> Self:
        """From an endpoint URL without a bucket.

        ``custom``: set by the user, so ``auto`` means path style. Raises ValueError for a URL that is none.
        """
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("an S3 endpoint URL looks like https://host[:port][/path]")
        host = parts.hostname
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        base = quote(parts.path.rstrip("/"), safe=_PATH_SAFE + "%")
        virtual = style == "virtual" or (style == "auto" and not custom)
        if virtual and not (parts.scheme == "https" and "." in bucket):  # a certificate covers one label only
            host = f"{bucket}.{host}"
        else:
            base = f"{base}/{bucket}"
        header = f"[{host}]" if ":" in host else host
        if port != _DEFAULT_PORTS[parts.scheme]:
            header = f"{header}:{port}"
        return cls(parts.scheme, host, port, header, base)

    @property
    def secure(self) -> bool:
        """Over TLS."""
        return self.scheme == "https"

    @property
    def loopback(self) -> bool:
        """On this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def path_of(self, key: str) -> str:
        """Escaped path of an object."""
        return f"{self.base_path}/{encode_key(key)}"

    @property
    def bucket_path(self) -> str:
        """Escaped path of the bucket itself."""
        return self.base_path or "/"

    def url(self, path: str, query: str = "") -> str:
        """Absolute URL of an escaped path."""
        return f"{self.scheme}://{self.host_header}{path}" + (f"?{query}" if query else "")
