"""What a session's bytes are: decided when the first ones are at hand, before the object is begun."""

from __future__ import annotations

from collections.abc import Sequence

from storage_service.content_types import SNIFF_BYTES, ContentRules
from storage_service.objects import Chunk
from strongroom.metadata.v1.target_pb2 import UploadSpec
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_PARTIAL, Session


class Content:
    """The families' rules, for uploads whose bytes come later."""

    def __init__(self, rules: ContentRules) -> None:
        self._rules = rules

    def declared(self, spec: UploadSpec) -> str:
        """The type as far as it is known without bytes. Raises ContentTypeNotAllowed for a declared one."""
        return self._rules.declared(spec)

    def decide(self, session: Session, head: bytes) -> str:
        """The type to store, seen its first bytes. Raises ContentTypeMismatch, ContentTypeNotAllowed.

        A piece of a file is of no type.
        """
        if session.kind == SESSION_KIND_PARTIAL:
            return session.blob.content_type
        return self._rules.describe(session.blob.spec, head)


def head_of(chunks: Sequence[Chunk]) -> bytes:
    """The first bytes, as many as deciding takes."""
    head = b""
    for chunk in chunks:
        head += bytes(chunk[: SNIFF_BYTES - len(head)])
        if len(head) >= SNIFF_BYTES:
            break
    return head
