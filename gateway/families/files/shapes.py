"""The shapes of bodies and answers: plain files."""

from __future__ import annotations

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.shapes import example
from gateway.operations.content_facts import ContentFacts, LossField
from gateway.operations.retention import KeptFacts

EXAMPLE_KEY = "uploads/alice/7e57d004-2b97-4e7a-b45f-5387367791cd.png"
EXAMPLE_METADATA = {
    "user_id": "alice",
    "original_filename": "cat.png",
    "content_type": "image/png",
    "upload_timestamp": "2026-01-02T03:04:05.123456Z",
}
EXAMPLE_ETAG = "9a0364b9e99bb480dd25e1f0284c8555"
EXAMPLE_TIME = "2026-01-02T03:04:05.123456Z"


UPLOADED_FILE_EXAMPLE: UploadedFile = {
    "key": EXAMPLE_KEY,
    "url": "https://files.example.com/l/q83vASNFZ4mrze8BI0VniQ/cat.png",
    "size": 48213,
    "content_type": "image/png",
    "etag": EXAMPLE_ETAG,
    "metadata": EXAMPLE_METADATA,
}


@example(UPLOADED_FILE_EXAMPLE)
class UploadedFile(TypedDict):
    """A file that was stored."""

    key: Annotated[str, Field(description="The key that identifies the file.")]
    url: Annotated[str | None, Field(description="A link: anyone who has it can read the file, for an hour.")]
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    etag: Annotated[str, Field(description="Entity tag, without quotes.")]
    metadata: Annotated[
        dict[str, str],
        Field(
            description="user_id, original_filename, content_type, upload_timestamp, and class_id for audio."
        ),
    ]


class ListedFile(ContentFacts):
    """One line of a list."""

    key: str
    size: Annotated[int, Field(description="Bytes.")]
    content_type: str
    etag: str
    last_modified: Annotated[str, Field(description="RFC 3339, UTC.")]
    data_loss: NotRequired[LossField]


FILE_LIST_EXAMPLE: FileList = {
    "files": [
        {
            "key": EXAMPLE_KEY,
            "size": 48213,
            "content_type": "image/png",
            "etag": EXAMPLE_ETAG,
            "last_modified": EXAMPLE_TIME,
        }
    ],
    "is_truncated": True,
    "next_continuation_token": "Zm9v",
    "next_page_token": "Zm9v",
}


@example(FILE_LIST_EXAMPLE)
class FileList(TypedDict):
    """A page in key order."""

    files: list[ListedFile]
    folders: NotRequired[
        Annotated[list[str], Field(description="With `delimiter`: folders directly below the prefix.")]
    ]
    is_truncated: Annotated[bool, Field(description="Whether there are more.")]
    next_continuation_token: Annotated[
        str | None, Field(description="For the next page; null on the last one.")
    ]
    next_page_token: Annotated[str | None, Field(description="The same.")]


class FileUrl(TypedDict):
    """A URL for reading."""

    key: Annotated[str, Field(examples=[EXAMPLE_KEY])]
    url: Annotated[str, Field(examples=["https://bucket.s3.eu-central-1.amazonaws.com/…?X-Amz-Signature=…"])]
    expires_in: Annotated[
        int | None, Field(description="Validity in seconds; null: unlimited.", examples=[3600])
    ]


FILE_METADATA_EXAMPLE: FileMetadata = {
    "key": EXAMPLE_KEY,
    "size": 48213,
    "content_type": "image/png",
    "etag": EXAMPLE_ETAG,
    "last_modified": EXAMPLE_TIME,
    "metadata": EXAMPLE_METADATA,
}


@example(FILE_METADATA_EXAMPLE)
class FileMetadata(ListedFile, KeptFacts):
    """A file's metadata."""

    metadata: dict[str, str]


class FileExists(TypedDict):
    """Whether the caller has such a file."""

    key: Annotated[str, Field(examples=[EXAMPLE_KEY])]
    exists: bool


class FileDeleted(TypedDict):
    """The file is invisible now."""

    key: Annotated[str, Field(examples=[EXAMPLE_KEY])]
    deleted: Annotated[bool, Field(examples=[True])]
    id: NotRequired[Annotated[str, Field(description="With `soft`: its id in the trash.")]]
    purge_at: NotRequired[Annotated[str, Field(description="With `soft`: until when it can be restored.")]]
