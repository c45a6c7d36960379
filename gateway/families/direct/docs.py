"""Direct-to-S3 uploads: the client sends its parts to presigned URLs, past the gateway."""

from __future__ import annotations

from gateway.families.direct.shapes import (
    CompleteBody,
    CompletedUpload,
    DirectBody,
    DirectUpload,
    PartsBody,
    UploadState,
)
from gateway.operations.docs import IDEMPOTENCY_KEY, USER_ID, Doc, Success, in_path

TITLE = "Direct uploads"

TEXT = (
    "For clients that should not send their bytes through the gateway: begin, PUT the parts to the"
    " presigned URLs,"
    " complete. The file becomes visible only once size and checksum have been checked with S3 itself."
)

JSON = "application/json"

EXAMPLE_ID = "nGWk4s0aXh3y2m1Q9rT8vB7cZ6pL5dKf"

ID = in_path("id", "The upload's id.", {"type": "string", "maxLength": 255}, EXAMPLE_ID)

STORE = ("OBJECT_STORE_UNAVAILABLE", "OBJECT_STORE_THROTTLED", "OBJECT_STORE_NO_CREDENTIALS")

GONE = ("UPLOAD_NOT_FOUND", "UPLOAD_EXPIRED", "UPLOAD_LOST")

BODY = ("UNSUPPORTED_MEDIA_TYPE", "SIZE_LIMIT_EXCEEDED")

DOCS = {
    "create_direct_upload": Doc(
        "Begin a direct upload",
        {201: Success("Where the parts go", {JSON: DirectUpload}, {"Location": "Address of the upload."})},
        errors=(
            *BODY,
            "QUOTA_EXCEEDED",
            "FILE_COUNT_EXCEEDED",
            "RETENTION_HELD",
            "CONTENT_TYPE_NOT_ALLOWED",
            "IDEMPOTENCY_KEY_REUSED",
            "REQUEST_IN_PROGRESS",
            *STORE,
        ),
        parameters=(IDEMPOTENCY_KEY, USER_ID),
        body=DirectBody,
    ),
    "sign_direct_parts": Doc(
        "More part URLs",
        {200: Success("Where these parts go", {JSON: DirectUpload})},
        errors=(*BODY, *GONE, *STORE),
        parameters=(ID, USER_ID),
        body=PartsBody,
    ),
    "complete_direct_upload": Doc(
        "Complete a direct upload",
        {200: Success("The file; the same answer when it is repeated", {JSON: CompletedUpload})},
        errors=(
            *BODY,
            *GONE,
            "UPLOAD_INCOMPLETE",
            "SIZE_MISMATCH",
            "CHECKSUM_MISMATCH",
            "CONTENT_TYPE_MISMATCH",
            "CONTENT_TYPE_NOT_ALLOWED",
            "CONTENT_INFECTED",
            "SCANNER_UNAVAILABLE",
            "PICTURE_REFUSED",
            *STORE,
        ),
        parameters=(ID, USER_ID),
        body=CompleteBody,
    ),
    "get_upload": Doc(
        "How far an upload is",
        {200: Success("Its state", {JSON: UploadState})},
        errors=(*GONE, *STORE),
        parameters=(ID, USER_ID),
    ),
    "cancel_upload": Doc(
        "Give an upload up",
        {204: Success("Everything of it goes, also the file of a finished one")},
        errors=(*GONE, *STORE),
        parameters=(ID, USER_ID),
    ),
}
