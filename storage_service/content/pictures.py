"""Refuses pictures of too many pixels, and files that are not the picture they claim to be.

A picture of a few kilobytes may claim billions of pixels, and a program that shows it allocates memory for
all of them. The module is separate from ``picture_sizes`` so that the process that reads media needn't import
gRPC for the error.
"""

from __future__ import annotations

from storage_service.content.picture_sizes import MOST_HEADER_BYTES, UNKNOWN, NoPicture, Size, size_of
from strongroom.errors import PictureRefused


def check_picture(content_type: str, head: bytes, limit: int) -> None:
    """Refuse a picture of more than ``limit`` pixels, and a file that is not a picture of its type.

    ``head``: the whole file, or as much of it as ``wants_more`` asks for. Raises PictureRefused.
    """
    try:
        size = size_of(content_type, head)
    except NoPicture as error:
        raise refused(content_type, "no_picture", limit) from error
    if size is None:
        raise refused(content_type, "no_picture", limit)
    if size != UNKNOWN and size.width * size.height > limit:
        raise refused(content_type, "pixels", limit, size)


def wants_more(content_type: str, head: bytes) -> bool:
    """Whether the size may stand behind ``head`` but still within ``MOST_HEADER_BYTES``."""
    try:
        return len(head) < MOST_HEADER_BYTES and size_of(content_type, head) is None
    except NoPicture:
        return False


def refused(content_type: str, rule: str, limit: int, size: Size | None = None) -> PictureRefused:
    """Return the error. ``rule``: ``pixels`` or ``no_picture``."""
    metadata = {"rule": rule, "limit": str(limit)}
    if size is None:
        told = f"the file is not a picture: it has no header of {content_type} that says how large it is"
        return PictureRefused(told, metadata=metadata)
    return PictureRefused(
        f"the picture has {size.width} x {size.height} pixels; at most {limit} are taken",
        metadata={**metadata, "width": str(size.width), "height": str(size.height)},
    )
