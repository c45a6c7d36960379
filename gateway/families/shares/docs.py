"""Shares: links that people without an account open."""

from __future__ import annotations

from gateway.families.shares.guest_shapes import EXAMPLE_ITEM, Dropped, SharedPage
from gateway.families.shares.shapes import EXAMPLE_ID, Share, ShareBody, ShareEditBody, ShareList
from gateway.operations.docs import (
    ALWAYS,
    BINARY,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    RANGE_HEADERS,
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
    "Links that people without an account open: one file, the media of an event, the files below a prefix, a"
    " version of a project; or a drop, into which guests put files and of which they see nothing. With a"
    " password, an end and a number of uses where wanted; revoked at once."
)
JSON = "application/json"
ID = in_path("id", "The share.", {"type": "string", "format": "uuid"}, EXAMPLE_ID)

GUEST_ERRORS = (
    *(name for name in ALWAYS if not name.startswith("TOKEN_") and name != "USER_MISMATCH"),
    "SHARE_NOT_FOUND",
    "SHARE_ENDED",
    "SHARE_LOCKED",
)
READ_ERRORS = (
    *GUEST_ERRORS,
    "FILE_NOT_FOUND",
    "CONTENT_INFECTED",
    "OBJECT_LOST",
    "OBJECT_ARCHIVED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
TOKEN = in_path(
    "token", "From the share's URL.", {"type": "string", "maxLength": 128}, "n3N0mG1fTq9vX2c7pQk4dB1sZ0E"
)
HTML = {"type": "string"}
COOKIE = {"Set-Cookie": "A session of the share: HttpOnly, SameSite=Strict, for the share's path only."}
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
        "Look at a share",
        {200: Success("The share", {JSON: SharedPage, "text/html": HTML}, COOKIE)},
        description="For guests, without a token. Browsers get a page without a script, programs JSON. With"
        " `needs`, POST to the same URL first.",
        errors=(
            *GUEST_ERRORS,
            "FILE_NOT_FOUND",
            "PROJECT_NOT_FOUND",
            "VERSION_NOT_FOUND",
            "INVALID_PAGE_TOKEN",
            "OVERLOADED",
        ),
        parameters=(TOKEN, query("page_token", "`next_page_token` of the page before.", {"type": "string"})),
    ),
    "open_share": Doc(
        "Open a share",
        {
            200: Success("It is open: send the cookie with what follows", {JSON: SharedPage}, COOKIE),
            303: Success("The same for browsers", headers={"Location": "The share.", **COOKIE}),
        },
        description="Counts as one use. Only needed for shares with a password or a number of uses.",
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
                "The range asked for", {"*/*": BINARY}, {**FILE_HEADERS, "Content-Range": "Which bytes."}
            ),
            304: Success("Not modified"),
        },
        description="HEAD answers the same without the bytes. `download`: browsers save it, whatever it is.",
        errors=(*READ_ERRORS, "PRECONDITION_FAILED", "RANGE_NOT_SATISFIABLE"),
        parameters=(
            TOKEN,
            in_path("item", "As lists name it.", {"type": "string"}, EXAMPLE_ITEM),
            query("download", "Save it.", {"type": "string"}, "1"),
            *RANGE_HEADERS,
        ),
    ),
    "read_shared_archive": Doc(
        "All of a share as a ZIP",
        {200: Success("The ZIP, streamed", {"application/zip": BINARY})},
        errors=READ_ERRORS,
        parameters=(TOKEN,),
    ),
    "drop_files": Doc(
        "Put files into a drop",
        {201: Success("What became of each", {JSON: Dropped, "text/html": HTML})},
        description="Each is stored with the drop's owner, by the rules of the drop and of the family that it"
        " goes to. Where none is stored, the answer is the first refusal.",
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
        "Make a share",
        {201: Success("The share, with the URL that opens it", {JSON: Share})},
        description="Share one thing: `file_id`, `event_id`, `prefix`, `project` (with `version`) or `drop`."
        " Only the hash of what opens it is kept, so nobody can show its URL again.",
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
        description="Also those that have ended, for 30 days.",
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            query("active", "Only those that open.", {"type": "boolean", "default": False}),
            query("limit", "Maximum number.", {"type": "integer", "minimum": 1, "default": 100}, 100),
            query("page_token", "`next_page_token` of the page before.", {"type": "string"}),
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
        {200: Success("The share after the change", {JSON: Share})},
        description="A new password ends the sessions of guests who are in. A share that was revoked is 404,"
        " and so is a new end of one whose project version has gone meanwhile.",
        errors=("SHARE_NOT_FOUND", "VERSION_NOT_FOUND", "OVERLOADED"),
        parameters=(ID, USER_ID),
        body=ShareEditBody,
    ),
    "revoke_share": Doc(
        "Revoke a share",
        {200: Success("The share, revoked", {JSON: Share})},
        description="At once and for good, also for guests who are in. A repeat answers the same.",
        errors=("SHARE_NOT_FOUND",),
        parameters=(ID, USER_ID),
    ),
}
