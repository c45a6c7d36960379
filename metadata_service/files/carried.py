"""The spec in an object's own metadata, from which its rows can be restored (docs/backup.md).

S3 metadata contains the spec without what is stored elsewhere with the object: key, content type, and the
texts of `families.object_metadata` where they are complete. Stores accept 2 KiB in all and 256 bytes a value,
so the spec is cut into pieces, and long texts that don't fit are left out and named.

The spec is sealed, as links are, because S3 shows an object's metadata to everybody who gets the object,
through a signed URL or a CDN for example, and prompts are private. The key is derived from the secret of the
services; without it the spec is lost, but not the file.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.message import DecodeError

from servicekit.sealing import Sealed
from strongroom.metadata.v1.target_pb2 import UploadSpec

_LABEL: Final = b"strongroom objects 1"


class Sealing(Sealed):
    """One instance per process. `secret`: `STRONGROOM_INTERNAL_SECRET`; specs of `old` ones open, too."""

    def __init__(self, secret: bytes, *old: bytes) -> None:
        super().__init__(secret, _LABEL, *old)


SPEC_KEY: Final = "strongroom-spec-"
LEFT_OUT_KEY: Final = "strongroom-left-out"
#: Bytes of keys and values (S3 "Editing object metadata"), less some for keys that the database adds.
ROOM: Final = 2048 - 128
PIECE: Final = 240
#: Most bytes of one value in its header form; longer ones are cut by stores (docs/object-store.md).
WHOLE: Final = 256
_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
#: The first character says how the rest is encoded; inside of sealed content its first byte does.
_RAW, _PACKED, _SEALED = "0", "1", "2"

#: Fields that are left out, in this order, if the spec does not fit.
_EXPENDABLE: Final[tuple[tuple[str, Callable[[UploadSpec], None]], ...]] = (
    ("settings_json", lambda spec: spec.target.generation.ClearField("settings_json")),
    ("description", lambda spec: spec.target.event_media.ClearField("description")),
    ("prompt", lambda spec: spec.target.generation.ClearField("prompt")),
    ("metadata", lambda spec: spec.ClearField("metadata")),
    ("tags", lambda spec: spec.target.event_media.ClearField("tags")),
    ("filename", lambda spec: spec.ClearField("filename")),
)


def carry(spec: UploadSpec, known: Mapping[str, str], sealing: Sealing | None = None) -> dict[str, str]:
    """The metadata that stores the spec with the object.

    `known`: the object's other metadata, which has its `user_id` and `original_filename`. Without `sealing`
    everybody can read the result.
    """
    retention = spec.retention if spec.HasField("retention") else None
    carried = UploadSpec(metadata=spec.metadata, visibility=spec.visibility, retention=retention)
    carried.target.CopyFrom(spec.target)
    if carried.target.HasField("path"):
        carried.target.path.ClearField("path")
    if not _is_whole(spec.user_id):
        carried.user_id = spec.user_id
    if not _is_whole(spec.filename):
        carried.filename = spec.filename
    room = ROOM - sum([len(key) + min(_header_bytes(text), WHOLE) for key, text in known.items()])
    left_out: list[str] = []
    for name, leave_out in (("", None), *_EXPENDABLE):
        if leave_out is not None:
            before = carried.ByteSize()
            if _has(carried, name):
                leave_out(carried)
            if carried.ByteSize() == before:
                continue
            left_out.append(name)
        pieces = _pieces(carried, sealing)
        if left_out:
            pieces[LEFT_OUT_KEY] = ",".join(left_out)
        if sum([len(key) + len(text) for key, text in pieces.items()]) <= room:
            return pieces
    return {LEFT_OUT_KEY: "spec"}


def carried(
    metadata: Mapping[str, str], sealing: Sealing | None = None
) -> tuple[UploadSpec | None, list[str]]:
    """The spec in `metadata`, and the names of fields that were left out.

    The spec is None if there is none, it is damaged, or it is sealed with another secret.
    """
    left_out = [name for name in metadata.get(LEFT_OUT_KEY, "").split(",") if name]
    text = ""
    for number in range(1, len(metadata) + 1):
        text += metadata.get(f"{SPEC_KEY}{number}", "")
    if not text:
        return None, left_out
    try:
        mark, raw = text[0], base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4))
        if mark == _SEALED:
            if sealing is None:
                return None, left_out
            raw = sealing.open(raw)
            mark, raw = chr(raw[0]), raw[1:]
        spec = UploadSpec.FromString(zlib.decompress(raw) if mark == _PACKED else raw)
    except (binascii.Error, ValueError, zlib.error, DecodeError):
        return None, left_out
    return (spec if spec.target.WhichOneof("target") else None), left_out


def _has(spec: UploadSpec, name: str) -> bool:
    """Whether the spec has this part. Clearing a field of another family would create that
    family's message.
    """
    if name in {"settings_json", "prompt"}:
        return spec.target.HasField("generation")
    if name in {"description", "tags"}:
        return spec.target.HasField("event_media")
    return True


def _pieces(spec: UploadSpec, sealing: Sealing | None) -> dict[str, str]:
    raw = spec.SerializeToString(deterministic=True)
    packed = zlib.compress(raw, 9)
    mark, body = (_PACKED, packed) if len(packed) < len(raw) else (_RAW, raw)
    if sealing is not None:
        mark, body = _SEALED, sealing.seal(mark.encode() + body)
    text = mark + base64.urlsafe_b64encode(body).decode().rstrip("=")
    return {
        f"{SPEC_KEY}{number}": text[at : at + PIECE]
        for number, at in enumerate(range(0, len(text), PIECE), 1)
    }


def _is_whole(text: str) -> bool:
    """Whether the object's own metadata contains all of the text."""
    return _header_bytes(text) <= WHOLE


def _header_bytes(text: str) -> int:
    if _PLAIN.fullmatch(text) and "=?" not in text and "  " not in text:
        return len(text)
    return 12 + -(-len(text.encode("utf-8", "replace")) // 3) * 4
