"""Links: URLs that read one file without a token."""

from __future__ import annotations

from gateway.families.links.shapes import (
    LinkBatchBody,
    LinkBody,
    LinkMade,
    LinksMade,
    LinksRevoked,
    RevokeBody,
)
from gateway.operations.docs import (
    ALWAYS,
    BINARY,
    FILE_HEADERS,
    RANGE_HEADERS,
    READ_ERRORS,
    USER_ID,
    Doc,
    Success,
    in_path,
)

TITLE = "Links"
TEXT = (
    "The URLs in `s3_url`, `file_url` and `url`: each reads one file, for anyone who has"
    " it, in an `<img>` or a `<video>` of any page. The same content gets the same URL"
    " each time, so browsers can cache it. A link stops working when the file is deleted"
    " or replaced, when its owner revokes it, and when it expires."
)
JSON = "application/json"
ERRORS = (
    *(name for name in ALWAYS if not name.startswith("TOKEN_") and name != "USER_MISMATCH"),
    *READ_ERRORS,
)
TOKEN = in_path(
    "token", "The token of the link.", {"type": "string", "maxLength": 1024}, "q83vASNFZ4mrze8BI0VniQ"
)
NAME = in_path("name", "For people; ignored by the server.", {"type": "string"}, "cat.png")
BYTES = {
    200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
    206: Success("The requested range", {"*/*": BINARY}, {**FILE_HEADERS, "Content-Range": "Which bytes."}),
    302: Success(
        "With `STRONGROOM_LINK_MODE=redirect`: redirect to the store",
        headers={"Location": ("The URL at the store.")},
    ),
    304: Success("Not modified"),
}

DOCS = {
    "read_link": Doc(
        "Read a file by its link",
        BYTES,
        description="HEAD returns the same headers without the bytes.",
        errors=ERRORS,
        parameters=(TOKEN, NAME, *RANGE_HEADERS),
    ),
    "read_link_without_name": Doc(
        "Read a file by its link, without the name", BYTES, errors=ERRORS, parameters=(TOKEN, *RANGE_HEADERS)
    ),
    "make_link": Doc(
        "Make a link",
        {200: Success("The link", {JSON: LinkMade})},
        description=(
            "The `s3_url`, `file_url` and `url` of other responses are links already; use this to"
            " choose the expiry or scope. Equal requests in quick succession return the same"
            " link."
        ),
        errors=("FILE_NOT_FOUND",),
        parameters=(USER_ID,),
        body=LinkBody,
    ),
    "make_links": Doc(
        "Make links to many files",
        {200: Success("The links", {JSON: LinksMade})},
        description="One link per file. `url` is null if the file does not exist or is not the caller's.",
        parameters=(USER_ID,),
        body=LinkBatchBody,
    ),
    "revoke_links": Doc(
        "Revoke links",
        {200: Success("Revoked, everywhere and at once", {JSON: LinksRevoked})},
        description=(
            "Revokes the links to one file (also one in the trash), or to all files of the"
            " caller. Lists return new links from then on. Browsers that have loaded a file may"
            " show their cached copy for a while (max-age)."
        ),
        errors=("FILE_NOT_FOUND",),
        parameters=(USER_ID,),
        body=RevokeBody,
    ),
}
