"""Family C: media of events, profile pictures and temporary files."""

from __future__ import annotations

from gateway.families.event_media.shapes import (
    EXAMPLE_EVENT,
    EXAMPLE_MEDIA,
    Media,
    MediaEdit,
    MediaList,
    ProfilePicture,
    TempFile,
)
from gateway.operations.docs import (
    BINARY,
    CHECKSUM_HEADERS,
    CONDITIONS,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    IF_MATCH_REVISION,
    IF_NONE_MATCH,
    RANGE_HEADERS,
    READ_ERRORS,
    SOFT,
    UPLOAD_ERRORS,
    USER_ID,
    VISIBILITY,
    WISHES,
    Doc,
    Success,
    form,
    in_path,
    polled,
    query,
)
from gateway.operations.filters import DOCS as FILTERS

TITLE = "Event media"

TEXT = "Photos, videos and documents of events; profile pictures; temporary files."

JSON = "application/json"

UUID = {"type": "string", "format": "uuid"}

EVENT = in_path("event_id", "The event.", UUID, EXAMPLE_EVENT)

MEDIUM = in_path("media_id", "The medium.", UUID, EXAMPLE_MEDIA)

BYTES = {
    200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
    206: Success("The requested range", {"*/*": BINARY}, FILE_HEADERS),
    304: Success("Not modified"),
}

FILE = {**BINARY, "description": "The file, with its name and type."}

DOCS = {
    "create_event_media": Doc(
        "Store a medium",
        {201: Success("Stored", {JSON: Media}, {"ETag": "The medium's revision, for If-Match."})},
        errors=(*UPLOAD_ERRORS, "PICTURE_REFUSED"),
        parameters=(EVENT, IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": FILE,
                "title": {"type": "string", "maxLength": 255},
                "description": {"type": "string", "maxLength": 4096},
                "tags": {"type": "string", "description": "Comma-separated; up to 32 of 64 characters."},
                "visibility": VISIBILITY,
                **WISHES,
            },
            required=("file",),
            example={"title": "First dance", "tags": "dance,evening", "file": "(the bytes)"},
        ),
    ),
    "list_event_media": Doc(
        "List an event's media",
        polled("A page, newest first", {JSON: MediaList}),
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            EVENT,
            IF_NONE_MATCH,
            query(
                "file_type",
                "An exact type, or a wildcard; anything else is 422.",
                {"type": "string"},
                "image/*",
            ),
            *FILTERS,
            query("tag", "Only media with this tag.", {"type": "string", "maxLength": 64}, "dance"),
            query(
                "skip",
                "Rows to skip. This is slow; prefer page_token.",
                {"type": "integer", "minimum": 0, "maximum": 100000, "default": 0},
            ),
            query(
                "limit",
                "Page size; a value over 100 is lowered to 100.",
                {"type": "integer", "minimum": 1, "default": 100},
            ),
            query("page_token", "next_page_token of the previous page.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "get_event_media": Doc(
        "One medium",
        {200: Success("The medium", {JSON: Media}, {"ETag": ("The medium's revision, for If-Match.")})},
        errors=("FILE_NOT_FOUND",),
        parameters=(EVENT, MEDIUM, USER_ID),
    ),
    "update_event_media": Doc(
        "Edit a medium",
        {
            200: Success(
                "The edited medium", {JSON: Media}, {"ETag": ("The medium's revision, for If-Match.")}
            )
        },
        errors=("FILE_NOT_FOUND", "PRECONDITION_FAILED"),
        parameters=(
            EVENT,
            MEDIUM,
            IF_MATCH_REVISION,
            USER_ID,
        ),
        body=MediaEdit,
    ),
    "download_event_media": Doc(
        "Download a medium",
        BYTES,
        description="Always an attachment, with the original file name.",
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
        {204: Success("Deleted")},
        errors=("FILE_NOT_FOUND", "RETENTION_HELD"),
        parameters=(EVENT, MEDIUM, SOFT, IF_MATCH_REVISION, USER_ID),
    ),
    "put_profile_picture": Doc(
        "Replace the profile picture",
        {
            200: Success(
                "Replaced. Readers see either the old or the new one, never none", {JSON: ProfilePicture}
            )
        },
        errors=(*UPLOAD_ERRORS, "PICTURE_REFUSED", "RETENTION_HELD"),
        parameters=(IDEMPOTENCY_KEY, *CONDITIONS, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {"file": FILE, "visibility": VISIBILITY, **WISHES},
            required=("file",),
            example={"file": "(the bytes)"},
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
        {204: Success("Deleted")},
        errors=("FILE_NOT_FOUND", "RETENTION_HELD"),
        parameters=(*CONDITIONS, USER_ID),
    ),
    "create_temp_file": Doc(
        "Store a temporary file",
        {201: Success("Stored until expires_at", {JSON: TempFile})},
        errors=(*UPLOAD_ERRORS, "PICTURE_REFUSED"),
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
