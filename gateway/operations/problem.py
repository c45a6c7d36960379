"""The shape of every error."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class FieldError(BaseModel):
    """One broken rule."""

    field: str = Field(description="The field at fault.")
    rule: str = Field(description="The rule, for programs.")
    message: str = Field(description="What is wrong, for people.")


class Problem(BaseModel):
    """RFC 9457, with `success` and `message` for older clients."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:strongroom:problem:FILE_NOT_FOUND",
                "title": "File not found",
                "status": 404,
                "detail": "There is no such file.",
                "code": "FILE_NOT_FOUND",
                "request_id": "7f3c1d2ab6e04f5e9a43c0d1e2f3a4b5",
                "success": False,
                "message": "There is no such file.",
            }
        }
    )

    type: str = Field(description="URI of the kind of problem: `urn:strongroom:problem:` and the code.")
    title: str = Field(description="The kind of problem, for people.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What happened and what to do.")
    code: str = Field(description="The kind of problem, for programs.")
    request_id: str = Field(description="Quote it when asking for help; every log line has it.")
    success: Literal[False] = False
    message: str = Field(description="The same as `detail`.")
    metadata: dict[str, str] | None = Field(None, description="What the code promises, such as the limit.")
    errors: list[FieldError] | None = Field(None, description="The fields at fault.")
