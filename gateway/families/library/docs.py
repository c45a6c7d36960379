"""Files of every family."""

from __future__ import annotations

from gateway.families.library.shapes import (
    EXAMPLE_ID,
    EXAMPLE_KEY,
    BatchDeleteBody,
    BatchDeleteResults,
    CopyBody,
    Costs,
    FileEdit,
    FolderDeleted,
    LibraryFile,
    LibraryFileDeleted,
    LibraryList,
    TrashEmptied,
    TrashFilePurged,
    TrashList,
    UsageAndQuota,
)
from gateway.operations.docs import (
    BINARY,
    BYTES_ERRORS,
    IDEMPOTENCY_KEY,
    IF_MATCH_REVISION,
    IF_NONE_MATCH,
    SOFT,
    USER_ID,
    Doc,
    Success,
    in_path,
    polled,
    query,
)
from gateway.operations.filters import DOCS as FILTERS
from gateway.operations.filters import SETTINGS_DOC

TITLE = "Library"
TEXT = (
    "All files of the caller, in any family: plain files, generations, event media, files"
    " at paths. `{file}` is an id or a key. Send the slashes of a key plain or as `%2F`;"
    " if a key itself ends in `/copy` or `/move`, send that last slash as `%2F`. `ETag`"
    " is the revision of the file's row: it changes with each edit and each replacement;"
    " use it in `If-Match`."
)
JSON = "application/json"
FILE = in_path(
    "file",
    "Id or key.",
    {"type": "string", "minLength": 1, "maxLength": 1024},
    EXAMPLE_KEY,
)
ID = in_path("id", "UUID of the file.", {"type": "string"}, EXAMPLE_ID)
FAMILY = query(
    "family",
    "Only this family.",
    {
        "type": "string",
        "enum": ["files", "generations", "event_media", "profile_picture", "temp", "path"],
    },
)
PAGE_TOKEN = query("page_token", "next_page_token of the previous page.", {"type": "string"})
LIMIT = query(
    "limit",
    "Maximum number of results; a value over 1000 is lowered to 1000.",
    {"type": "integer", "minimum": 1, "default": 100},
    50,
)
REVISION = {"ETag": "The revision of the file's row, for If-Match."}
COPYING = (
    "RETENTION_HELD",
    "PATH_INVALID",
    "PRECONDITION_FAILED",
    "QUOTA_EXCEEDED",
    "FILE_COUNT_EXCEEDED",
    "SIZE_LIMIT_EXCEEDED",
    "CONTENT_TYPE_NOT_ALLOWED",
    "PICTURE_REFUSED",
    "IDEMPOTENCY_KEY_REUSED",
    "REQUEST_IN_PROGRESS",
    "UPLOAD_SUPERSEDED",
    "UNSUPPORTED_MEDIA_TYPE",
    "OVERLOADED",
    *BYTES_ERRORS,
    "BUCKET_NOT_VERSIONED",
)

FOLDER = in_path(
    "folder",
    "A folder: a prefix of keys up to a slash, with or without the slash at the end.",
    {"type": "string", "minLength": 1, "maxLength": 1024},
    "paths/alice/reports",
)

DOCS = {
    "list_library_files": Doc(
        "List and search files",
        polled("A page, newest first", {JSON: LibraryList}),
        description=(
            "Files of all families that match all filters. 50,000 files are examined per page, so"
            " a rare match may give a short or empty page that still has a `next_page_token`."
            " With `delimiter=/` the result is a page of a folder instead: what is directly below"
            " `prefix`, in key order; `limit` counts folders and files."
        ),
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(
            query("prefix", "Only keys with this prefix.", {"type": "string", "maxLength": 1024}),
            query(
                "delimiter", "Folders and files directly below the prefix.", {"type": "string", "enum": ["/"]}
            ),
            FAMILY,
            query(
                "type",
                "An exact type, or a wildcard; anything else is 422.",
                {"type": "string", "maxLength": 255},
                "image/*",
            ),
            *FILTERS,
            SETTINGS_DOC,
            LIMIT,
            PAGE_TOKEN,
            USER_ID,
            IF_NONE_MATCH,
        ),
    ),
    "delete_folder": Doc(
        "Delete a folder",
        {200: Success("Deleted, all of it", {JSON: FolderDeleted})},
        description=(
            "Deletes all files below the folder in one transaction: all or none. Up to 20,000"
            " files (more: 422)."
        ),
        errors=("FILE_NOT_FOUND", "RETENTION_HELD"),
        parameters=(FOLDER, SOFT, USER_ID),
    ),
    "folder_archive": Doc(
        "A folder as a ZIP",
        {200: Success("The ZIP, streamed", {"application/zip": BINARY})},
        description="All files below the folder; their names are the paths relative to it.",
        errors=(*BYTES_ERRORS, "OVERLOADED"),
        parameters=(FOLDER, USER_ID),
    ),
    "get_library_file": Doc(
        "Get a file's metadata",
        {200: Success("The file", {JSON: LibraryFile}, REVISION)},
        errors=("FILE_NOT_FOUND",),
        parameters=(FILE, USER_ID),
    ),
    "edit_library_file": Doc(
        "Edit a file",
        {200: Success("The edited medium", {JSON: LibraryFile}, REVISION)},
        description=(
            "A merge patch (RFC 7396; `application/json` or `application/merge-patch+json`):"
            " members left out stay as they are, null removes a value, in `metadata` name by"
            " name. `tags` are replaced as a whole. The family's own names in `metadata`"
            " (user_id, original_filename, content_type, upload_timestamp, class_id) can't be"
            " changed. Only event media have title, description and tags. A 412 has the current"
            " revision in `metadata.actual`."
        ),
        errors=("FILE_NOT_FOUND", "PRECONDITION_FAILED", "SIZE_LIMIT_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE"),
        parameters=(FILE, IF_MATCH_REVISION, USER_ID),
        body=FileEdit,
    ),
    "delete_library_file": Doc(
        "Delete a file",
        {200: Success("Deleted; no longer visible", {JSON: LibraryFileDeleted})},
        errors=("FILE_NOT_FOUND", "PRECONDITION_FAILED", "RETENTION_HELD"),
        parameters=(FILE, SOFT, IF_MATCH_REVISION, USER_ID),
    ),
    "delete_library_files": Doc(
        "Delete many files",
        {200: Success("One result per file, in the order given", {JSON: BatchDeleteResults})},
        description=(
            "Up to 1,000 files by id or key. Not one transaction: files fail independently of each other."
        ),
        errors=("SIZE_LIMIT_EXCEEDED", "UNSUPPORTED_MEDIA_TYPE"),
        parameters=(USER_ID,),
        body=BatchDeleteBody,
    ),
    "copy_library_file": Doc(
        "Copy a file",
        {201: Success("The copy", {JSON: LibraryFile}, REVISION)},
        description=(
            "Copies inside S3, without transferring bytes. What the body leaves out is taken from"
            " the source, but the copy is private unless the body says otherwise. The target"
            " family's size limit and types apply."
        ),
        errors=COPYING,
        parameters=(FILE, IDEMPOTENCY_KEY, USER_ID),
        body=CopyBody,
    ),
    "move_library_file": Doc(
        "Move a file",
        {201: Success("The file in its new place", {JSON: LibraryFile}, REVISION)},
        description=(
            "Copies the file, including its visibility, and deletes the source in the same step"
            " if it is still what was copied (412 otherwise, and nothing was done). The file gets"
            " a new id, and links to the old one stop working. Afterwards the source is 404. A"
            " move needs no room in the quota."
        ),
        errors=COPYING,
        parameters=(FILE, IF_MATCH_REVISION, IDEMPOTENCY_KEY, USER_ID),
        body=CopyBody,
    ),
    "list_trash": Doc(
        "List the trash",
        polled("A page, most recently deleted first", {JSON: TrashList}),
        description="Files that were deleted with `soft=true` and can still be restored.",
        errors=("INVALID_PAGE_TOKEN",),
        parameters=(FAMILY, LIMIT, PAGE_TOKEN, USER_ID, IF_NONE_MATCH),
    ),
    "empty_trash": Doc(
        "Empty the trash",
        {200: Success("What was deleted for good", {JSON: TrashEmptied})},
        description="Up to 10,000 files per call, in one transaction; `more` says whether to call again.",
        parameters=(FAMILY, USER_ID),
    ),
    "restore_from_trash": Doc(
        "Restore a file",
        {200: Success("The file, visible again", {JSON: LibraryFile}, REVISION)},
        description="409 when another file has taken its place (a path, the profile picture).",
        errors=("FILE_NOT_FOUND", "ALREADY_EXISTS", "QUOTA_EXCEEDED", "FILE_COUNT_EXCEEDED"),
        parameters=(ID, USER_ID),
    ),
    "purge_from_trash": Doc(
        "Delete a file in the trash for good",
        {200: Success("Deleted for good", {JSON: TrashFilePurged})},
        description="404 for files that are not in the trash.",
        errors=("FILE_NOT_FOUND", "RETENTION_HELD"),
        parameters=(ID, USER_ID),
    ),
    "get_costs": Doc(
        "Estimated costs",
        {200: Success("Per month, by storage class and family", {JSON: Costs})},
        description=(
            "With the installation's prices (docs/costs.md), for everything stored for the"
            " caller, including the trash, older versions, and objects waiting to be removed."
        ),
        parameters=(USER_ID,),
    ),
    "get_usage": Doc(
        "Usage and quota",
        {200: Success("What the caller has stored, and the limits", {JSON: UsageAndQuota})},
        parameters=(USER_ID,),
    ),
}
