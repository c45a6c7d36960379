"""Facts about a file's content in responses: media info of pictures, videos and sounds (docs/media.md), the
result of the malware scan (docs/scanning.md), and whether its bytes are lost or damaged.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Final, Literal, NotRequired, TypeAlias, cast

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.shapes import rfc3339
from strongroom.enum_words import enum_word
from strongroom.metadata.v1.file_pb2 import DataLoss, File
from strongroom.metadata.v1.scan_pb2 import Scan, ScanOutcome

_TURNED: Final = "of pictures and videos, once they have been read, soon after the upload"

Word: TypeAlias = Literal["lost", "corrupt"]
LossField: TypeAlias = Annotated[
    Word,
    Field(
        description=(
            "Only for a file whose bytes are missing (`lost`) or damaged (`corrupt`) in the"
            " object store: reading it is OBJECT_LOST."
        )
    ),
]


class ScanResult(TypedDict):
    """The malware scanner's result for the content."""

    outcome: Annotated[
        Literal["clean", "unscanned", "infected"],
        Field(
            description="unscanned: stored without a scan, scanned later. infected: reading it is refused."
        ),
    ]
    scanned_at: NotRequired[str]
    database: NotRequired[Annotated[str, Field(description="Scanner and signature versions.")]]
    signature: NotRequired[Annotated[str, Field(description="What was found.", examples=["Eicar-Signature"])]]
    cause: NotRequired[
        Annotated[str, Field(description="Why it is unscanned: `size`, `scanner`; none: not scanned yet.")]
    ]


class ContentFacts(TypedDict):
    """Members of pictures, videos and sounds, and the scan; each only where there is something to say."""

    width: NotRequired[
        Annotated[
            int,
            Field(description=f"Width in pixels, {_TURNED}. As stored: see `orientation`.", examples=[4032]),
        ]
    ]
    height: NotRequired[Annotated[int, Field(description="Height in pixels, like `width`.", examples=[3024])]]
    orientation: NotRequired[
        Annotated[
            int,
            Field(
                ge=1,
                le=8,
                description=(
                    "EXIF orientation (browsers apply it themselves). From 5 on the picture is shown with"
                    " width and height exchanged."
                ),
            ),
        ]
    ]
    duration: NotRequired[
        Annotated[float, Field(description="Duration in seconds, of videos and audio.", examples=[12.48])]
    ]
    taken_at: NotRequired[
        Annotated[
            str,
            Field(
                description="ISO 8601; local time without an offset if the camera recorded none.",
                examples=["2026-01-02T03:04:05+01:00"],
            ),
        ]
    ]
    thumbhash: NotRequired[
        Annotated[
            str,
            Field(
                description=(
                    "ThumbHash in base64: a placeholder of about 25 bytes to show until the picture is"
                    " loaded."
                ),
                examples=["1QcSHQRnh493V4dIh4eXh1h4kJUI"],
            ),
        ]
    ]
    has_location: NotRequired[
        Annotated[
            bool,
            Field(
                description=(
                    "Only if true: the file says where the picture was taken. Readers of links and shares"
                    " get it without the location."
                )
            ),
        ]
    ]
    scan: NotRequired[
        Annotated[
            ScanResult, Field(description="Only if there is a scanner; in lists only for infected files.")
        ]
    ]


def loss_word(loss: DataLoss.ValueType) -> Word:
    """As ``enum_word``, typed as the words of the shape that this release knows."""
    return cast("Word", enum_word(DataLoss.DESCRIPTOR, loss))


def add_facts(shown: ContentFacts, file: File) -> None:
    """Add the members that the file has to a response."""
    media = file.media
    if media.width and media.height:
        shown["width"], shown["height"] = media.width, media.height
    if media.orientation:
        shown["orientation"] = media.orientation
    if media.duration_millis:
        shown["duration"] = media.duration_millis / 1000
    if media.taken_at:
        shown["taken_at"] = media.taken_at
    if media.thumbhash:
        shown["thumbhash"] = base64.b64encode(media.thumbhash).decode()
    if media.has_location:
        shown["has_location"] = True
    if file.HasField("scan"):
        shown["scan"] = _scan(file.scan)


def _scan(scan: Scan) -> ScanResult:
    outcome = enum_word(ScanOutcome.DESCRIPTOR, scan.outcome)
    shown: ScanResult = {"outcome": outcome}  # type: ignore[typeddict-item]  # the words of the shape
    if scan.HasField("scan_time"):
        shown["scanned_at"] = rfc3339(scan.scan_time)
    if scan.database:
        shown["database"] = scan.database
    if scan.signature:
        shown["signature"] = scan.signature
    if scan.cause:
        shown["cause"] = scan.cause
    return shown


def facts_text(file: File) -> str:
    """The same as JSON members to append to a hand-written object: ``""``, or text that begins
    with a comma.
    """
    if not (file.HasField("media") or file.HasField("scan")):
        return ""
    shown: ContentFacts = {}
    add_facts(shown, file)
    return f",{json.dumps(shown, separators=(',', ':'))[1:-1]}" if shown else ""
