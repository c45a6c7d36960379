"""Family A: generated images and videos."""

from __future__ import annotations

from typing import Annotated, Any, Literal

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
)

TITLE = "Generations"
TEXT = (
    "Generated images and videos. Their bytes sit at a provider's URL that will expire, and are pulled into"
    " the bucket; or the caller sends them itself."
)
JSON = "application/json"
GenerationKind = Literal["text-to-image", "text-to-video", "image-to-image", "image-to-video"]
EXAMPLE_ID = "3f0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
EXAMPLE: JsonDict = {
    "id": EXAMPLE_ID,
    "user_id": "alice",
    "generation_type": "text-to-image",
    "s3_key": "alice/text-to-image/2026-01-02-7e57d004-2b97-4e7a-b45f-5387367791cd.png",
    "s3_url": "https://bucket.s3.eu-central-1.amazonaws.com/alice/text-to-image/…?X-Amz-Signature=…",
    "prompt": "a red fox in the snow",
    "settings": {"seed": 7, "steps": 30},
    "file_size": 48213,
    "content_type": "image/png",
    "created_at": "2026-01-02T03:04:05.123456Z",
    "updated_at": "2026-01-02T03:04:05.123456Z",
    "url": "https://bucket.s3.eu-central-1.amazonaws.com/alice/text-to-image/…?X-Amz-Signature=…",
    "s3Key": "alice/text-to-image/2026-01-02-7e57d004-2b97-4e7a-b45f-5387367791cd.png",
    "createdAt": "2026-01-02T03:04:05.123456Z",
}

EXAMPLE_BODY: JsonDict = {
    "url": "https://provider.example/result.png",
    "type": "text-to-image",
    "prompt": "a red fox in the snow",
    "settings": {"seed": 7},
}
EXAMPLE_BODY_2: JsonDict = {"url": "https://provider.example/walk.mp4", "type": "text-to-video"}


class GenerationBody(BaseModel):
    """A generation to pull from its provider."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_BODY})

    url: Annotated[str, Field(min_length=1, max_length=8192)]
    type: GenerationKind
    prompt: Annotated[str, Field(max_length=32768)] | None = None
    settings: Any = Field(default=None, description="Any JSON; comes back as it was.")
    visibility: Literal["private", "public"] = Field(
        default="private",
        description="public: with a CDN configured, the file's URL is permanent and needs no signature.",
    )


class BatchBody(BaseModel):
    """Up to 50 generations to pull side by side."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE_BODY, EXAMPLE_BODY_2]}})

    items: Annotated[list[GenerationBody], Field(min_length=1, max_length=50)]


class Generation(BaseModel):
    """A generation."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    user_id: str
    generation_type: GenerationKind
    s3_key: str
    s3_url: str | None = Field(description="Signed, good for an hour; permanent for public files.")
    prompt: str | None
    settings: Any
    file_size: int = Field(description="Bytes.")
    content_type: str
    created_at: str
    updated_at: str
    url: str | None = Field(description="The same as s3_url.")
    s3Key: str = Field(description="The same as s3_key.")  # noqa: N815 - the clients' name
    createdAt: str = Field(description="The same as created_at.")  # noqa: N815 - the clients' name


class SavedGeneration(BaseModel):
    """A generation that was saved."""

    success: Literal[True]
    message: str
    generation: Generation


class ImportedGeneration(SavedGeneration):
    """A generation that was pulled from a URL."""

    externalUrl: str  # noqa: N815 - the clients' name


class BatchResult(BaseModel):
    """One result of a batch: ``generation``, or ``message`` and ``code``."""

    success: bool
    generation: Generation | None = None
    message: str | None = None
    code: str | None = None


class BatchResults(BaseModel):
    """One result per item, in the order given."""

    success: Literal[True]
    results: list[BatchResult]


class GenerationList(BaseModel):
    """A page, newest first."""

    success: Literal[True]
    generations: list[Generation]
    total: int = Field(description="How many match in all, exact.")
    limit: int
    offset: int
    next_page_token: str | None


class OneGeneration(BaseModel):
    """One generation."""

    success: Literal[True]
    generation: Generation


class TypeStats(BaseModel):
    """Number and bytes."""

    count: int
    bytes: int


class DayStats(TypeStats):
    """Number and bytes of one day (UTC)."""

    date: str


class Stats(BaseModel):
    """All of one instant."""

    total: int
    total_bytes: int
    by_type: dict[str, TypeStats]
    by_day: list[DayStats] = Field(description="The last 30 days, oldest first.")
    estimated_monthly_cost_usd: float


class GenerationStats(BaseModel):
    """Counts and bytes."""

    success: Literal[True]
    stats: Stats


class SignedUrl(BaseModel):
    """A URL for reading. Permanent ones have no end."""

    success: Literal[True]
    signedUrl: str  # noqa: N815 - the clients' name
    expiresIn: int | None  # noqa: N815 - the clients' name
    expiresAt: str | None  # noqa: N815 - the clients' name


class Done(BaseModel):
    """It is done."""

    success: Literal[True]
    message: str


ID = in_path("id", "The generation's id.", {"type": "string", "format": "uuid"}, EXAMPLE_ID)
TYPE = {"type": "string", "enum": ["text-to-image", "text-to-video", "image-to-image", "image-to-video"]}
STORE_ERRORS = (
    "SIZE_LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "FILE_COUNT_EXCEEDED",
    "CONTENT_TYPE_MISMATCH",
    "CONTENT_TYPE_NOT_ALLOWED",
    "PICTURE_REFUSED",
    "IDEMPOTENCY_KEY_REUSED",
    "REQUEST_IN_PROGRESS",
    "UPLOAD_SUPERSEDED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
IMPORT_ERRORS = ("SOURCE_URL_REFUSED", "SOURCE_URL_FAILED", "SIZE_MISMATCH", *STORE_ERRORS)

DOCS = {
    "create_generation": Doc(
        "Pull a generation from a URL",
        {201: Success("Downloaded and stored", {JSON: ImportedGeneration})},
        description=(
            "Tried up to 3 times on connection errors, time-outs and 5xx, never on 4xx; two minutes in all."
            " The URL must be http or https and lead to public addresses only."
        ),
        errors=IMPORT_ERRORS,
        parameters=(IDEMPOTENCY_KEY, USER_ID),
        body=GenerationBody,
    ),
    "upload_generation": Doc(
        "Store a generation",
        {201: Success("Stored", {JSON: SavedGeneration})},
        errors=("UPLOAD_INCOMPLETE", "UNSUPPORTED_MEDIA_TYPE", "CHECKSUM_MISMATCH", *STORE_ERRORS),
        parameters=(IDEMPOTENCY_KEY, *CHECKSUM_HEADERS, USER_ID),
        body=form(
            {
                "file": {**BINARY, "description": "An image or a video."},
                "type": TYPE,
                "prompt": {"type": "string", "maxLength": 32768},
                "settings": {"type": "string", "description": "JSON text; comes back as it was."},
                "visibility": VISIBILITY,
            },
            required=("file", "type"),
            example={"type": "text-to-image", "prompt": "a red fox", "file": "(the bytes)"},
        ),
    ),
    "import_generations": Doc(
        "Pull up to 50 generations",
        {200: Success("One result per item, in the order given", {JSON: BatchResults})},
        description="Run side by side; one failure spoils no other.",
        parameters=(IDEMPOTENCY_KEY, USER_ID),
        body=BatchBody,
    ),
    "list_generations": Doc(
        "List generations",
        {200: Success("A page, newest first", {JSON: GenerationList})},
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            query("type", "Only this type.", TYPE, "text-to-image"),
            query("limit", "Over 100 is lowered to 100.", {"type": "integer", "minimum": 1, "default": 20}),
            query(
                "offset",
                "Rows to pass over: the slow way; prefer page_token.",
                {"type": "integer", "minimum": 0, "maximum": 100000, "default": 0},
            ),
            query("page_token", "next_page_token of the page before.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "generation_stats": Doc(
        "Counts and bytes",
        {200: Success("Of one instant", {JSON: GenerationStats})},
        parameters=(USER_ID,),
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
                "Seconds that it holds.",
                {"type": "integer", "minimum": 1, "maximum": 604800, "default": 3600},
            ),
            USER_ID,
        ),
    ),
    "generation_content": Doc(
        "Read a generation",
        {
            200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
            206: Success("The range asked for", {"*/*": BINARY}, FILE_HEADERS),
            304: Success("Not modified"),
        },
        description="For `<img>` and `<video>`. HEAD answers the same without the bytes.",
        errors=(
            "FILE_NOT_FOUND",
            "PRECONDITION_FAILED",
            "RANGE_NOT_SATISFIABLE",
            "OBJECT_LOST",
            "OBJECT_STORE_UNAVAILABLE",
        ),
        parameters=(ID, *RANGE_HEADERS, USER_ID),
    ),
    "delete_generation": Doc(
        "Delete a generation",
        {200: Success("Row and object both go", {JSON: Done})},
        errors=("FILE_NOT_FOUND",),
        parameters=(ID, USER_ID),
    ),
}
