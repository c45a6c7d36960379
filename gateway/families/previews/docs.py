"""Previews by URLs that carry their own token."""

from __future__ import annotations

from gateway.families.projects.docs import BYTES, FIND_ERRORS, PATH
from gateway.operations.docs import ALWAYS, RANGE_HEADERS, READ_ERRORS, Doc, in_path

TITLE = "Previews"
TEXT = (
    "A project's static front end for an `<iframe>`, by a `preview_url`, without a bearer"
    " token (one that is sent is ignored). Every file has `Content-Security-Policy:"
    " sandbox allow-scripts`, so its scripts run in an origin of their own and can fetch"
    " nothing from elsewhere."
)
ERRORS = (
    *(name for name in ALWAYS if name not in {"TOKEN_MISSING", "USER_MISMATCH"}),
    *FIND_ERRORS,
    "PATH_INVALID",
    *READ_ERRORS,
)
TOKEN = in_path(
    "token",
    "The token of a preview_url.",
    {"type": "string", "maxLength": 8192},
    "eyJhbGciOiJIUzI1NiJ9.eyJzbHVnIjoibXktc2l0ZSJ9.c2ln",
)

DOCS = {
    "show_preview": Doc("The start page", BYTES, errors=ERRORS, parameters=(TOKEN, *RANGE_HEADERS)),
    "show_preview_file": Doc(
        "A file that the page refers to", BYTES, errors=ERRORS, parameters=(TOKEN, PATH, *RANGE_HEADERS)
    ),
}
