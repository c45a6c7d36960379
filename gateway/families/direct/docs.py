"""Uploads directly to S3: the client sends parts to presigned URLs, bypassing the gateway."""

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
    "For clients that send their bytes directly to S3: begin an upload, PUT the parts to"
    " the presigned URLs, complete it. The file becomes visible once its size and"
    " checksum have been checked with S3."
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
        {201: Success("The URLs for the parts", {JSON: DirectUpload}, {"Location": ("URL of the upload.")})},
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
        "Get more part URLs",
        {200: Success("The URLs for these parts", {JSON: DirectUpload})},
        errors=(*BODY, *GONE, *STORE),
        parameters=(ID, USER_ID),
        body=PartsBody,
    ),
    "complete_direct_upload": Doc(
        "Complete a direct upload",
        {200: Success("The file; a repeat returns the same", {JSON: CompletedUpload})},
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
        "Get an upload's progress",
        {200: Success("Its state", {JSON: UploadState})},
        errors=(*GONE, *STORE),
        parameters=(ID, USER_ID),
    ),
    "cancel_upload": Doc(
        "Cancel an upload",
        {204: Success("Removed, including the file of a finished upload")},
        errors=(*GONE, *STORE),
        parameters=(ID, USER_ID),
    ),
}
