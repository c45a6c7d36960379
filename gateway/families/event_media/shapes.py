"""The shapes of bodies and answers: media of events, profile pictures and temporary files."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from gateway.http.shapes import StrictBody, example
from gateway.operations.content_facts import ContentFacts, LossField
from gateway.operations.retention import KeptFacts

EXAMPLE_EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"
EXAMPLE_MEDIA = "9f3b6d58-2b5b-4a06-8a7e-1f4c8c1d2e3f"
EXAMPLE: JsonDict = {
    "id": EXAMPLE_MEDIA,
    "event_id": EXAMPLE_EVENT,
    "title": "First dance",
    "description": None,
    "file_url": "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/party.jpg",
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


@example(EXAMPLE)
class Media(ContentFacts, KeptFacts):
    """A medium of an event."""

    id: str
    event_id: str
    title: str | None
    description: str | None
    file_url: Annotated[
        str | None, Field(description="A link: anyone who has it can read the file, until it is revoked.")
    ]
    s3_key: str
    file_type: str
    file_size: Annotated[int, Field(description="Bytes.")]
    tags: list[str]
    created_at: str
    updated_at: str
    data_loss: NotRequired[LossField]


class MediaList(TypedDict):
    """A page, newest first."""

    items: list[Media]
    total: Annotated[int, Field(description="Total number of matches: exact; with a filter, up to 50,001.")]
    skip: int
    limit: int
    next_page_token: str | None


class MediaEdit(StrictBody):
    """The changes; members left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"example": {"title": "First dance", "tags": ["dance"]}})

    title: Title | None = None
    description: Description | None = None
    tags: Annotated[list[Tag], Field(max_length=32)] | None = None


class ProfilePicture(ContentFacts):
    """The user's picture."""

    id: str
    user_id: str
    file_url: str | None
    s3_key: str
    file_type: str
    file_size: Annotated[int, Field(description="Bytes.")]
    created_at: str
    updated_at: str


class TempFile(TypedDict):
    """A file that is deleted automatically."""

    id: str
    key: str
    url: str | None
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    filename: str
    created_at: str
    expires_at: str
