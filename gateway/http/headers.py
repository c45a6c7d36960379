"""Headers of a file's bytes: type, disposition, and policies that keep a browser from executing them.

``servicekit.presentation`` decides what may be shown inline, and how names and types are written.
"""

from __future__ import annotations

import base64
from typing import Final

from gateway.http.reply import Header, header
from servicekit.presentation import content_disposition, disposition_of, is_inert, media_type

SANDBOX: Final = "sandbox; default-src 'none'; frame-ancestors 'none'"
#: A project's front end runs its scripts in an origin of its own, without cookies, storage or parent, and can
#: fetch nothing from elsewhere.
PREVIEW_SANDBOX: Final = (
    "sandbox allow-scripts; default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'none';"
    " form-action 'none'; base-uri 'none'"
)


def content_headers(content_type: str, filename: str, *, corp: str, attachment: bool = False) -> list[Header]:
    """Type, disposition and browser policy of a file's bytes.

    ``attachment``: even if inline would be safe. ``corp``: value of Cross-Origin-Resource-Policy. All
    responses get ``X-Content-Type-Options`` elsewhere.
    """
    kind = media_type(content_type)
    disposition = disposition_of(kind, attachment=attachment)
    found = [
        header("content-type", kind),
        header("content-disposition", content_disposition(disposition, filename)),
        header("cross-origin-resource-policy", corp),
    ]
    if not is_inert(kind):
        found.append(header("content-security-policy", SANDBOX))
    return found


def digest_headers(crc32c: int, size: int, *, whole: bool) -> list[Header]:
    """The checksum of the whole file: ``Repr-Digest`` (RFC 9530, whose registry has ``crc32c``), and if the
    response is the ``whole`` file, the header that S3 clients compare.

    None if storage_service says 0: the file is sent otherwise than it is stored, and the checksum of that is
    not known.
    """
    if size and not crc32c:
        return []
    digest = base64.b64encode(crc32c.to_bytes(4, "big")).decode("ascii")
    found = [header("repr-digest", f"crc32c=:{digest}:")]
    return [*found, header("x-amz-checksum-crc32c", digest)] if whole else found


def preview_headers(content_type: str) -> list[Header]:
    """Type and browser policy of a file of a project's front end, shown in a frame.

    For a sandboxed page its own files are cross-origin, so the resource policy has to allow them.
    """
    return [
        header("content-type", media_type(content_type)),
        header("content-disposition", "inline"),
        header("cross-origin-resource-policy", "cross-origin"),
        header("content-security-policy", PREVIEW_SANDBOX),
    ]
