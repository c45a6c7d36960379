"""Retention of files and projects, and legal holds (docs/retention.md)."""

from __future__ import annotations

from typing import Final, TypeVar
from uuid import UUID

from gateway.families.library.rendering import family_of
from gateway.families.library.routes import named_file
from gateway.families.retention.shapes import (
    HoldBody,
    Retained,
    RetentionBody,
    RetentionRule,
    RetentionRules,
)
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, json_reply
from gateway.operations.retention import show_retention
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import GET_FILE, GET_RETENTION_RULES, LIFT_HOLD, PLACE_HOLD, SET_RETENTION
from strongroom.metadata.v1 import retention_service_pb2 as pb

FILE: Final = "/api/v1/files/{file:path}"
PROJECT: Final = "/api/projects/{slug}"

Request = TypeVar("Request", pb.SetRetentionRequest, pb.PlaceHoldRequest, pb.LiftHoldRequest)

routes = Routes("retention")


@routes.add("GET", "/api/v1/retention")
async def get_retention_rules(call: Call) -> JsonReply[RetentionRules]:
    """The rules of the installation."""
    found = await call.ask(GET_RETENTION_RULES, pb.GetRetentionRulesRequest(user_id=call.user_id()))
    rules: list[RetentionRule] = [
        {
            "family": family_of(rule.family),
            "keep_days": rule.keep_days or None,
            "delete_after_days": rule.delete_after_days or None,
        }
        for rule in found.rules
    ]
    if found.project_keep_days:
        rules.append({"family": "projects", "keep_days": found.project_keep_days, "delete_after_days": None})
    return json_reply({"rules": rules, "trash_seconds": found.trash_seconds})


@routes.add("PATCH", FILE + "/retention")
async def set_file_retention(call: Call) -> JsonReply[Retained]:
    """Set the file's retention."""
    request = await _retention(call)
    return await _set(call, await _of_file(call, request))


@routes.add("PATCH", PROJECT + "/retention")
async def set_project_retention(call: Call) -> JsonReply[Retained]:
    """Set the project's retention."""
    request = await _retention(call)
    return await _set(call, _of_project(call, request))


@routes.add("PUT", FILE + "/hold")
async def hold_file(call: Call) -> JsonReply[Retained]:
    """Place a legal hold on the file."""
    body = await read_json(call, HoldBody)
    return await _hold(call, await _of_file(call, pb.PlaceHoldRequest(reason=body.reason)))


@routes.add("PUT", PROJECT + "/hold")
async def hold_project(call: Call) -> JsonReply[Retained]:
    """Place a legal hold on the project."""
    body = await read_json(call, HoldBody)
    return await _hold(call, _of_project(call, pb.PlaceHoldRequest(reason=body.reason)))


@routes.add("DELETE", FILE + "/hold")
async def release_file(call: Call) -> JsonReply[Retained]:
    """Lift the file's legal hold."""
    return await _lift(call, await _of_file(call, pb.LiftHoldRequest()))


@routes.add("DELETE", PROJECT + "/hold")
async def release_project(call: Call) -> JsonReply[Retained]:
    """Lift the project's legal hold."""
    return await _lift(call, _of_project(call, pb.LiftHoldRequest()))


async def _retention(call: Call) -> pb.SetRetentionRequest:
    body = await read_json(call, RetentionBody)
    request = pb.SetRetentionRequest()
    times = body.times()
    if "keep_until" in times:
        moment = times["keep_until"]
        request.clear_keep_until = moment is None
        if moment is not None:
            request.keep_until_time.FromDatetime(moment)
    if "delete_after" in times:
        moment = times["delete_after"]
        request.clear_delete_after = moment is None
        if moment is not None:
            request.delete_after_time.FromDatetime(moment)
    return request


async def _of_file(call: Call, request: Request) -> Request:
    """Name the file of the path, which may be in the trash."""
    named = named_file(call)
    if named.file_id:
        request.file_id = str(UUID(named.file_id))
    else:
        named.show_deleted = True
        request.file_id = (await call.ask(GET_FILE, named)).file.id
    request.user_id = named.user_id
    return request


def _of_project(call: Call, request: Request) -> Request:
    request.project, request.user_id = call.path["slug"], call.user_id()
    return request


async def _set(call: Call, request: pb.SetRetentionRequest) -> JsonReply[Retained]:
    return json_reply(show_retention((await call.ask(SET_RETENTION, request)).retention))


async def _hold(call: Call, request: pb.PlaceHoldRequest) -> JsonReply[Retained]:
    return json_reply(show_retention((await call.ask(PLACE_HOLD, request)).retention))


async def _lift(call: Call, request: pb.LiftHoldRequest) -> JsonReply[Retained]:
    return json_reply(show_retention((await call.ask(LIFT_HOLD, request)).retention))
