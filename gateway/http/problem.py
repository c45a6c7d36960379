"""The shape of every error."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from gateway.http.shapes import example


class FieldError(TypedDict):
    """One broken rule."""

    field: Annotated[str, Field(description="The invalid field.")]
    rule: Annotated[str, Field(description="The rule, for programs.")]
    message: Annotated[str, Field(description="What is wrong, for people.")]


EXAMPLE: Problem = {
    "type": "urn:strongroom:problem:FILE_NOT_FOUND",
    "title": "File not found",
    "status": 404,
    "detail": "There is no such file.",
    "code": "FILE_NOT_FOUND",
    "request_id": "7f3c1d2ab6e04f5e9a43c0d1e2f3a4b5",
    "success": False,
    "message": "There is no such file.",
}


@example(EXAMPLE)
class Problem(TypedDict):
    """RFC 9457, with `success` and `message` for older clients."""

    type: Annotated[
        str, Field(description="URI of the kind of problem: `urn:strongroom:problem:` and the code.")
    ]
    title: Annotated[str, Field(description="The kind of problem, for people.")]
    status: Annotated[int, Field(description="The HTTP status.")]
    detail: Annotated[str, Field(description="What happened and what to do.")]
    code: Annotated[str, Field(description="The kind of problem, for programs.")]
    request_id: Annotated[str, Field(description="Quote it when asking for help; every log line has it.")]
    success: Literal[False]
    message: Annotated[str, Field(description="The same as `detail`.")]
    trace_id: NotRequired[
        Annotated[
            str,
            Field(description="Trace id of the request, 32 hex digits, if tracing is on or one was sent."),
        ]
    ]
    metadata: NotRequired[
        Annotated[dict[str, str], Field(description="Details defined by the code, such as the limit.")]
    ]
    errors: NotRequired[Annotated[list[FieldError], Field(description="The invalid fields.")]]
