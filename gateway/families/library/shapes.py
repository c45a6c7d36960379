"""The shapes of bodies and answers: files of every family."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from typing_extensions import TypedDict

from gateway.http.shapes import StrictBody, example
from gateway.operations.content_facts import ContentFacts, LossField
from gateway.operations.retention import LegalHold, StoredBody

FamilyName = Literal["files", "generations", "event_media", "profile_picture", "temp", "path"]
EXAMPLE_ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"
EXAMPLE_KEY = "paths/alice/reports/2026.pdf"
EXAMPLE_TIME = "2026-01-02T03:04:05.123456Z"
EXAMPLE: JsonDict = {
    "id": EXAMPLE_ID,
    "key": EXAMPLE_KEY,
    "family": "path",
    "filename": "2026.pdf",
    "content_type": "application/pdf",
    "size": 48213,
    "etag": "9a0364b9e99bb480dd25e1f0284c8555",
    "generation": 3,
    "visibility": "private",
    "metadata": {"user_id": "alice", "team": "a"},
    "url": "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/2026.pdf",
    "created_at": EXAMPLE_TIME,
    "updated_at": EXAMPLE_TIME,
    "expires_at": None,
    "deleted_at": None,
    "purge_at": None,
    "keep_until": "2033-01-02T03:04:05Z",
    "delete_after": None,
    "hold": None,
    "event_id": None,
    "title": None,
    "description": None,
    "tags": [],
    "generation_type": None,
    "prompt": None,
    "settings": None,
}
FileName = Annotated[str, Field(min_length=1, max_length=1024, description="Id or key.")]
MetadataName = Annotated[str, Field(pattern="^[a-z0-9_.-]{1,64}$")]
MetadataText = Annotated[str, Field(max_length=1024)]


@example(EXAMPLE)
class LibraryFile(ContentFacts):
    """A file of any family."""

    id: str
    key: str
    family: FamilyName
    filename: str
    content_type: str
    size: Annotated[int, Field(description="Bytes.")]
    etag: Annotated[str, Field(description="Entity tag of the bytes, without quotes.")]
    generation: Annotated[int, Field(description="From 1; raised by each edit and each replacement.")]
    visibility: Literal["private", "public"]
    metadata: Annotated[dict[str, str], Field(description="User metadata, and the family's own names.")]
    url: Annotated[
        str | None, Field(description="A link: anyone who has it can read the file. Null in the trash.")
    ]
    created_at: str
    updated_at: str
    expires_at: Annotated[str | None, Field(description="Temporary files: when it is deleted automatically.")]
    deleted_at: Annotated[str | None, Field(description="When it was moved to the trash.")]
    purge_at: Annotated[str | None, Field(description="In the trash: until when it can be restored.")]
    keep_until: Annotated[str | None, Field(description="It can't be deleted or replaced before this time.")]
    delete_after: Annotated[str | None, Field(description="The file is deleted automatically at this time.")]
    hold: Annotated[LegalHold | None, Field(description="A legal hold.")]
    event_id: Annotated[str | None, Field(description="Event media.")]
    title: Annotated[str | None, Field(description="Event media.")]
    description: Annotated[str | None, Field(description="Event media.")]
    tags: Annotated[list[str], Field(description="Event media.")]
    generation_type: Annotated[str | None, Field(description="Generations.")]
    prompt: Annotated[str | None, Field(description="Generations.")]
    settings: Annotated[Any, Field(description="Generations.")]
    data_loss: NotRequired[LossField]


class FileEdit(StrictBody):
    """A merge patch (RFC 7396): members left out stay as they are, ``null`` removes."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"filename": "report.pdf", "metadata": {"team": "b", "draft": None}}},
    )

    filename: Annotated[str, Field(min_length=1, max_length=255)] = Field(default="", description="New name.")
    visibility: Literal["private", "public"] = "private"
    metadata: Annotated[dict[MetadataName, MetadataText | None], Field(max_length=32)] | None = Field(
        default=None,
        description=(
            "Pairs to set; null removes a name; null instead of the object removes all user metadata."
        ),
    )
    title: Annotated[str, Field(max_length=255)] | None = Field(default=None, description="Event media.")
    description: Annotated[str, Field(max_length=4096)] | None = Field(
        default=None, description="Event media."
    )
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)] | None = (
        Field(default=None, description="Event media; all of them.")
    )


class CopyBody(StrictBody, StoredBody):
    """Properties of the copy. What is left out is taken from the source, except visibility."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"target": {"family": "path", "path": "reports/2027.pdf"}}},
    )

    target: dict[str, Any] | None = Field(
        default=None,
        description=(
            "`family` (files, generations, event_media, profile_picture, temp, path) and its form"
            " fields. Default: as the source; a file at a path needs a new `path`."
        ),
    )
    filename: Annotated[str, Field(max_length=255)] = ""
    metadata: Annotated[dict[MetadataName, MetadataText], Field(max_length=32)] | None = None
    visibility: Literal["private", "public"] | None = None
    replace: bool = Field(
        default=False, description="At a path: replace an existing file. Without it that is 412."
    )
    user_id: str | None = Field(default=None, description="Act for this user (admin role only).")


class BatchDeleteBody(StrictBody):
    """Up to 1,000 files, by id or key."""

    model_config = ConfigDict(json_schema_extra={"example": {"files": [EXAMPLE_ID]}})

    files: Annotated[list[FileName], Field(min_length=1, max_length=1000)]
    soft: bool = Field(default=False, description="Move to the trash.")
    user_id: str | None = Field(default=None, description="Act for this user (admin role only).")

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        if len(set(self.files)) != len(self.files):
            raise ValueError("a file is named twice")
        return self


class BatchDeleteResult(TypedDict):
    """One result: ``deleted``, or ``code`` and ``message``."""

    file: Annotated[str, Field(description="As named in the request.")]
    deleted: bool
    code: NotRequired[str]
    message: NotRequired[str]


@example(
    {
        "results": [
            {"file": EXAMPLE_ID, "deleted": True},
            {
                "file": EXAMPLE_KEY,
                "deleted": False,
                "code": "FILE_NOT_FOUND",
                "message": "There is no such file, or it is not yours.",
            },
        ],
        "deleted": 1,
        "failed": 1,
    }
)
class BatchDeleteResults(TypedDict):
    """One result per file, in the order given; they fail independently."""

    results: list[BatchDeleteResult]
    deleted: int
    failed: int


class LibraryFileDeleted(TypedDict):
    """The file is invisible now."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    deleted: Literal[True]
    purge_at: Annotated[
        str | None, Field(description="In the trash until this time; null: deleted for good.")
    ]


class LibraryList(TypedDict):
    """A page, newest first; with `delimiter` a page of a folder, in key order."""

    files: list[LibraryFile]
    folders: Annotated[
        list[str],
        Field(
            description=(
                "With `delimiter`: folders directly below the prefix, as full prefixes with their slash."
            )
        ),
    ]
    next_page_token: str | None


@example({"folder": "paths/alice/reports/", "deleted": 12, "bytes": 48213, "soft": False})
class FolderDeleted(TypedDict):
    """What was deleted; all files or none."""

    folder: str
    deleted: Annotated[int, Field(description="How many files.")]
    bytes: int
    soft: Annotated[bool, Field(description="Whether they are in the trash.")]


class TrashList(TypedDict):
    """A page of the trash, most recently deleted first."""

    files: list[LibraryFile]
    next_page_token: str | None


class TrashFilePurged(TypedDict):
    """The file was deleted for good."""

    id: Annotated[str, Field(examples=[EXAMPLE_ID])]
    purged: Literal[True]


@example({"purged": 12, "bytes": 48213, "more": False, "kept": 0})
class TrashEmptied(TypedDict):
    """What was deleted for good."""

    purged: Annotated[int, Field(description="How many files.")]
    bytes: int
    more: Annotated[bool, Field(description="Whether there are more files to delete: call again.")]
    kept: Annotated[int, Field(description="Files that were skipped: kept until a time, or on legal hold.")]


@example(
    {
        "user_id": "alice",
        "used_bytes": 48213,
        "reserved_bytes": 0,
        "file_count": 1,
        "limit_bytes": 1_000_000_000,
        "limit_files": None,
    }
)
class UsageAndQuota(TypedDict):
    """What the user has stored, and the limits."""

    user_id: str
    used_bytes: Annotated[int, Field(description="Of visible files; the trash does not count.")]
    reserved_bytes: Annotated[int, Field(description="Reserved by uploads in progress.")]
    file_count: int
    limit_bytes: Annotated[int | None, Field(description="Null: no limit.")]
    limit_files: Annotated[int | None, Field(description="Null: no limit.")]


class CostLine(TypedDict):
    """The objects of one family in one storage class."""

    storage_class: Annotated[
        str, Field(description="As recorded, or derived from the age at which objects are moved.")
    ]
    family: Annotated[str, Field(description="`project`: all versions of all projects.")]
    objects: Annotated[int, Field(description="Includes the trash, and objects waiting to be removed.")]
    bytes: int
    written: Annotated[int, Field(description="In the last 30 days.")]
    usd_per_gb_month: Annotated[float | None, Field(description="Null: no price is known for this class.")]
    usd_per_month: float


@example(
    {
        "lines": [
            {
                "storage_class": "STANDARD",
                "family": "file",
                "objects": 12,
                "bytes": 1_073_741_824,
                "written": 3,
                "usd_per_gb_month": 0.023,
                "usd_per_month": 0.023,
            }
        ],
        "bytes_by_class": {"STANDARD": 1_073_741_824},
        "storage_usd_per_month": 0.023,
        "write_usd_per_month": 0.000015,
        "usd_per_1000_writes": 0.005,
    }
)
class Costs(TypedDict):
    """Estimated cost per month of the stored objects, with the prices of the settings."""

    lines: list[CostLine]
    bytes_by_class: dict[str, int]
    storage_usd_per_month: float
    write_usd_per_month: Annotated[float, Field(description="Cost of the writes of the last 30 days.")]
    usd_per_1000_writes: float
