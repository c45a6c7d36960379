"""Shares: links that people without an account open."""

from __future__ import annotations

from gateway.families.shares.guest_shapes import EXAMPLE_ITEM, Dropped, SharedPage
from gateway.families.shares.shapes import EXAMPLE_ID, Share, ShareBody, ShareEditBody, ShareList
from gateway.operations.docs import (
    ALWAYS,
    BINARY,
    BYTES_ERRORS,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    RANGE_HEADERS,
    READ_ERRORS,
    USER_ID,
    Doc,
    Success,
    form,
    in_path,
    polled,
    query,
)

TITLE = "Shares"
TEXT = (
    "Links for people without an account: to one file, the media of an event, the files"
    " below a prefix, or a version of a project; or a drop, into which guests upload"
    " files without seeing any. Optionally with a password, an expiry and a maximum"
    " number of uses. Revoking takes effect at once."
)
JSON = "application/json"
ID = in_path("id", "The share.", {"type": "string", "format": "uuid"}, EXAMPLE_ID)

GUEST_ERRORS = (
    *(name for name in ALWAYS if not name.startswith("TOKEN_") and name != "USER_MISMATCH"),
    "SHARE_NOT_FOUND",
    "SHARE_ENDED",
    "SHARE_LOCKED",
)
TOKEN = in_path(
    "token",
    "The token of the share's URL.",
    {"type": "string", "maxLength": 128},
    "n3N0mG1fTq9vX2c7pQk4dB1sZ0E",
)
HTML = {"type": "string"}
COOKIE = {"Set-Cookie": ("The guest's session: HttpOnly, SameSite=Strict, for the share's path only.")}
OPENING = {
    "required": False,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {"type": "object", "properties": {"password": {"type": "string", "maxLength": 256}}},
            "example": {"password": "open sesame"},
        },
        JSON: {
            "schema": {"type": "object", "properties": {"password": {"type": "string", "maxLength": 256}}},
            "example": {"password": "open sesame"},
        },
    },
}

DOCS = {
    "read_share": Doc(
        "Get a share",
        {200: Success("The share", {JSON: SharedPage, "text/html": HTML}, COOKIE)},
        description=(
            "For guests, without a token. Browsers get a page without scripts, programs get JSON."
            " If `needs` is set, POST to the same URL first."
        ),
        errors=(
            *GUEST_ERRORS,
            "FILE_NOT_FOUND",
            "PROJECT_NOT_FOUND",
            "VERSION_NOT_FOUND",
            "INVALID_PAGE_TOKEN",
            "OVERLOADED",
        ),
        parameters=(
            TOKEN,
            query("page_token", "`next_page_token` of the previous page.", {"type": "string"}),
        ),
    ),
    "open_share": Doc(
        "Open a share",
        {
            200: Success("Opened: send the cookie with the next requests", {JSON: SharedPage}, COOKIE),
            303: Success("The same for browsers", headers={"Location": "The share.", **COOKIE}),
        },
        description=(
            "Counts as one use. Only needed for shares with a password or a maximum number of uses."
        ),
        errors=(
            *GUEST_ERRORS,
            "SHARE_PASSWORD_WRONG",
            "PERMISSION_DENIED",
            "SIZE_LIMIT_EXCEEDED",
            "OVERLOADED",
        ),
        parameters=(TOKEN,),
        body=OPENING,
    ),
    "read_shared_file": Doc(
        "Read a file of a share",
        {
            200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
            206: Success(
                "The requested range", {"*/*": BINARY}, {**FILE_HEADERS, "Content-Range": "Which bytes."}
            ),
            304: Success("Not modified"),
        },
        description=(
            "HEAD returns the same headers without the bytes. With `download` browsers save the"
            " file, whatever its type."
        ),
        errors=(*GUEST_ERRORS, *READ_ERRORS),
        parameters=(
            TOKEN,
            in_path("item", "The item's name in lists.", {"type": "string"}, EXAMPLE_ITEM),
            query("download", "Make browsers save the file.", {"type": "string"}, "1"),
            *RANGE_HEADERS,
        ),
    ),
    "read_shared_archive": Doc(
        "All of a share as a ZIP",
        {200: Success("The ZIP, streamed", {"application/zip": BINARY})},
        errors=(*GUEST_ERRORS, *BYTES_ERRORS),
        parameters=(TOKEN,),
    ),
    "drop_files": Doc(
        "Upload files into a drop",
        {201: Success("One result per file", {JSON: Dropped, "text/html": HTML})},
        description=(
            "Each file is stored for the drop's owner, under the rules of the drop and of its"
            " family. If none is stored, the response is the first refusal."
        ),
        errors=(
            *GUEST_ERRORS,
            "DROP_FULL",
            "SIZE_LIMIT_EXCEEDED",
            "CONTENT_TYPE_MISMATCH",
            "CONTENT_TYPE_NOT_ALLOWED",
            "CONTENT_INFECTED",
            "SCANNER_UNAVAILABLE",
            "PICTURE_REFUSED",
            "UNSUPPORTED_MEDIA_TYPE",
            "UPLOAD_INCOMPLETE",
            "UPLOAD_SUPERSEDED",
            "PERMISSION_DENIED",
            "OVERLOADED",
            "OBJECT_STORE_UNAVAILABLE",
            "OBJECT_STORE_THROTTLED",
        ),
        parameters=(TOKEN,),
        body=form({"file": BINARY}, required=("file",), example={"file": "(bytes)"}),
    ),
    "create_share": Doc(
        "Create a share",
        {201: Success("The share, with the URL that opens it", {JSON: Share})},
        description=(
            "Share exactly one of `file_id`, `event_id`, `prefix`, `project` (with `version`) and"
            " `drop`. Only a hash of the token is stored, so the URL can't be shown again."
        ),
        errors=(
            "FILE_NOT_FOUND",
            "PROJECT_NOT_FOUND",
            "VERSION_NOT_FOUND",
            "PATH_INVALID",
            "IDEMPOTENCY_KEY_REUSED",
            "OVERLOADED",
        ),
        parameters=(USER_ID, IDEMPOTENCY_KEY),
        body=ShareBody,
    ),
    "list_shares": Doc(
        "List shares",
        polled("A page, newest first", {JSON: ShareList}),
        description="Includes ended shares, for 30 days.",
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            query("active", "Only active shares.", {"type": "boolean", "default": False}),
            query("limit", "Maximum number.", {"type": "integer", "minimum": 1, "default": 100}, 100),
            query("page_token", "`next_page_token` of the previous page.", {"type": "string"}),
            USER_ID,
            IF_NONE_MATCH,
        ),
    ),
    "get_share": Doc(
        "One share",
        {200: Success("The share", {JSON: Share})},
        errors=("SHARE_NOT_FOUND",),
        parameters=(ID, USER_ID),
    ),
    "update_share": Doc(
        "Edit a share",
        {200: Success("The edited share", {JSON: Share})},
        description=(
            "A new password ends the sessions of its guests. 404 if the share was revoked, or if"
            " its expiry is changed after its project version was pruned."
        ),
        errors=("SHARE_NOT_FOUND", "VERSION_NOT_FOUND", "OVERLOADED"),
        parameters=(ID, USER_ID),
        body=ShareEditBody,
    ),
    "revoke_share": Doc(
        "Revoke a share",
        {200: Success("The share, revoked", {JSON: Share})},
        description="At once and for good, also for guests with a session. A repeat returns the same.",
        errors=("SHARE_NOT_FOUND",),
        parameters=(ID, USER_ID),
    ),
}
