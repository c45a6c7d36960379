"""Options of the S3 adapter, made by bootstrap from the process's settings; and the endpoint.

The endpoint is the target of requests: scheme, host, port, and the path of a key under either addressing
style.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Self
from urllib.parse import quote, urlsplit

from storage_service.objectstore.values import MIB

AddressingStyle = Literal["auto", "path", "virtual"]
PayloadSigning = Literal["auto", "always", "never"]
Encryption = Literal["off", "AES256", "aws:kms"]
MultipartChecksum = Literal["auto", "full_object", "composite", "parts", "off"]


@dataclass(frozen=True, kw_only=True)
class S3Options:
    """One bucket of one store, and how to talk to it. Times are seconds, sizes bytes.

    ``endpoint_url``: None for AWS. ``public_endpoint_url``: the address at which clients reach the store;
    signed URLs are made for it. ``use_iam_role``: credentials from botocore's provider chain (environment,
    profile, web identity, container, instance), renewed by it; otherwise static ones.

    ``addressing_style`` auto: path if an endpoint URL is set, else virtual hosts.

    ``sign_payload``: whether the signature covers the SHA-256 of a body, which costs 0.54 CPU s/GiB. ``auto``
    omits it over TLS, which protects the body itself, and on loopback, where nobody is in between; over plain
    http on a network it signs. With ``never`` on such a network, anybody in between can change bodies and
    their checksums unnoticed.

    ``multipart_checksum``: how CRC-32C is sent with multipart uploads. ``full_object`` declares it at
    creation and verifies the whole object at completion (AWS; MinIO since 2025); ``composite`` declares it
    without a value for the whole object; ``parts`` sends it with each part without declaring it (Swift,
    Ceph); ``off`` sends none. ``auto`` is full_object on AWS and parts elsewhere. ``content_md5`` adds
    Content-MD5 to bodies, for stores that verify nothing else (1.2 CPU s/GiB).

    ``max_key_bytes``: the longest key that the store accepts, in its URL form; longer ones are not sent.

    ``conditional_writes``: off for stores that answer If-None-Match with an error.

    Memory: bodies being sent belong to the caller; each open download holds at most two chunks of
    ``read_chunk_size``; the light path adds about 100 KiB for each of its ``max_writes + max_reads``
    connections.

    ``max_attempts`` includes the first one. ``connect_timeout`` and ``read_timeout`` limit one network
    operation (a body may be slow as long as it moves); ``reply_timeout`` limits the wait for a reply's whole
    head, however slowly it arrives. Complete and server-side copies add the time that their size may take, up
    to ``slow_reply_timeout``. All tries of one call wait for a little over twice ``reply_timeout`` at most.
    """

    bucket: str
    region: str = "us-east-1"
    endpoint_url: str | None = None
    public_endpoint_url: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    use_iam_role: bool = False
    use_ssl: bool = True
    verify_ssl: bool = True
    ca_bundle: str | None = None
    addressing_style: AddressingStyle = "auto"
    sign_payload: PayloadSigning = "auto"
    encryption: Encryption = "off"
    kms_key_id: str | None = None
    storage_class: str | None = None
    max_key_bytes: int = 3072
    multipart_checksum: MultipartChecksum = "auto"
    content_md5: bool = False
    conditional_writes: bool = True
    max_writes: int = 32
    max_reads: int = 32
    max_control_calls: int = 16
    read_chunk_size: int = MIB
    copy_threshold: int = 512 * MIB
    copy_part_size: int = 256 * MIB
    max_attempts: int = 4
    connect_timeout: float = 3.0
    read_timeout: float = 4.5
    reply_timeout: float = 4.5
    slow_reply_timeout: float = 300.0

    @cached_property
    def on_aws(self) -> bool:
        """Whether this is Amazon's own S3, in any of its partitions, and not a compatible store."""
        if self.endpoint_url is None:
            return True
        host = urlsplit(self.endpoint_url).hostname or ""
        return host.endswith(_AWS_SUFFIXES)

    @cached_property
    def checksum_mode(self) -> Literal["full_object", "composite", "parts", "off"]:
        """``multipart_checksum`` with ``auto`` resolved."""
        if self.multipart_checksum == "auto":
            return "full_object" if self.on_aws else "parts"
        return self.multipart_checksum


#: The partitions: commercial and GovCloud, China, European sovereign, isolated ones (botocore,
#: endpoints.json).
_AWS_SUFFIXES: Final = (
    ".amazonaws.com",
    ".amazonaws.com.cn",
    ".amazonaws.eu",
    ".c2s.ic.gov",
    ".sc2s.sgov.gov",
    ".cloud.adc-e.uk",
    ".csp.hci.ic.gov",
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/-._~"


def encode_key(key: str) -> str:
    """Return a key in its URL form: all bytes of its UTF-8 escaped except unreserved ones and ``/``.

    Dot segments are kept, because S3 keys are not paths. Raises ValueError for an empty key.
    """
    if not key:
        raise ValueError("an object key may not be empty")
    return quote(key, safe=_PATH_SAFE)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One bucket at one address. ``host``: the name to connect to. ``host_header``: the header that is
    signed.
    """

    scheme: str
    host: str
    port: int
    host_header: str
    base_path: str

    @classmethod
    def of(cls, url: str, bucket: str, style: AddressingStyle, *, custom: bool) -> Self:
        """Return the endpoint of a bucket from a URL without a bucket.

        ``custom``: the URL was set by the user, so ``auto`` means path style. Raises ValueError for an
        invalid URL.
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
        """Whether requests use TLS."""
        return self.scheme == "https"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def path_of(self, key: str) -> str:
        """Return the escaped path of an object."""
        return f"{self.base_path}/{encode_key(key)}"

    @property
    def bucket_path(self) -> str:
        """The escaped path of the bucket itself."""
        return self.base_path or "/"

    def url(self, path: str, query: str = "") -> str:
        """Return the absolute URL of an escaped path."""
        return f"{self.scheme}://{self.host_header}{path}" + (f"?{query}" if query else "")
