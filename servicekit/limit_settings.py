"""The largest sizes per family, and the counts of project saves; for all services that enforce them."""

from __future__ import annotations

from typing import Final

from pydantic import ByteSize, Field

from servicekit.settings import SettingsBase, aliases

MIB: Final = 1024 * 1024
#: S3 allows 5 TiB in one object; our part tables are made for it.
MAX_OBJECT_BYTES: Final = 5 * 1024 * 1024 * MIB


def _size(default: int, *names: str) -> ByteSize:
    """A size in bytes; the variable may be ``10MiB`` or ``10485760``."""
    value: ByteSize = Field(
        default=ByteSize(default),
        gt=0,
        le=MAX_OBJECT_BYTES,
        validation_alias=aliases(*names) if names else None,
    )
    return value


class LimitSettings(SettingsBase):
    """Bytes, inclusive. ``max_event_media_bytes`` is also read from ``MAX_FILE_SIZE``."""

    max_file_bytes: ByteSize = _size(5 * 1024 * MIB)
    max_generation_bytes: ByteSize = _size(100 * MIB)
    max_event_media_bytes: ByteSize = _size(10 * MIB, "STRONGROOM_MAX_EVENT_MEDIA_BYTES", "MAX_FILE_SIZE")
    max_profile_picture_bytes: ByteSize = _size(5 * MIB)
    max_temp_bytes: ByteSize = _size(100 * MIB)
    max_project_file_bytes: ByteSize = _size(10 * MIB)
    max_project_bytes: ByteSize = _size(100 * MIB)
    max_project_files: int = Field(default=5000, ge=1, le=100_000)
