"""Family D: project trees."""

from __future__ import annotations

from gateway.families.projects.json_tree import KEEPING
from gateway.families.projects.shapes import (
    Done,
    OneProject,
    OneVersion,
    PatchBody,
    PreviewUrl,
    ProjectList,
    RollbackBody,
    Rule,
    RuleBody,
    SaveBody,
    Saved,
    TreeListing,
    VersionEdit,
    VersionList,
)
from gateway.operations.docs import (
    BINARY,
    FILE_HEADERS,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    RANGE_HEADERS,
    READ_ERRORS,
    USER_ID,
    WISHES,
    Doc,
    Success,
    in_path,
    polled,
    query,
)
from gateway.upstream.wishes import STORAGE_CLASS

TITLE = "Projects"

TEXT = (
    "A project is a tree of files that is saved as a whole. Each save creates a version,"
    " and every version stays readable."
)

JSON = "application/json"

VERSION = {"type": "integer", "minimum": 1}

SLUG = in_path("slug", "The project.", {"type": "string", "maxLength": 128}, "my-site")

PATH = in_path(
    "path", "The file's path, with its slashes.", {"type": "string", "maxLength": 1024}, "src/app.py"
)

AT_VERSION = query("version", "Default: the newest.", VERSION)

EXPECTED = query(
    "expected_version",
    "The version that the caller has seen; 409 if the project is at another. 0: the project must not exist.",
    {"type": "integer", "minimum": 0},
)

LABEL = (
    query("version_name", "A name for the new version.", {"type": "string", "maxLength": 255}, "Launch"),
    query("message", "What changed, and why.", {"type": "string", "maxLength": 4096}),
    query("tags", "Up to 32, separated by commas.", {"type": "string"}, "release,shown"),
)

EXPECTED_OF_DELETE = query(
    "expected_version",
    "The version that the caller has seen; 409 if the project is at another.",
    {"type": "integer", "minimum": 0},
)

SAVE_ERRORS = (
    "PATH_INVALID",
    "PROJECT_LIMIT_EXCEEDED",
    "QUOTA_EXCEEDED",
    "VERSION_CONFLICT",
    "IDEMPOTENCY_KEY_REUSED",
    "REQUEST_IN_PROGRESS",
    "UPLOAD_INCOMPLETE",
    "BUCKET_NOT_VERSIONED",
    "OBJECT_STORE_UNAVAILABLE",
    "CONTENT_INFECTED",
    "SCANNER_UNAVAILABLE",
)

FIND_ERRORS = ("PROJECT_NOT_FOUND", "VERSION_NOT_FOUND", "FILE_NOT_FOUND")

LIST = Doc(
    "List projects",
    polled("A page, newest change first", {JSON: ProjectList}),
    errors=("INVALID_PAGE_TOKEN",),
    parameters=(
        IF_NONE_MATCH,
        query(
            "limit",
            "Page size; a value over 100 is lowered to 100.",
            {"type": "integer", "minimum": 1, "default": 20},
        ),
        query("page_token", "next_page_token of the previous page.", {"type": "string"}),
        USER_ID,
    ),
)

BYTES = {
    200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
    206: Success("The requested range", {"*/*": BINARY}, FILE_HEADERS),
    304: Success("Not modified"),
}

PREVIEW_INDEX = Doc(
    "Preview the start page",
    BYTES,
    description="index.html, under `Content-Security-Policy: sandbox allow-scripts`.",
    errors=(*FIND_ERRORS, *READ_ERRORS),
    parameters=(SLUG, *RANGE_HEADERS, USER_ID),
)

DOCS = {
    "save_project": Doc(
        "Save a tree",
        {200: Success("Saved as the next version", {JSON: Saved})},
        description="Saves all files or none: a failed save leaves the previous version unchanged.",
        errors=("UNSUPPORTED_MEDIA_TYPE", *SAVE_ERRORS),
        parameters=(EXPECTED, *LABEL, IDEMPOTENCY_KEY, USER_ID),
        body=SaveBody,
    ),
    "save_project_archive": Doc(
        "Save a ZIP",
        {200: Success("Saved as the next version", {JSON: Saved})},
        description="Checked before anything becomes visible: names, sizes, ratios, links, encryption.",
        errors=("ARCHIVE_INVALID", "UNSUPPORTED_MEDIA_TYPE", *SAVE_ERRORS),
        parameters=(
            SLUG,
            query("name", "Name for people; the slug if left out.", {"type": "string", "maxLength": 255}),
            *(
                query(name, str(WISHES[name]["description"]), WISHES[name])
                for name in (*sorted(KEEPING), STORAGE_CLASS)
            ),
            EXPECTED,
            *LABEL,
            IDEMPOTENCY_KEY,
            USER_ID,
        ),
        body={"required": True, "content": {"application/zip": {"schema": BINARY}}},
    ),
    "patch_project": Doc(
        "Save some files",
        {200: Success("Saved as the next version", {JSON: Saved})},
        description=(
            "Files that are neither sent nor removed stay as in the newest version, and are not"
            " stored again. The save succeeds as a whole or not at all. In a form, each part with"
            " a file name is a file, and the part's name is its path; `removed` may be repeated."
        ),
        errors=("PROJECT_NOT_FOUND", "FILE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE", *SAVE_ERRORS),
        parameters=(SLUG, EXPECTED, *LABEL, IDEMPOTENCY_KEY, USER_ID),
        body=PatchBody,
        form={
            "type": "object",
            "properties": {
                "removed": {"type": "array", "items": {"type": "string"}},
                "name": {"type": "string"},
                "expected_version": {"type": "integer", "minimum": 0},
                "version_name": {"type": "string", "maxLength": 255},
                "message": {"type": "string", "maxLength": 4096},
                "tags": {"type": "string", "description": "Separated by commas."},
                **{name: WISHES[name] for name in (*sorted(KEEPING), STORAGE_CLASS)},
            },
            "additionalProperties": BINARY,
        },
    ),
    "list_projects": LIST,
    "project_history": LIST,
    "get_project": Doc(
        "Read a project",
        {200: Success("A version with all its files", {JSON: OneProject})},
        errors=FIND_ERRORS,
        parameters=(SLUG, AT_VERSION, USER_ID),
    ),
    "get_project_archive": Doc(
        "Download a project",
        {200: Success("A ZIP", {"application/zip": BINARY})},
        errors=FIND_ERRORS,
        parameters=(SLUG, AT_VERSION, USER_ID),
    ),
    "get_project_file": Doc(
        "Read one file",
        BYTES,
        errors=(*FIND_ERRORS, *READ_ERRORS),
        parameters=(SLUG, PATH, AT_VERSION, *RANGE_HEADERS, USER_ID),
    ),
    "list_project_files": Doc(
        "List a version's files",
        polled("Names, sizes and hashes, without contents", {JSON: TreeListing}),
        errors=("PROJECT_NOT_FOUND", "VERSION_NOT_FOUND"),
        parameters=(SLUG, AT_VERSION, IF_NONE_MATCH, USER_ID),
    ),
    "list_project_versions": Doc(
        "List versions",
        polled("Newest first", {JSON: VersionList}),
        errors=("PROJECT_NOT_FOUND",),
        parameters=(SLUG, IF_NONE_MATCH, USER_ID),
    ),
    "edit_project_version": Doc(
        "Name a version",
        {200: Success("The edited version", {JSON: OneVersion})},
        description="Sets name, message and tags; the content does not change.",
        errors=("PROJECT_NOT_FOUND", "VERSION_NOT_FOUND"),
        parameters=(
            SLUG,
            in_path("version", "The version.", {"type": "integer", "minimum": 1}, "3"),
            USER_ID,
        ),
        body=VersionEdit,
    ),
    "get_version_rule": Doc(
        "Get the version rule",
        {200: Success("The rule in effect", {JSON: Rule})},
        errors=("PROJECT_NOT_FOUND",),
        parameters=(SLUG, USER_ID),
    ),
    "set_version_rule": Doc(
        "Set the version rule",
        {200: Success("The rule in effect", {JSON: Rule})},
        description=(
            "Other versions are removed within minutes, with the content that only they have."
            " Never removed: the newest version, versions with a name or tags, and versions of a"
            " project that is retained or on hold."
        ),
        errors=("PROJECT_NOT_FOUND",),
        parameters=(SLUG, USER_ID),
        body=RuleBody,
    ),
    "clear_version_rule": Doc(
        "Reset the version rule to the settings",
        {200: Success("The rule in effect", {JSON: Rule})},
        errors=("PROJECT_NOT_FOUND",),
        parameters=(SLUG, USER_ID),
    ),
    "rollback_project": Doc(
        "Roll back",
        {200: Success("A new version with the old content", {JSON: Saved})},
        errors=("PROJECT_NOT_FOUND", "VERSION_NOT_FOUND", *SAVE_ERRORS),
        parameters=(SLUG, *LABEL, IDEMPOTENCY_KEY, USER_ID),
        body=RollbackBody,
    ),
    "delete_project": Doc(
        "Delete a project",
        {200: Success("Deleted, with all versions", {JSON: Done})},
        errors=("PROJECT_NOT_FOUND", "VERSION_CONFLICT", "RETENTION_HELD"),
        parameters=(SLUG, EXPECTED_OF_DELETE, USER_ID),
    ),
    "project_preview_url": Doc(
        "A URL for an `<iframe>`",
        {200: Success("The URL", {JSON: PreviewUrl})},
        description=(
            "A browser sends no bearer token for an `<iframe>` and for what the page in it loads."
            " This URL has a token of its own in its path, where relative links keep it. It gives"
            " anyone who has it read access to this version of this project until it expires, and"
            " to nothing else."
        ),
        errors=("PROJECT_NOT_FOUND", "VERSION_NOT_FOUND"),
        parameters=(
            SLUG,
            AT_VERSION,
            query(
                "expires_in",
                "Validity in seconds.",
                {"type": "integer", "minimum": 1, "maximum": 86400, "default": 900},
            ),
            USER_ID,
        ),
    ),
    "preview_project_index": PREVIEW_INDEX,
    "preview_project_folder": PREVIEW_INDEX,
    "preview_project": Doc(
        "Preview a file",
        BYTES,
        description=(
            "Inline, in a sandbox without an origin, so the project's scripts can't reach"
            " cookies, storage or the caller's token. For clients that send a bearer token;"
            " browsers use a `preview_url`."
        ),
        errors=(*FIND_ERRORS, *READ_ERRORS),
        parameters=(SLUG, PATH, *RANGE_HEADERS, USER_ID),
    ),
}
