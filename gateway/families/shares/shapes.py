"""The shapes of bodies and answers: shares, for their owners."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NotRequired, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from gateway.http.fields import canonical
from gateway.http.shapes import Moment, StrictBody, example
from gateway.operations.retention import StoredBody, Wished

EXAMPLE_ID = "5b0c3f8e-6c1d-4d5e-9a70-0c4f5d2b7a11"
EXAMPLE_EVENT = "0b7c2d1e-7f0f-4a8e-9a43-3f7f0f1f9b11"
EXAMPLE_URL = "https://files.example.com/s/n3N0mG1fTq9vX2c7pQk4dB1sZ0E"
MAX_SECONDS = 3_153_600_000


Id = Annotated[str, AfterValidator(canonical), Field(json_schema_extra={"format": "uuid"})]
Title = Annotated[str, Field(max_length=255, description="Shown to guests.")]
Uses = Annotated[int, Field(ge=0, le=2**31 - 1, description="How often it can be opened; 0: unlimited.")]
Seconds = Annotated[int, Field(ge=0, le=MAX_SECONDS, description="Validity in seconds; 0: unlimited.")]
End = Annotated[Moment, Field(description="Expiry, RFC 3339; instead of expires_in.")]
UserId = Annotated[str | None, Field(description="Act for this user (admin role only).")]


class DropBody(StrictBody, StoredBody):
    """Where guests' files go (below `path`, to an event, or into a folder), their limits, retention and
    storage class.
    """

    path: Annotated[
        str | None,
        Field(
            min_length=1, max_length=512, description="Store below this path, each file under its own name."
        ),
    ] = None
    event_id: Annotated[Id | None, Field(description="Store as media of this event.")] = None
    folder: Literal["uploads", "documents", "audio"] | None = None
    class_id: Annotated[
        str | None, Field(max_length=128, description="Required for the folder audio, refused for others.")
    ] = None
    max_files: Annotated[int, Field(ge=1, le=100_000, description="Maximum for all files together.")] = 100
    max_bytes: Annotated[int, Field(ge=1, le=2**62, description="Maximum for all files together.")] = 1 << 30
    max_file_bytes: Annotated[
        int | None,
        Field(ge=1, le=2**62, description="Maximum size of a file. Default: as for all files together."),
    ] = None
    content_types: list[Annotated[str, Field(max_length=255)]] = Field(
        default_factory=list,
        max_length=32,
        description="Accepted types, such as `image/png` or `image/*`; none: all.",
    )

    @model_validator(mode="after")
    def _has_one_place(self) -> Self:
        if sum(value is not None for value in (self.path, self.event_id, self.folder)) != 1:
            raise ValueError("Say where the files go by path, event_id or folder, one of them.")
        if (self.class_id is not None) != (self.folder == "audio"):
            raise ValueError("class_id is required for the folder audio, and not allowed for others.")
        return self


class ShareBody(StrictBody):
    """A share to create, of exactly one thing."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {"event_id": EXAMPLE_EVENT, "title": "Our party", "expires_in": 604_800}
        }
    )

    file_id: Annotated[Id | None, Field(description="A file, with whatever content it has.")] = None
    event_id: Annotated[Id | None, Field(description="The caller's media of an event.")] = None
    prefix: Annotated[
        str | None, Field(min_length=1, max_length=1024, description="Files whose keys begin with this.")
    ] = None
    project: Annotated[
        str | None, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,127}$", description="A project, by its slug.")
    ] = None
    version: Annotated[
        int, Field(ge=0, le=2**62, description="Version of the project; 0: the current newest.")
    ] = 0
    drop: Annotated[DropBody | None, Field(description="Guests upload files, and see none.")] = None
    title: Title = ""
    password: Annotated[
        str, Field(min_length=1, max_length=256, description="What guests have to enter; left out: nothing.")
    ] = ""
    expires_in: Seconds = 0
    expires_at: End | None = None
    max_uses: Uses = 0
    user_id: UserId = None

    @model_validator(mode="after")
    def _shares_one_thing(self) -> Self:
        scopes = (self.file_id, self.event_id, self.prefix, self.project, self.drop)
        if sum(value is not None for value in scopes) != 1:
            raise ValueError("Share one thing: file_id, event_id, prefix, project or drop.")
        if self.version and self.project is None:
            raise ValueError("version is allowed only with project.")
        _one_end(self.expires_in, self.expires_at)
        return self


class ShareEditBody(StrictBody):
    """The changes; members left out stay as they are."""

    model_config = ConfigDict(json_schema_extra={"example": {"expires_in": 86_400}})

    title: Title | None = None
    password: Annotated[
        str | None,
        Field(
            max_length=256,
            description="A new password; empty: none. Current guests have to open the share again.",
        ),
    ] = None
    expires_in: Seconds | None = None
    expires_at: End | None = None
    max_uses: Uses | None = None
    user_id: UserId = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        changes = (self.title, self.password, self.expires_in, self.expires_at, self.max_uses)
        if all(value is None for value in changes):
            raise ValueError("Send at least one of title, password, expires_in, expires_at, max_uses.")
        _one_end(self.expires_in or 0, self.expires_at)
        return self


def _one_end(seconds: int, moment: datetime | None) -> None:
    if seconds and moment is not None:
        raise ValueError("Send expires_in or expires_at, one of them.")


class DropRules(TypedDict):
    """Where guests' files go, their limits, and how many have arrived."""

    path: str | None
    event_id: str | None
    folder: str | None
    class_id: str | None
    max_files: int
    max_bytes: int
    max_file_bytes: int
    content_types: list[str]
    retention: Annotated[Wished | None, Field(description="Retention of what guests upload.")]
    storage_class: Annotated[
        str | None, Field(description="Storage class of what guests upload; null: the default.")
    ]
    files: Annotated[int, Field(description="Number of files that guests have uploaded.")]
    bytes: Annotated[int, Field(description="Their total size in bytes.")]


@example(
    {
        "id": EXAMPLE_ID,
        "scope": "event",
        "file_id": None,
        "event_id": EXAMPLE_EVENT,
        "prefix": None,
        "project": None,
        "version": None,
        "drop": None,
        "title": "Our party",
        "has_password": False,
        "expires_at": "2026-01-09T03:04:05Z",
        "max_uses": 0,
        "uses": 3,
        "state": "active",
        "created_at": "2026-01-02T03:04:05Z",
        "updated_at": "2026-01-02T03:04:05Z",
        "last_used_at": "2026-01-03T03:04:05Z",
        "revoked_at": None,
        "url": EXAMPLE_URL,
    }
)
class Share(TypedDict):
    """A share, without its token."""

    id: str
    scope: Literal["file", "event", "prefix", "project", "drop"]
    file_id: str | None
    event_id: str | None
    prefix: str | None
    project: str | None
    version: int | None
    drop: DropRules | None
    title: str
    has_password: bool
    expires_at: str | None
    max_uses: int
    uses: int
    state: Literal["active", "revoked", "expired", "used_up"]
    created_at: str
    updated_at: str
    last_used_at: str | None
    revoked_at: str | None
    url: NotRequired[
        Annotated[
            str | None, Field(description="Only in the response that creates it; it can't be shown again.")
        ]
    ]


class ShareList(TypedDict):
    """A page, newest first."""

    shares: list[Share]
    next_page_token: str | None
