"""Shares: links that people without an account open."""

from __future__ import annotations

from gateway.families.shares.shapes import EXAMPLE_ID, Share, ShareBody, ShareEditBody, ShareList
from gateway.operations.docs import IDEMPOTENCY_KEY, USER_ID, Doc, Success, in_path, query

TITLE = "Shares"
TEXT = (
    "Links that people without an account open: one file, the media of an event, the files below a prefix, a"
    " version of a project; or a drop, into which guests put files and of which they see nothing. With a"
    " password, an end and a number of uses where wanted; revoked at once."
)
JSON = "application/json"
ID = in_path("id", "The share.", {"type": "string", "format": "uuid"}, EXAMPLE_ID)

DOCS = {
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
        {200: Success("A page, newest first", {JSON: ShareList})},
        description="Also those that have ended, for 30 days.",
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            query("active", "Only those that open.", {"type": "boolean", "default": False}),
            query("page_size", "At the most.", {"type": "integer", "minimum": 1, "default": 100}, 100),
            query("page_token", "`next_page_token` of the page before.", {"type": "string"}),
            USER_ID,
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
        description="A new password ends the sessions of guests who are in. A share that was revoked is 404.",
        errors=("SHARE_NOT_FOUND", "OVERLOADED"),
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
