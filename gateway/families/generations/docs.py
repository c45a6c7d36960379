"""Family A: generated images and videos."""

from __future__ import annotations

from gateway.families.generations.shapes import (
    EXAMPLE_ID,
    BatchBody,
    BatchResults,
    Done,
    GenerationBody,
    GenerationList,
    GenerationStats,
    ImportedGeneration,
    OneGeneration,
    SavedGeneration,
    SignedUrl,
)
from gateway.operations.docs import (
    BINARY,
    CHECKSUM_HEADERS,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    RANGE_HEADERS,
    READ_ERRORS,
    SOFT,
    STORE_ERRORS,
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
from gateway.operations.filters import SETTINGS_DOC

TITLE = "Generations"

TEXT = (
    "Generated images and videos. They are imported from a provider's URL, which will"
    " expire, or uploaded by the caller."
)

JSON = "application/json"

ID = in_path("id", "The generation's id.", {"type": "string", "format": "uuid"}, EXAMPLE_ID)

TYPE = {"type": "string", "enum": ["text-to-image", "text-to-video", "image-to-image", "image-to-video"]}

IMPORT_ERRORS = ("SOURCE_URL_REFUSED", "SOURCE_URL_FAILED", "SIZE_MISMATCH", "PICTURE_REFUSED", *STORE_ERRORS)

DOCS = {
    "create_generation": Doc(
        "Import a generation from a URL",
        {201: Success("Downloaded and stored", {JSON: ImportedGeneration})},
        description=(
            "Retried on connection errors, timeouts and 5xx, never on 4xx: up to 3 tries, two"
            " minutes in all. The URL must be http or https and lead to public addresses only."
        ),
        errors=IMPORT_ERRORS,
        parameters=(IDEMPOTENCY_KEY, USER_ID),
        body=GenerationBody,
    ),
    "upload_generation": Doc(
        "Store a generation",
        {201: Success("Stored", {JSON: SavedGeneration})},
        errors=(*UPLOAD_ERRORS, "PICTURE_REFUSED"),
        parameters=(IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": {**BINARY, "description": "An image or a video."},
                "type": TYPE,
                "prompt": {"type": "string", "maxLength": 32768},
                "settings": {"type": "string", "description": "JSON text; returned unchanged."},
                "visibility": VISIBILITY,
                **WISHES,
            },
            required=("file", "type"),
            example={"type": "text-to-image", "prompt": "a red fox", "file": "(the bytes)"},
        ),
    ),
    "import_generations": Doc(
        "Import up to 50 generations",
        {200: Success("One result per item, in the order given", {JSON: BatchResults})},
        description="They run in parallel, and fail independently of each other.",
        parameters=(IDEMPOTENCY_KEY, USER_ID),
        body=BatchBody,
    ),
    "list_generations": Doc(
        "List generations",
        polled("A page, newest first", {JSON: GenerationList}),
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            IF_NONE_MATCH,
            query("type", "Only this type.", TYPE, "text-to-image"),
            *FILTERS,
            SETTINGS_DOC,
            query(
                "limit",
                "Page size; a value over 100 is lowered to 100.",
                {"type": "integer", "minimum": 1, "default": 20},
            ),
            query(
                "offset",
                "Rows to skip. This is slow; prefer page_token.",
                {"type": "integer", "minimum": 0, "maximum": 100000, "default": 0},
            ),
            query("page_token", "next_page_token of the previous page.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "generation_stats": Doc(
        "Counts and bytes",
        polled("Counts and bytes, from one snapshot", {JSON: GenerationStats}),
        parameters=(IF_NONE_MATCH, USER_ID),
    ),
    "get_generation": Doc(
        "One generation",
        {200: Success("The generation", {JSON: OneGeneration})},
        errors=("FILE_NOT_FOUND",),
        parameters=(ID, USER_ID),
    ),
    "generation_url": Doc(
        "A URL for reading",
        {200: Success("The URL", {JSON: SignedUrl})},
        errors=("FILE_NOT_FOUND", "OBJECT_STORE_NO_CREDENTIALS"),
        parameters=(
            ID,
            query(
                "expiresIn",
                "Validity in seconds.",
                {"type": "integer", "minimum": 1, "maximum": 604800, "default": 3600},
            ),
            USER_ID,
        ),
    ),
    "generation_content": Doc(
        "Read a generation",
        {
            200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
            206: Success("The requested range", {"*/*": BINARY}, FILE_HEADERS),
            304: Success("Not modified"),
        },
        description="For `<img>` and `<video>`. HEAD returns the same headers without the bytes.",
        errors=READ_ERRORS,
        parameters=(ID, *RANGE_HEADERS, USER_ID),
    ),
    "delete_generation": Doc(
        "Delete a generation",
        {200: Success("Deleted", {JSON: Done})},
        errors=("FILE_NOT_FOUND", "RETENTION_HELD"),
        parameters=(ID, SOFT, USER_ID),
    ),
}
