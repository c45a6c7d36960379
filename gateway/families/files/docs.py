"""Family B: plain files."""

from __future__ import annotations

from gateway.families.files.shapes import (
    EXAMPLE_KEY,
    FileDeleted,
    FileExists,
    FileList,
    FileMetadata,
    FileUrl,
    UploadedFile,
)
from gateway.operations.docs import (
    BINARY,
    CHECKSUM_HEADERS,
    CONDITIONS,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
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

TITLE = "Files"

TEXT = (
    "Plain files under `uploads/`, `documents/` and `audio/`. A `{key}` contains slashes;"
    " send them plain or as `%2F`. If a key itself ends in `/url`, `/metadata` or"
    " `/exists`, write that last slash as `%2F`."
)

JSON = "application/json"

KEY = in_path("key", "The file's key.", {"type": "string", "minLength": 1, "maxLength": 1024}, EXAMPLE_KEY)

DOCS = {
    "upload": Doc(
        "Store a file",
        {201: Success("Stored: durable, listed and readable", {JSON: UploadedFile})},
        description=(
            "The file is streamed to the store. If the body ends before its final boundary, or"
            " its checksum or type is refused, nothing is stored."
        ),
        errors=UPLOAD_ERRORS,
        parameters=(IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": {**BINARY, "description": "The file, with its name and type."},
                "folder": {
                    "type": "string",
                    "enum": ["uploads", "documents", "audio"],
                    "default": "uploads",
                    "description": "documents: PDF, office, text and e-book types; audio: audio types.",
                },
                "class_id": {
                    "type": "string",
                    "maxLength": 128,
                    "description": "The class a recording belongs to; required for audio, refused elsewhere.",
                },
                "visibility": VISIBILITY,
                **WISHES,
            },
            required=("file",),
            example={"folder": "uploads", "file": "(the bytes)"},
        ),
    ),
    "list_files": Doc(
        "List files",
        polled("A page, in key order", {JSON: FileList}),
        description="The caller's own files. Pages are stable while files are added.",
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            IF_NONE_MATCH,
            query("prefix", "Only keys with this prefix.", {"type": "string", "maxLength": 1024}, "uploads/"),
            query(
                "delimiter",
                "Only what is directly below the prefix: files, and `folders` as full prefixes.",
                {"type": "string", "enum": ["/"]},
                "/",
            ),
            query(
                "max_keys",
                "Maximum number of results; a value over 1000 is lowered to 1000.",
                {"type": "integer", "minimum": 0, "default": 100},
                50,
            ),
            query("continuation_token", "next_continuation_token of the previous page.", {"type": "string"}),
            query("page_token", "Same as continuation_token.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "file_url": Doc(
        "A URL for reading",
        {200: Success("The URL", {JSON: FileUrl})},
        errors=("FILE_NOT_FOUND", "OBJECT_STORE_NO_CREDENTIALS"),
        parameters=(
            KEY,
            query(
                "expires_in",
                "Validity in seconds.",
                {"type": "integer", "minimum": 1, "maximum": 604800, "default": 3600},
                3600,
            ),
            USER_ID,
        ),
    ),
    "file_metadata": Doc(
        "Get a file's metadata",
        {200: Success("The metadata", {JSON: FileMetadata})},
        errors=("FILE_NOT_FOUND",),
        parameters=(KEY, USER_ID),
    ),
    "file_exists": Doc(
        "Does a file exist?",
        {200: Success("Whether it exists", {JSON: FileExists})},
        parameters=(KEY, USER_ID),
    ),
    "file_content": Doc(
        "Read a file",
        {
            200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
            206: Success(
                "The requested range", {"*/*": BINARY}, {**FILE_HEADERS, "Content-Range": "Which bytes."}
            ),
            304: Success("Not modified"),
        },
        description="HEAD returns the same headers without the bytes.",
        errors=READ_ERRORS,
        parameters=(KEY, *RANGE_HEADERS, USER_ID),
    ),
    "delete_file": Doc(
        "Delete a file",
        {200: Success("Deleted; no longer visible", {JSON: FileDeleted})},
        errors=("FILE_NOT_FOUND", "PRECONDITION_FAILED", "RETENTION_HELD"),
        parameters=(
            KEY,
            SOFT,
            *CONDITIONS,
            USER_ID,
        ),
    ),
}
