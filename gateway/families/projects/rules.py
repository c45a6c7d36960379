"""The rule for how many versions a project keeps."""

from __future__ import annotations

from typing import Final

from gateway.families.projects.shapes import Rule, RuleBody
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, json_reply
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import GET_VERSION_RULE, SET_VERSION_RULE
from strongroom.metadata.v1.project_service_pb2 import (
    GetVersionRuleRequest,
    GetVersionRuleResponse,
    SetVersionRuleRequest,
    SetVersionRuleResponse,
    VersionRule,
)

RULE: Final = "/api/projects/{slug}/version-rule"


def add_rules(routes: Routes) -> None:
    """Register them."""
    routes.add("GET", RULE)(get_version_rule)
    routes.add("PUT", RULE)(set_version_rule)
    routes.add("DELETE", RULE)(clear_version_rule)


async def get_version_rule(call: Call) -> JsonReply[Rule]:
    """The rule in effect."""
    request = GetVersionRuleRequest(slug=call.path["slug"], user_id=call.user_id())
    found = await call.ask(GET_VERSION_RULE, request)
    return _shown(found)


async def set_version_rule(call: Call) -> JsonReply[Rule]:
    """Set a rule for the project."""
    body = await read_json(call, RuleBody)
    rule = VersionRule(keep_last=body.keep_last, keep_daily_days=body.keep_daily_days)
    request = SetVersionRuleRequest(slug=call.path["slug"], rule=rule, user_id=call.user_id())
    found = await call.ask(SET_VERSION_RULE, request)
    return _shown(found)


async def clear_version_rule(call: Call) -> JsonReply[Rule]:
    """Return to the rule in the settings."""
    request = SetVersionRuleRequest(slug=call.path["slug"], user_id=call.user_id())
    found = await call.ask(SET_VERSION_RULE, request)
    return _shown(found)


def _shown(found: GetVersionRuleResponse | SetVersionRuleResponse) -> JsonReply[Rule]:
    return json_reply(
        {
            "success": True,
            "keep_last": found.rule.keep_last,
            "keep_daily_days": found.rule.keep_daily_days,
            "own": found.own,
        }
    )
