"""Operations for operators. The services check the admin role; nothing is decided here."""

from __future__ import annotations

from typing import Final

from gateway.families.admin.rendering import (
    show_act,
    show_cleaner,
    show_finding,
    show_infected,
    show_run,
    show_user,
)
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
from gateway.families.library.rendering import show_costs, show_usage
from gateway.families.library.shapes import Costs, UsageAndQuota
from gateway.http import fields
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, json_reply
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import (
    GET_CLEANER_STATUS,
    GET_COSTS,
    GET_VERIFICATION_REPORT,
    LIST_ADMIN_ACTS,
    LIST_INFECTED,
    LIST_USAGE,
    LIST_VERIFICATION_FINDINGS,
    SET_QUOTA,
    START_VERIFICATION,
)
from strongroom.errors import NotFound
from strongroom.metadata.v1.admin_service_pb2 import (
    USAGE_ORDER_BYTES,
    USAGE_ORDER_FILES,
    USAGE_ORDER_OWNER,
    GetCleanerStatusRequest,
    ListAdminActsRequest,
    ListUsageRequest,
)
from strongroom.metadata.v1.infected_pb2 import ListInfectedRequest
from strongroom.metadata.v1.usage_service_pb2 import GetCostsRequest, SetQuotaRequest
from strongroom.metadata.v1.verification_pb2 import (
    VERIFICATION_DEPTH_BYTES,
    VERIFICATION_DEPTH_HEADS,
    VERIFICATION_DEPTH_LISTINGS,
)
from strongroom.storage.v1.verify_pb2 import (
    GetVerificationReportRequest,
    GetVerificationReportResponse,
    ListVerificationFindingsRequest,
    StartVerificationRequest,
)

PREFIX: Final = "/api/admin"
VERIFICATION: Final = PREFIX + "/verification"
ORDERS: Final = {"bytes": USAGE_ORDER_BYTES, "files": USAGE_ORDER_FILES, "user": USAGE_ORDER_OWNER}
DEPTHS: Final = {
    "listings": VERIFICATION_DEPTH_LISTINGS,
    "heads": VERIFICATION_DEPTH_HEADS,
    "bytes": VERIFICATION_DEPTH_BYTES,
}
MAX_PAGE: Final = 1000
MAX_FINDINGS: Final = 500
MAX_ID: Final = 2**31 - 1

routes = Routes("admin")


@routes.add("GET", PREFIX + "/usage")
async def list_usage(call: Call) -> JsonReply[UserUsageList]:
    """Usage and quota of users."""
    fields.only(call, "sort", "limit", "page_token")
    sort = {"sort": call.query("sort") or "bytes"}
    request = ListUsageRequest(
        user_id=call.user_id(),
        order=fields.choice(sort, "sort", ORDERS),
        page_size=_limit(call, MAX_PAGE),
        page_token=call.query("page_token") or "",
        by_family=True,
    )
    response = await call.ask(LIST_USAGE, request)
    return json_reply(
        {
            "users": [show_user(owner) for owner in response.owners],
            "next_page_token": response.next_page_token or None,
        }
    )


@routes.add("GET", PREFIX + "/infected")
async def list_infected(call: Call) -> JsonReply[InfectedList]:
    """Stored contents that the scanner found infected."""
    fields.only(call, "limit", "page_token")
    request = ListInfectedRequest(
        user_id=call.user_id(), page_size=_limit(call, MAX_PAGE), page_token=call.query("page_token") or ""
    )
    response = await call.ask(LIST_INFECTED, request)
    return json_reply(
        {
            "contents": [show_infected(one) for one in response.contents],
            "next_page_token": response.next_page_token or None,
        }
    )


@routes.add("GET", PREFIX + "/costs")
async def get_all_costs(call: Call) -> JsonReply[Costs]:
    """Monthly cost of the objects of all users."""
    fields.only(call)
    call.user_id()
    return json_reply(show_costs(await call.ask(GET_COSTS, GetCostsRequest(all_users=True))))


@routes.add("PUT", PREFIX + "/quotas/{user}")
async def set_quota(call: Call) -> JsonReply[UsageAndQuota]:
    """Set both limits of a user."""
    call.user_id()
    body = await read_json(call, QuotaBody)
    request = SetQuotaRequest(
        user_id=call.path["user"], limit_bytes=body.limit_bytes, limit_files=body.limit_files
    )
    return json_reply(show_usage((await call.ask(SET_QUOTA, request)).usage))


@routes.add("GET", PREFIX + "/cleaner")
async def get_cleaner(call: Call) -> JsonReply[Cleaner]:
    """The cleaner's backlog, its failures, and the replicas that work on it."""
    fields.only(call)
    call.user_id()
    return json_reply(show_cleaner(await call.ask(GET_CLEANER_STATUS, GetCleanerStatusRequest())))


@routes.add("GET", VERIFICATION)
async def get_verification(call: Call) -> JsonReply[LastVerification]:
    """The progress of the last verification; once it has ended, its signed report."""
    fields.only(call)
    call.user_id()
    found = await _last(call)
    if found is None:
        return json_reply({"verification": None, "report": None, "signature": None, "public_key": None})
    return json_reply(
        {
            "verification": show_run(found.verification),
            "report": found.report_json.decode() or None,
            "signature": found.signature.hex() or None,
            "public_key": found.public_key.hex() or None,
        }
    )


@routes.add("POST", VERIFICATION)
async def start_verification(call: Call) -> JsonReply[VerificationBegun]:
    """Begin a verification, or return the one in progress."""
    call.user_id()
    body = await read_json(call, VerificationBody)
    response = await call.ask(START_VERIFICATION, StartVerificationRequest(depth=DEPTHS[body.depth]))
    return json_reply({"verification": show_run(response.verification), "begun": response.begun})


@routes.add("GET", VERIFICATION + "/findings")
async def list_findings(call: Call) -> JsonReply[FindingList]:
    """Findings of the last verification."""
    fields.only(call, "after", "limit")
    call.user_id()
    limit = _limit(call, MAX_FINDINGS)
    after = fields.integer(call, "after", default=0, minimum=0, maximum=MAX_ID)
    found = await _last(call)
    if found is None:
        return json_reply({"findings": [], "next_after": None})
    request = ListVerificationFindingsRequest(id=found.verification.id, after_number=after, limit=limit)
    shown = [show_finding(one) for one in (await call.ask(LIST_VERIFICATION_FINDINGS, request)).findings]
    return json_reply({"findings": shown, "next_after": shown[-1]["number"] if len(shown) == limit else None})


@routes.add("GET", PREFIX + "/acts")
async def list_acts(call: Call) -> JsonReply[ActList]:
    """The audit log, newest first."""
    fields.only(call, "before", "limit")
    limit = _limit(call, MAX_PAGE)
    before = fields.integer(call, "before", default=0, minimum=0, maximum=MAX_ID)
    request = ListAdminActsRequest(user_id=call.user_id(), page_size=limit, before_id=before)
    acts = [show_act(act) for act in (await call.ask(LIST_ADMIN_ACTS, request)).acts]
    return json_reply({"acts": acts, "next_before": acts[-1]["id"] if len(acts) == limit else None})


async def _last(call: Call) -> GetVerificationReportResponse | None:
    try:
        return await call.ask(GET_VERIFICATION_REPORT, GetVerificationReportRequest())
    except NotFound:
        return None  # nothing was verified yet


def _limit(call: Call, most: int) -> int:
    return fields.integer(call, "limit", default=100, minimum=1, maximum=most, clamp=True)
