"""The shapes of bodies and answers: links."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from gateway.http.fields import canonical
from gateway.http.shapes import StrictBody, example

EXAMPLE_KEY = "uploads/alice/7e57d004-2b97-4e7a-b45f-5387367791cd.png"
EXAMPLE_LINK = "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/cat.png"
EXAMPLE_ID = "7e57d004-2b97-4e7a-b45f-5387367791cd"


FileId = Annotated[
    str, AfterValidator(canonical), Field(description="UUID of the file.", examples=[EXAMPLE_ID])
]
Key = Annotated[
    str, Field(min_length=1, max_length=1024, description="The file's key.", examples=[EXAMPLE_KEY])
]
UserId = Annotated[str | None, Field(description="Act for this user (admin role only).")]


class LinkBody(StrictBody):
    """A link to make: to a file by id or by key."""

    model_config = ConfigDict(json_schema_extra={"example": {"key": EXAMPLE_KEY, "expires_in": 86_400}})

    file_id: FileId | None = None
    key: Key | None = None
    expires_in: Annotated[
        int | None,
        Field(
            ge=0,
            le=2**31 - 1,
            description=(
                "Minimum validity in seconds; 0: until it is revoked. Default: as for the file's family."
            ),
        ),
    ] = None
    scope: Annotated[
        Literal["version", "newest"],
        Field(
            description=(
                "version: stops working when the content is replaced; newest: always reads the"
                " current content."
            )
        ),
    ] = "version"
    attachment: Annotated[bool, Field(description="Browsers save the file, whatever its type.")] = False
    user_id: UserId = None

    @model_validator(mode="after")
    def _names_one_file(self) -> Self:
        if (self.file_id is None) == (self.key is None):
            raise ValueError("Name the file by file_id or by key, one of them.")
        return self


class LinkBatchBody(StrictBody):
    """Links to make: to up to 1,000 files by id and 100 by key."""

    model_config = ConfigDict(json_schema_extra={"example": {"file_ids": [EXAMPLE_ID], "expires_in": 86_400}})

    file_ids: Annotated[list[FileId], Field(max_length=1000)] = Field(default_factory=list)
    keys: Annotated[list[Key], Field(max_length=100)] = Field(default_factory=list)
    expires_in: Annotated[int | None, Field(ge=0, le=2**31 - 1, description="As for a single link.")] = None
    scope: Annotated[Literal["version", "newest"], Field(description="As for a single link.")] = "version"
    attachment: Annotated[bool, Field(description="Browsers save the files, whatever their type.")] = False
    user_id: UserId = None

    @model_validator(mode="after")
    def _names_files(self) -> Self:
        if not self.file_ids and not self.keys:
            raise ValueError("Name files by file_ids or by keys.")
        return self


class RevokeBody(StrictBody):
    """The links to revoke: those of a file by id or by key, or of all files."""

    model_config = ConfigDict(json_schema_extra={"example": {"key": EXAMPLE_KEY}})

    file_id: FileId | None = None
    key: Key | None = None
    all: Annotated[bool, Field(description="Every link to every file of the caller.")] = False
    user_id: UserId = None

    @model_validator(mode="after")
    def _names_one_thing(self) -> Self:
        if sum((self.file_id is not None, self.key is not None, self.all)) != 1:
            raise ValueError('Name a file by file_id or by key, or send {"all": true}; one of them.')
        return self


@example({"url": EXAMPLE_LINK, "expires_at": "2026-01-03T03:00:00Z"})
class LinkMade(TypedDict):
    """A URL with which anyone who has it can read one file."""

    url: str
    expires_at: Annotated[
        str | None, Field(description="RFC 3339; null: valid until it is revoked or the file is deleted.")
    ]


class LinkOfBatch(TypedDict):
    """The link to one file; ``url`` is null if it does not exist or is not the caller's."""

    file: Annotated[str, Field(description="As named in the request.")]
    url: str | None
    expires_at: str | None


@example({"links": [{"file": EXAMPLE_ID, "url": EXAMPLE_LINK, "expires_at": "2026-01-03T03:00:00Z"}]})
class LinksMade(TypedDict):
    """One link per file: those by id, then those by key, in the order given."""

    links: list[LinkOfBatch]


@example({"revoked": "file", "file_id": EXAMPLE_ID})
class LinksRevoked(TypedDict):
    """Existing links are revoked; new ones work."""

    revoked: Literal["file", "all"]
    file_id: Annotated[str | None, Field(description="UUID of the file; null: all files.")]
