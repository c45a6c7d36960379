"""How long files and projects stay, and legal holds."""

from __future__ import annotations

from gateway.families.library.docs import FILE
from gateway.families.retention.shapes import HoldBody, Retained, RetentionBody, RetentionRules
from gateway.operations.docs import USER_ID, Doc, Success, in_path

TITLE = "Retention"
TEXT = (
    "What is kept until a time, or on legal hold, is neither deleted (also not softly, with its folder, from"
    " the trash, by its time) nor replaced: 423 `RETENTION_HELD`. Names and metadata can be changed. Owners"
    " and admins place holds; one that an admin has placed on somebody else's only an admin lifts."
)
JSON = "application/json"
SLUG = in_path("slug", "The project.", {"type": "string"}, "my-site")
NOT_JSON = ("SIZE_LIMIT_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE")
OF_FILE = (*NOT_JSON, "FILE_NOT_FOUND", "PERMISSION_DENIED")
OF_PROJECT = (*NOT_JSON, "PROJECT_NOT_FOUND", "PERMISSION_DENIED")
KEPT = {200: Success("How long it stays from now on", {JSON: Retained})}
SETTING = (
    "Members that are left out stay, null takes a time away. `keep_until` can be put off; only an admin"
    " shortens it before it is over."
)
HOLDING = "Places it, or changes its reason."
LIFTING = "Where there is none, nothing happens."
DOCS = {
    "get_retention_rules": Doc(
        "The rules of retention",
        {200: Success("What the settings say", {JSON: RetentionRules})},
        parameters=(USER_ID,),
    ),
    "set_file_retention": Doc(
        "How long a file stays",
        KEPT,
        description=SETTING + " Not of temporary files.",
        errors=OF_FILE,
        parameters=(FILE, USER_ID),
        body=RetentionBody,
    ),
    "set_project_retention": Doc(
        "How long a project stays",
        KEPT,
        description=SETTING + " All of its versions stay with it.",
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
