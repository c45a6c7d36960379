"""The shapes of bodies and answers: project trees."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from gateway.http.shapes import StrictBody, example
from gateway.operations.retention import KeptFacts, KeptObjectsBody


class TreeFile(BaseModel):
    """One file of a tree."""

    path: str = Field(description="Relative, with `/`; no `..`, no empty segments.", examples=["src/app.py"])
    content: str
    encoding: Literal["utf-8", "base64"] = "utf-8"
    executable: bool | None = Field(
        default=None,
        description="The executable bit. Default: as in the newest version.",
    )


class LabelledBody(BaseModel):
    """What is said of the new version, here or in the query."""

    version_name: Annotated[str | None, Field(max_length=255, description="A name for the new version.")] = (
        None
    )
    message: Annotated[str | None, Field(max_length=4096, description="What changed, and why.")] = None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(
        default=None,
        max_length=32,
        description="Tags of the new version. A version with tags is never pruned.",
    )


class SaveBody(KeptObjectsBody, LabelledBody):
    """A tree to save. Send name and slug before files."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "My site",
                "slug": "my-site",
                "files": [{"path": "index.html", "content": "<h1>Hello</h1>"}],
            }
        }
    )

    name: Annotated[str, Field(max_length=255)]
    slug: Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,127}$")]
    user_id: str | None = None
    expected_version: Annotated[
        int | None,
        Field(ge=0, le=2**53, description="Same as in the query: the version that the caller has seen."),
    ] = None
    files: list[TreeFile]


class PatchBody(StrictBody, KeptObjectsBody, LabelledBody):
    """Changes to a project: paths in neither files nor removed stay as they are."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "expected_version": 3,
                "files": [{"path": "index.html", "content": "<h1>Hello again</h1>"}],
                "removed": ["old.html"],
            }
        }
    )

    name: Annotated[str | None, Field(max_length=255, description="Default: unchanged.")] = None
    user_id: str | None = None
    expected_version: Annotated[
        int | None,
        Field(ge=0, le=2**53, description="Same as in the query: the version that the caller has seen."),
    ] = None
    files: list[TreeFile] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list, description="Paths that the next version does not have.")


class RollbackBody(StrictBody, LabelledBody):
    """The version whose content becomes the newest again."""

    model_config = ConfigDict(json_schema_extra={"example": {"version": 1}})

    version: Annotated[int, Field(ge=1, le=2**53, strict=True)]
    expected_version: Annotated[int, Field(ge=0, le=2**53, strict=True)] | None = None


class VersionEdit(StrictBody):
    """Labels of a version. Members left out stay as they are; null removes."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"name": "Launch", "message": "As shown.", "tags": ["release"]}}
    )

    name: Annotated[str, Field(max_length=255)] | None = None
    message: Annotated[str, Field(max_length=4096)] | None = None
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] | None = Field(default=None, max_length=32)


class RuleBody(StrictBody):
    """Which old versions are kept, besides those with a name or a tag."""

    model_config = ConfigDict(json_schema_extra={"example": {"keep_last": 20, "keep_daily_days": 30}})

    keep_last: Annotated[
        int,
        Field(ge=0, le=1_000_000, strict=True, description="Number of newest versions to keep; 0: all."),
    ]
    keep_daily_days: Annotated[
        int,
        Field(
            ge=0,
            le=36_600,
            strict=True,
            description="Also keep the last version of each day (UTC), for this many days.",
        ),
    ] = 0


class Rule(TypedDict):
    """The rule in effect for a project."""

    success: Literal[True]
    keep_last: int
    keep_daily_days: int
    own: Annotated[
        bool, Field(description="Whether it is the project's own rule; false: that of the settings.")
    ]


class SavedProject(TypedDict):
    """The saved version."""

    name: str
    slug: str
    user_id: str
    files_count: int
    version: int


class Saved(TypedDict):
    """The response to a save."""

    success: Literal[True]
    message: str
    project: SavedProject


class ListedProject(TypedDict):
    """A project in a list."""

    name: str
    slug: str
    created_date: Annotated[float, Field(description="Seconds since 1970, UTC.")]
    created_date_formatted: Annotated[str, Field(description="YYYY-MM-DD HH:MM, UTC.")]
    preview_url: Annotated[
        str,
        Field(
            description="Shows the newest version in an `<iframe>`, for 15 minutes, without a bearer token."
        ),
    ]
    editor_url: str
    has_frontend: bool
    has_backend: bool
    tech_stack: list[str]
    file_count: int
    version: int
    updated_at: str


class ProjectList(TypedDict):
    """A page, newest change first."""

    success: Literal[True]
    projects: list[ListedProject]
    count: Annotated[int, Field(description="Exact total.")]
    next_page_token: str | None


class ProjectMetadata(TypedDict):
    """When it was saved, and by whom."""

    created_date: str
    updated_date: str
    user_id: str
    project_slug: str


class ReadTreeFile(TypedDict):
    """One file of a tree, as returned."""

    path: Annotated[str, Field(examples=["src/app.py"])]
    content: str
    encoding: Literal["utf-8", "base64"]
    executable: NotRequired[Annotated[Literal[True], Field(description="The executable bit; absent: false.")]]


class ProjectTree(KeptFacts):
    """A version with all its files; how long the project stays with all its versions."""

    name: str
    slug: str
    version: int
    files: list[ReadTreeFile]
    metadata: ProjectMetadata


class OneProject(TypedDict):
    """One version of a project."""

    success: Literal[True]
    project: ProjectTree


class NamedTreeFile(TypedDict):
    """One file of a tree, without its content."""

    path: Annotated[str, Field(examples=["src/app.py"])]
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    sha256: Annotated[str, Field(description="SHA-256 of the content, in hex.")]
    executable: bool
    updated_at: Annotated[str, Field(description="When this content was saved.")]


class TreeListing(TypedDict):
    """All files of a version by name, in order of path."""

    success: Literal[True]
    version: int
    files: list[NamedTreeFile]


class Version(TypedDict):
    """One version."""

    version: int
    created_at: str
    files_count: int
    total_bytes: int
    added: int
    changed: int
    removed: int
    rolled_back_to: int | None
    name: str | None
    message: str | None
    tags: list[str]


class OneVersion(TypedDict):
    """One version."""

    success: Literal[True]
    version: Version


class VersionList(TypedDict):
    """All versions, newest first."""

    success: Literal[True]
    versions: list[Version]


PREVIEW_URL_EXAMPLE: PreviewUrl = {
    "success": True,
    "preview_url": "http://127.0.0.1:8080/api/preview/eyJhbGciOiJIUzI1NiJ9.eyJzbHVnIjoibXktc2l0ZSJ9.c2ln/",
    "version": 3,
    "expires_in": 900,
    "expires_at": "2026-01-02T04:04:05Z",
}


@example(PREVIEW_URL_EXAMPLE)
class PreviewUrl(TypedDict):
    """A URL for an `<iframe>`."""

    success: Literal[True]
    preview_url: Annotated[
        str, Field(description="Relative to the gateway; the start page. Relative links work in it.")
    ]
    version: int
    expires_in: Annotated[int, Field(description="Seconds.")]
    expires_at: str


class Done(TypedDict):
    """The operation succeeded."""

    success: Literal[True]
    message: str
