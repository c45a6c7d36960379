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
    USER_ID,
    Doc,
    Success,
    in_path,
)

TITLE = "Links"
TEXT = (
    "What `s3_url`, `file_url` and `url` hold: a URL of ours that reads one file, for whoever has it, in"
    " an `<img>` or a `<video>` of any page. It is the same each time for the same content, so browsers keep"
    " what it reads. It dies when the file is deleted or replaced, or its owner revokes it, and where it has"
    " an end of its own."
)
JSON = "application/json"
ERRORS = (
    *(name for name in ALWAYS if not name.startswith("TOKEN_") and name != "USER_MISMATCH"),
    "FILE_NOT_FOUND",
    "PRECONDITION_FAILED",
    "RANGE_NOT_SATISFIABLE",
    "CONTENT_INFECTED",
    "OBJECT_LOST",
    "OBJECT_ARCHIVED",
    "OBJECT_STORE_UNAVAILABLE",
    "OBJECT_STORE_THROTTLED",
)
TOKEN = in_path("token", "From the link.", {"type": "string", "maxLength": 1024}, "q83vASNFZ4mrze8BI0VniQ")
NAME = in_path("name", "For people; not looked at.", {"type": "string"}, "cat.png")
BYTES = {
    200: Success("The bytes", {"*/*": BINARY}, FILE_HEADERS),
    206: Success("The range asked for", {"*/*": BINARY}, {**FILE_HEADERS, "Content-Range": "Which bytes."}),
    302: Success(
        "With `STRONGROOM_LINK_MODE=redirect`: the bytes are at the store", headers={"Location": "Where."}
    ),
    304: Success("Not modified"),
}

DOCS = {
    "read_link": Doc(
        "Read a file by its link",
        BYTES,
        description="HEAD answers the same without the bytes.",
        errors=ERRORS,
        parameters=(TOKEN, NAME, *RANGE_HEADERS),
    ),
    "read_link_without_name": Doc(
        "Read a file by its link, without the name", BYTES, errors=ERRORS, parameters=(TOKEN, *RANGE_HEADERS)
    ),
    "make_link": Doc(
        "Make a link",
        {200: Success("The link", {JSON: LinkMade})},
        description="The answers' own `s3_url`, `file_url` and `url` are links already; this one is made with"
        " another end or scope. Equal requests soon after each other answer equal links.",
        errors=("FILE_NOT_FOUND",),
        parameters=(USER_ID,),
        body=LinkBody,
    ),
    "make_links": Doc(
        "Make links to many files",
        {200: Success("The links", {JSON: LinksMade})},
        description="As one link each. A file that is not there, or not the caller's, has `url` null.",
        parameters=(USER_ID,),
        body=LinkBatchBody,
    ),
    "revoke_links": Doc(
        "Revoke links",
        {200: Success("They are dead, everywhere and at once", {JSON: LinksRevoked})},
        description="Those to one file, also one in the trash, or to all files of the caller. Lists hand out"
        " new ones from then on. Browsers that have seen a file may show their copy for a while (max-age).",
        errors=("FILE_NOT_FOUND",),
        parameters=(USER_ID,),
        body=RevokeBody,
    ),
}
