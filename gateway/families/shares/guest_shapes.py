"""The shapes of answers to guests."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.shapes import example

EXAMPLE_ITEM = "9f3b6d58-2b5b-4a06-8a7e-1f4c8c1d2e3f"


class SharedFile(TypedDict):
    """A file that guests can read."""

    name: str
    content_type: str
    size: int
    updated_at: str
    url: Annotated[str, Field(description="Relative to the gateway; needs the same cookie.")]


@example(
    {
        "kind": "event",
        "title": "Our party",
        "needs": None,
        "expires_at": "2026-01-09T03:04:05Z",
        "files": [
            {
                "name": "party.jpg",
                "content_type": "image/jpeg",
                "size": 48213,
                "updated_at": "2026-01-02T03:04:05Z",
                "url": f"/s/n3N0mG1fTq9vX2c7pQk4dB1sZ0E/file/{EXAMPLE_ITEM}",
            }
        ],
        "next_page_token": None,
    }
)
class SharedPage(TypedDict):
    """A share as guests see it, with a page of its files."""

    kind: Literal["file", "event", "prefix", "project", "drop"]
    title: str
    needs: Annotated[
        Literal["password", "opening"] | None,
        Field(description="What a guest has to POST first; null: nothing."),
    ]
    expires_at: str | None
    files: list[SharedFile]
    next_page_token: str | None


class DroppedFile(TypedDict):
    """The result for one file."""

    name: str
    stored: bool
    size: NotRequired[int]
    content_type: NotRequired[str]
    code: NotRequired[Annotated[str, Field(description="Why it was not stored: an ErrorReason.")]]
    detail: NotRequired[str]


@example({"files": [{"name": "a.jpg", "stored": True, "size": 48213, "content_type": "image/jpeg"}]})
class Dropped(TypedDict):
    """The results for the files that were sent, and for no others."""

    files: list[DroppedFile]
