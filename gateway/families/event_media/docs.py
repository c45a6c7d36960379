"""Family C: media of events, profile pictures and temporary files."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from gateway.operations.docs import (
    BINARY,
    CHECKSUM_HEADERS,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    RANGE_HEADERS,
    USER_ID,
    VISIBILITY,
    Doc,
    Success,
    form,
    in_path,
    query,
    request_header,
)

TITLE = "Event media"
TEXT = "Photos, videos and documents of events; the user's profile picture; files that go away by themselves."
JSON = "application/json"
EXAMPLE_EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"
EXAMPLE_MEDIA = "9f3b6d58-2b5b-4a06-8a7e-1f4c8c1d2e3f"
EXAMPLE: JsonDict = {
    "id": EXAMPLE_MEDIA,
    "event_id": EXAMPLE_EVENT,
    "title": "First dance",
    "description": None,
    "file_url": "https://bucket.s3.eu-central-1.amazonaws.com/events/…?X-Amz-Signature=…",
    "s3_key": f"events/{EXAMPLE_EVENT}/media/2026/01/02/030405_123456.jpg",
    "file_type": "image/jpeg",
    "file_size": 48213,
    "tags": ["dance", "evening"],
    "created_at": "2026-01-02T03:04:05.123456Z",
    "updated_at": "2026-01-02T03:04:05.123456Z",
}
Title = Annotated[str, Field(max_length=255)]
Description = Annotated[str, Field(max_length=4096)]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


class Media(BaseModel):
    """A medium of an event."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    event_id: str
    title: str | None
    description: str | None
    file_url: str | None = Field(description="Signed, good for an hour; permanent for public files.")
    s3_key: str
    file_type: str
    file_size: int = Field(description="Bytes.")
    tags: list[str]
    created_at: str
    updated_at: str


class MediaList(BaseModel):
    """A page, newest first."""

    items: list[Media]
    total: int = Field(description="How many match in all, exact.")
    skip: int
    limit: int
    next_page_token: str | None


class MediaEdit(BaseModel):
    """What is to change; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "First dance", "tags": ["dance"]}})

    title: Title | None = None
    description: Description | None = None
    tags: Annotated[list[Tag], Field(max_length=32)] | None = None


class ProfilePicture(BaseModel):
    """The user's picture."""

    id: str
    user_id: str
    file_url: str | None
    s3_key: str
    file_type: str
    file_size: int = Field(description="Bytes.")
    created_at: str
    updated_at: str


class TempFile(BaseModel):
    """A file that goes away by itself."""

    id: str
    key: str
    url: str | None
    size: int = Field(description="Bytes.")
    content_type: str
    filename: str
    created_at: str
    expires_at: str


UUID = {"type": "string", "format": "uuid"}
EVENT = in_path("event_id", "The event.", UUID, EXAMPLE_EVENT)
MEDIUM = in_path("media_id", "The medium.", UUID, EXAMPLE_MEDIA)
STORE_ERRORS = (
    "UPLOAD_INCOMPLETE",
    "SIZE_LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "FILE_COUNT_EXCEEDED",
    "UNSUPPORTED_MEDIA_TYPE",
    "CHECKSUM_MISMATCH",
    "CONTENT_TYPE_MISMATCH",
    "CONTENT_TYPE_NOT_ALLOWED",
    "PICTURE_REFUSED",
    "IDEMPOTENCY_KEY_REUSED",
    "REQUEST_IN_PROGRESS",
    "UPLOAD_SUPERSEDED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
READ_ERRORS = (
    "FILE_NOT_FOUND",
    "PRECONDITION_FAILED",
    "RANGE_NOT_SATISFIABLE",
    "OBJECT_LOST",
    "OBJECT_STORE_UNAVAILABLE",
)
BYTES = {
    200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
    206: Success("The range asked for", {"*/*": BINARY}, FILE_HEADERS),
    304: Success("Not modified"),
}
FILE = {**BINARY, "description": "The file, with its name and type."}

DOCS = {
    "create_event_media": Doc(
        "Store a medium",
        {201: Success("Stored", {JSON: Media}, {"ETag": "Of the medium, for If-Match."})},
        errors=STORE_ERRORS,
        parameters=(EVENT, IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": FILE,
                "title": {"type": "string", "maxLength": 255},
                "description": {"type": "string", "maxLength": 4096},
                "tags": {"type": "string", "description": "Comma-separated; up to 32 of 64 characters."},
                "visibility": VISIBILITY,
            },
            required=("file",),
            example={"title": "First dance", "tags": "dance,evening", "file": "(the bytes)"},
        ),
    ),
    "list_event_media": Doc(
        "List an event's media",
        {200: Success("A page, newest first", {JSON: MediaList})},
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            EVENT,
            query("file_type", "Exact, or a wildcard.", {"type": "string"}, "image/*"),
            query("tag", "Only media with this tag.", {"type": "string", "maxLength": 64}, "dance"),
            query(
                "skip",
                "Rows to pass over: the slow way; prefer page_token.",
                {"type": "integer", "minimum": 0, "maximum": 100000, "default": 0},
            ),
            query("limit", "Over 100 is lowered to 100.", {"type": "integer", "minimum": 1, "default": 100}),
            query("page_token", "next_page_token of the page before.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "get_event_media": Doc(
        "One medium",
        {200: Success("The medium", {JSON: Media}, {"ETag": "Of the medium, for If-Match."})},
        errors=("FILE_NOT_FOUND",),
        parameters=(EVENT, MEDIUM, USER_ID),
    ),
    "update_event_media": Doc(
        "Edit a medium",
        {200: Success("After the edit", {JSON: Media}, {"ETag": "Of the medium, for If-Match."})},
        errors=("FILE_NOT_FOUND", "PRECONDITION_FAILED"),
        parameters=(
            EVENT,
            MEDIUM,
            request_header("If-Match", "Only if the medium still has this entity tag."),
            USER_ID,
        ),
        body=MediaEdit,
    ),
    "download_event_media": Doc(
        "Download a medium",
        BYTES,
        description="Always an attachment, under the original file name.",
        errors=READ_ERRORS,
        parameters=(EVENT, MEDIUM, *RANGE_HEADERS, USER_ID),
    ),
    "stream_event_media": Doc(
        "Play a medium",
        BYTES,
        description="Inline, for players; seeking works.",
        errors=READ_ERRORS,
        parameters=(EVENT, MEDIUM, *RANGE_HEADERS, USER_ID),
    ),
    "delete_event_media": Doc(
        "Delete a medium",
        {204: Success("Row and object both go")},
        errors=("FILE_NOT_FOUND",),
        parameters=(EVENT, MEDIUM, USER_ID),
    ),
    "put_profile_picture": Doc(
        "Replace the profile picture",
        {200: Success("Readers see the old or the new one, never none", {JSON: ProfilePicture})},
        errors=STORE_ERRORS,
        parameters=(*CHECKSUM_HEADERS, USER_ID),
        body=form(
            {"file": FILE, "visibility": VISIBILITY}, required=("file",), example={"file": "(the bytes)"}
        ),
    ),
    "get_profile_picture": Doc(
        "Read the profile picture",
        BYTES,
        errors=READ_ERRORS,
        parameters=(*RANGE_HEADERS, USER_ID),
    ),
    "delete_profile_picture": Doc(
        "Delete the profile picture",
        {204: Success("Gone")},
        errors=("FILE_NOT_FOUND",),
        parameters=(USER_ID,),
    ),
    "create_temp_file": Doc(
        "Store a temporary file",
        {201: Success("Stored until expires_at", {JSON: TempFile})},
        errors=STORE_ERRORS,
        parameters=(IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": FILE,
                "ttl_seconds": {"type": "integer", "minimum": 1, "maximum": 2592000, "default": 86400},
                "visibility": VISIBILITY,
            },
            required=("file",),
            example={"ttl_seconds": 3600, "file": "(the bytes)"},
        ),
    ),
}
