"""The shapes of bodies and answers: direct uploads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gateway.http.shapes import StrictBody

MAX_PARTS = 10_000


Base64 = Annotated[str, Field(max_length=64, description="Base64 of the checksum's bytes.")]
Seconds = Annotated[int, Field(ge=1, le=604_800, description="Validity of the URLs in seconds.")]
PartNumber = Annotated[int, Field(ge=1, le=MAX_PARTS)]
PartCount = Annotated[int, Field(ge=1, description="Number of parts to sign; a value over 1,000 is lowered.")]


class WholeChecksums(StrictBody):
    """Checksums of the whole file; each is verified before it becomes visible."""

    crc32c: Base64 | None = Field(default=None, description="Big-endian.")
    md5: Base64 | None = None
    sha1: Base64 | None = None
    sha256: Base64 | None = None


class DirectBody(StrictBody):
    """A file to be uploaded."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "target": {"family": "files", "folder": "uploads"},
                "filename": "film.mp4",
                "content_type": "video/mp4",
                "size": 1_073_741_824,
            }
        }
    )

    target: dict[str, Any] = Field(
        description=(
            "`family` (files, generations, event_media, profile_picture, temp, path) and its form"
            " fields, including `visibility` and retention (`keep_until`, …)."
        )
    )
    filename: Annotated[str, Field(max_length=1024)] = ""
    content_type: Annotated[str, Field(max_length=255)] = ""
    size: Annotated[int, Field(ge=0, le=2**63 - 1, description="Exact size in bytes.")]
    checksum: WholeChecksums | None = None
    part_checksums: Annotated[dict[PartNumber, Base64], Field(max_length=1000)] = Field(
        default_factory=dict,
        description="CRC-32C of parts by number; their URLs then accept only these bytes.",
    )
    part_count: PartCount = 100
    expires_in: Seconds = 3600
    user_id: str | None = None


class PartsBody(StrictBody):
    """Which parts to sign."""

    model_config = ConfigDict(json_schema_extra={"example": {"first_part": 101, "part_count": 100}})

    first_part: PartNumber = 1
    part_count: PartCount = 100
    expires_in: Seconds = 3600
    part_checksums: Annotated[dict[PartNumber, Base64], Field(max_length=1000)] = Field(default_factory=dict)


class SentPart(BaseModel):
    """A part that was uploaded to S3. Clients may send the signed part with what S3 has answered."""

    part_number: PartNumber
    etag: Annotated[
        str, Field(min_length=1, max_length=255, description="ETag from S3's response, quoted or not.")
    ]


class CompleteBody(StrictBody):
    """All parts, in order."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"parts": [{"part_number": 1, "etag": "9a0364b9e99bb480dd25e1f0284c8555"}]}
        }
    )

    parts: Annotated[list[SentPart], Field(max_length=MAX_PARTS)]


class SignedPart(TypedDict):
    """Where one part goes: PUT exactly these bytes with exactly these headers."""

    part_number: int
    url: str
    headers: dict[str, str]
    offset: int
    size: int


class PostForm(TypedDict):
    """For HTML forms: the fields to send before the file, in this order."""

    url: str
    fields: dict[str, str]


class DirectUpload(TypedDict):
    """A direct upload and some of its URLs."""

    upload_id: str
    part_size: Annotated[int, Field(description="Size of every part but the last, in bytes.")]
    part_total: Annotated[int, Field(description="Total number of parts.")]
    parts: Annotated[list[SignedPart], Field(description="The signed parts. A small file has a single one.")]
    post: Annotated[PostForm | None, Field(description="Small files only.")]
    expires_at: Annotated[str | None, Field(description="When the URLs expire.")]


class StoredFile(TypedDict):
    """The file."""

    id: str
    key: str
    family: str
    url: Annotated[str | None, Field(description="A link: anyone who has it can read the file.")]
    filename: str
    size: int
    content_type: str
    etag: str
    metadata: dict[str, str]
    created_at: str


class UploadState(TypedDict):
    """The progress of an upload."""

    upload_id: str
    status: Literal["open", "finished"]
    size: Annotated[int | None, Field(description="Bytes, once known.")]
    received: Annotated[
        int, Field(description="Bytes that are stored durably; 0 for a direct upload until it is complete.")
    ]
    part_size: int
    created_at: str | None
    expires_at: Annotated[str | None, Field(description="When it is removed if nothing more arrives.")]
    file: StoredFile | None


class CompletedUpload(TypedDict):
    """The upload is a file now."""

    upload_id: str
    file: StoredFile
