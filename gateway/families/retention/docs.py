"""Retention of files and projects, and legal holds."""

from __future__ import annotations

from gateway.families.library.docs import FILE
from gateway.families.retention.shapes import HoldBody, Retained, RetentionBody, RetentionRules
from gateway.operations.docs import USER_ID, Doc, Success, in_path

TITLE = "Retention"
TEXT = (
    "A file or project that is kept until a time, or on legal hold, can't be deleted (not"
    " softly, with its folder, from the trash, or automatically) or replaced: 423"
    " `RETENTION_HELD`. Names and metadata can be changed. Owners and admins place holds;"
    " a hold that an admin placed on somebody else's file can only be lifted by an admin."
)
JSON = "application/json"
SLUG = in_path("slug", "The project.", {"type": "string"}, "my-site")
NOT_JSON = ("SIZE_LIMIT_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE")
OF_FILE = (*NOT_JSON, "FILE_NOT_FOUND", "PERMISSION_DENIED")
OF_PROJECT = (*NOT_JSON, "PROJECT_NOT_FOUND", "PERMISSION_DENIED")
KEPT = {200: Success("The new retention", {JSON: Retained})}
SETTING = (
    "Members left out stay as they are, null removes a time. `keep_until` can be extended; only an admin can"
    " shorten it before it has passed."
)
HOLDING = "Places the hold, or changes its reason."
LIFTING = "Does nothing if there is none."
DOCS = {
    "get_retention_rules": Doc(
        "Get the retention rules",
        {200: Success("The rules of the settings", {JSON: RetentionRules})},
        parameters=(USER_ID,),
    ),
    "set_file_retention": Doc(
        "Set a file's retention",
        KEPT,
        description=SETTING + " Not for temporary files.",
        errors=OF_FILE,
        parameters=(FILE, USER_ID),
        body=RetentionBody,
    ),
    "set_project_retention": Doc(
        "Set a project's retention",
        KEPT,
        description=SETTING + " It covers all versions.",
        errors=OF_PROJECT,
        parameters=(SLUG, USER_ID),
        body=RetentionBody,
    ),
    "hold_file": Doc(
        "Place a legal hold on a file",
        KEPT,
        description=HOLDING,
        errors=OF_FILE,
        parameters=(FILE, USER_ID),
        body=HoldBody,
    ),
    "hold_project": Doc(
        "Place a legal hold on a project",
        KEPT,
        description=HOLDING,
        errors=OF_PROJECT,
        parameters=(SLUG, USER_ID),
        body=HoldBody,
    ),
    "release_file": Doc(
        "Lift a file's legal hold",
        KEPT,
        description=LIFTING,
        errors=("FILE_NOT_FOUND", "PERMISSION_DENIED"),
        parameters=(FILE, USER_ID),
    ),
    "release_project": Doc(
        "Lift a project's legal hold",
        KEPT,
        description=LIFTING,
        errors=("PROJECT_NOT_FOUND", "PERMISSION_DENIED"),
        parameters=(SLUG, USER_ID),
    ),
}
