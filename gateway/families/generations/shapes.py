"""The shapes of bodies and answers: generated images and videos."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from gateway.http.shapes import example
from gateway.operations.content_facts import ContentFacts, LossField
from gateway.operations.retention import KeptFacts, StoredBody

GenerationKind = Literal["text-to-image", "text-to-video", "image-to-image", "image-to-video"]
EXAMPLE_ID = "3f0c6f3e-52c5-4d3c-8f43-6f5f6f9ad2f5"
EXAMPLE: JsonDict = {
    "id": EXAMPLE_ID,
    "user_id": "alice",
    "generation_type": "text-to-image",
    "s3_key": "alice/text-to-image/2026-01-02-7e57d004-2b97-4e7a-b45f-5387367791cd.png",
    "s3_url": "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/fox.png",
    "prompt": "a red fox in the snow",
    "settings": {"seed": 7, "steps": 30},
    "file_size": 48213,
    "content_type": "image/png",
    "created_at": "2026-01-02T03:04:05.123456Z",
    "updated_at": "2026-01-02T03:04:05.123456Z",
    "url": "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/fox.png",
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


class GenerationBody(StoredBody):
    """A generation to import from its provider."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE_BODY})

    url: Annotated[str, Field(min_length=1, max_length=8192)]
    type: GenerationKind
    prompt: Annotated[str, Field(max_length=32768)] | None = None
    settings: Any = Field(default=None, description="Any JSON; returned unchanged.")
    visibility: Literal["private", "public"] = Field(
        default="private",
        description="public: with a CDN configured, the file's URL is permanent and needs no signature.",
    )


class BatchBody(BaseModel):
    """Up to 50 generations to import in parallel."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE_BODY, EXAMPLE_BODY_2]}})

    items: Annotated[list[GenerationBody], Field(min_length=1, max_length=50)]


@example(EXAMPLE)
class Generation(ContentFacts, KeptFacts):
    """A generation."""

    id: str
    user_id: str
    generation_type: GenerationKind
    s3_key: str
    s3_url: Annotated[
        str | None, Field(description="A link: anyone who has it can read the file, until it is revoked.")
    ]
    prompt: str | None
    settings: Any
    file_size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    created_at: str
    updated_at: str
    url: Annotated[str | None, Field(description="The same as s3_url.")]
    s3Key: Annotated[str, Field(description="The same as s3_key.")]  # noqa: N815 - the contract's
    createdAt: Annotated[str, Field(description="The same as created_at.")]  # noqa: N815
    data_loss: NotRequired[LossField]


class SavedGeneration(TypedDict):
    """A generation that was saved."""

    success: Literal[True]
    message: str
    generation: Generation


class ImportedGeneration(SavedGeneration):
    """A generation that was imported from a URL."""

    externalUrl: str


class BatchResult(TypedDict):
    """One result of a batch: ``generation``, or ``message`` and ``code``."""

    success: bool
    generation: NotRequired[Generation]
    message: NotRequired[str]
    code: NotRequired[str]


class BatchResults(TypedDict):
    """One result per item, in the order given."""

    success: Literal[True]
    results: list[BatchResult]


class GenerationList(TypedDict):
    """A page, newest first."""

    success: Literal[True]
    generations: list[Generation]
    total: Annotated[int, Field(description="Total number of matches: exact; with a filter, up to 50,001.")]
    limit: int
    offset: int
    next_page_token: str | None


class OneGeneration(TypedDict):
    """One generation."""

    success: Literal[True]
    generation: Generation


class TypeStats(TypedDict):
    """Number and bytes."""

    count: int
    bytes: int


class DayStats(TypeStats):
    """Number and bytes of one day (UTC)."""

    date: str


class Stats(TypedDict):
    """Counts and bytes, from one snapshot."""

    total: int
    total_bytes: int
    by_type: dict[str, TypeStats]
    by_day: Annotated[list[DayStats], Field(description="The last 30 days, oldest first.")]
    estimated_monthly_cost_usd: float


class GenerationStats(TypedDict):
    """Counts and bytes."""

    success: Literal[True]
    stats: Stats


class SignedUrl(TypedDict):
    """A URL for reading. Permanent ones do not expire."""

    success: Literal[True]
    signedUrl: str
    expiresIn: int | None
    expiresAt: str | None


class Done(TypedDict):
    """The operation succeeded."""

    success: Literal[True]
    message: str
