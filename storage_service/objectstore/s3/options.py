"""What the S3 adapter has to be told; bootstrap makes it out of the process's settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from storage_service.objectstore.values import MIB

AddressingStyle = Literal["auto", "path", "virtual"]
PayloadSigning = Literal["auto", "always", "never"]
Encryption = Literal["off", "AES256", "aws:kms"]
MultipartChecksum = Literal["auto", "full_object", "composite", "parts", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Options:
    """One bucket of one store, and how to talk to it. Times are seconds, sizes bytes.

    ``endpoint_url``: None is AWS. ``public_endpoint_url``: the name under which clients reach the store;
    signed URLs are made for it. ``use_iam_role``: credentials from botocore's provider chain (environment,
    profile, web identity, container, instance), renewed by it; otherwise the static ones.

    ``addressing_style`` auto: path where an endpoint URL is set, else virtual hosts.

    ``sign_payload``: whether the SHA-256 of a body is part of its signature, which costs 0.54 CPU s/GiB.
    ``auto`` leaves it out over TLS, which protects the body itself, and on loopback, where nobody sits in
    between; over plain http on a network it signs. ``never`` on such a network lets anybody in between change
    bodies and their checksums unseen.

    ``multipart_checksum``: how CRC-32C accompanies multipart uploads. ``full_object`` declares it at creation
    and verifies the whole object at completion (AWS; MinIO since 2025); ``composite`` declares it without a
    full-object value; ``parts`` sends it with each part without declaring it (Swift, Ceph); ``off`` sends
    none. ``auto`` is full_object on AWS and parts elsewhere. ``content_md5`` adds Content-MD5 to bodies, for
    stores that verify nothing else (1.2 CPU s/GiB).

    ``max_key_bytes``: the longest key the store holds, as it stands in a URL; a longer one is not sent.

    ``conditional_writes``: off for stores that answer If-None-Match with an error.

    Memory: bodies being sent belong to the caller; each open download holds at most two chunks of
    ``read_chunk_size``; the light path adds about 100 KiB for each of its ``max_writes + max_reads``
    connections.

    ``max_attempts`` counts the first one. ``connect_timeout``, ``read_timeout`` bound one network operation
    (a body may take its time as long as it moves); ``reply_timeout`` the wait for a whole answer's head,
    however slowly it drips, to which Complete and server-side copies add what their size may take, up to
    ``slow_reply_timeout``. All tries of one call wait for twice ``reply_timeout`` at the most.
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

    @property
    def on_aws(self) -> bool:
        """Amazon's own S3 rather than a store that speaks its protocol."""
        return self.endpoint_url is None or ".amazonaws.com" in self.endpoint_url

    @property
    def checksum_mode(self) -> Literal["full_object", "composite", "parts", "off"]:
        """``multipart_checksum`` with ``auto`` resolved."""
        if self.multipart_checksum == "auto":
            return "full_object" if self.on_aws else "parts"
        return self.multipart_checksum
