"""The OpenAPI texts of operations for operators."""

from __future__ import annotations

from typing import Final

from gateway.families.admin.shapes import (
    ActList,
    Cleaner,
    FindingList,
    InfectedList,
    LastVerification,
    QuotaBody,
    UserUsageList,
    VerificationBegun,
    VerificationBody,
)
from gateway.families.library.shapes import Costs, UsageAndQuota
from gateway.operations.docs import USER_ID, Doc, Schema, Success, in_path, query

TITLE = "Operating"
TEXT = (
    "For operators. A token with the admin role is required; all others get 403. The same"
    " is available over gRPC (`AdminService`, `VerifyService`, `UsageService`) and as"
    " `strongroom admin`, `strongroom verify`."
)
JSON: Final = "application/json"
DENIED: Final = ("PERMISSION_DENIED",)


def _limit(most: int) -> Schema:
    schema = {"type": "integer", "minimum": 1, "default": 100}
    return query("limit", f"Maximum number of results; a value over {most} is lowered to {most}.", schema, 50)


DOCS = {
    "list_usage": Doc(
        "Usage of all users",
        {200: Success("A page", {JSON: UserUsageList})},
        description="Users who have files or limits of their own; also by family.",
        errors=(*DENIED, "INVALID_PAGE_TOKEN"),
        parameters=(
            query("sort", "The order.", {"type": "string", "enum": ["bytes", "files", "user"]}),
            _limit(1000),
            query("page_token", "next_page_token of the previous page.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "get_all_costs": Doc(
        "Estimated costs of all users",
        {200: Success("Per month, by storage class and family", {JSON: Costs})},
        errors=DENIED,
        parameters=(USER_ID,),
    ),
    "list_infected": Doc(
        "Infected content of all users",
        {200: Success("A page, by user", {JSON: InfectedList})},
        description="Content that was found infected after it had been stored; nobody can read it.",
        errors=(*DENIED, "INVALID_PAGE_TOKEN"),
        parameters=(
            _limit(1000),
            query("page_token", "next_page_token of the previous page.", {"type": "string"}),
            USER_ID,
        ),
    ),
    "set_quota": Doc(
        "Set a user's limits",
        {200: Success("Usage and the new limits", {JSON: UsageAndQuota})},
        description="Existing files stay, even over the limit. Recorded in the audit log.",
        errors=(*DENIED, "UNSUPPORTED_MEDIA_TYPE"),
        parameters=(
            in_path("user", "`sub` of the user.", {"type": "string", "maxLength": 255}, "alice"),
            USER_ID,
        ),
        body=QuotaBody,
    ),
    "get_cleaner": Doc(
        "The cleaner's backlog",
        {200: Success("By state", {JSON: Cleaner})},
        errors=DENIED,
        parameters=(USER_ID,),
    ),
    "get_verification": Doc(
        "The last verification",
        {200: Success("Its progress, or its signed report", {JSON: LastVerification})},
        errors=DENIED,
        parameters=(USER_ID,),
    ),
    "start_verification": Doc(
        "Verify now",
        {200: Success("The run", {JSON: VerificationBegun})},
        description=(
            "Starts a comparison of every row with its object. It changes nothing, and runs in"
            " the background."
        ),
        errors=(*DENIED, "UNSUPPORTED_MEDIA_TYPE"),
        parameters=(USER_ID,),
        body=VerificationBody,
    ),
    "list_findings": Doc(
        "Findings of the last verification",
        {200: Success("A page", {JSON: FindingList})},
        errors=DENIED,
        parameters=(
            query("after", "Only findings with a larger number.", {"type": "integer", "minimum": 0}, 100),
            _limit(500),
            USER_ID,
        ),
    ),
    "list_acts": Doc(
        "The audit log",
        {200: Success("A page, newest first", {JSON: ActList})},
        errors=DENIED,
        parameters=(
            query("before", "Only acts with a smaller id.", {"type": "integer", "minimum": 1}, 7),
            _limit(1000),
            USER_ID,
        ),
    ),
}
