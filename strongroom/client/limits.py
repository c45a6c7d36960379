"""Limits of uploads."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.storage.v1 import diagnostics_service_pb2


@dataclass(frozen=True, slots=True)
class UploadLimit:
    """The limits of one kind of upload.

    ``max_size``: bytes. ``content_types``: exact or ``image/*``; empty: any. ``max_files``: of a project; 0
    for others.
    """

    max_size: int
    content_types: tuple[str, ...] = ()
    max_files: int = 0

    @classmethod
    def from_proto(cls, limit: diagnostics_service_pb2.UploadLimit) -> UploadLimit:
        """The value for a ``strongroom.storage.v1.UploadLimit``."""
        return cls(limit.max_size_bytes, tuple(limit.content_types), limit.max_files)

    def takes(self, content_type: str) -> bool:
        """Whether files of this type may be stored; ``content_type`` without parameters."""
        return not self.content_types or any(
            content_type.startswith(pattern[:-1]) if pattern.endswith("/*") else content_type == pattern
            for pattern in self.content_types
        )
