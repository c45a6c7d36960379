"""Shares for their owners (docs/shares.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.families.shares.shapes import DropBody, DropRules, Share, ShareBody, ShareEditBody, ShareList
from gateway.http import fields
from gateway.http.exchange import Exchange, idempotency_key
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, json_reply
from gateway.http.shapes import rfc3339
from gateway.operations.addresses import absolute
from gateway.operations.polling import Poll
from gateway.operations.retention import show_wish
from gateway.operations.routing import Routes
from gateway.upstream.call import Call
from gateway.upstream.rpcs import CREATE_SHARE, GET_SHARE, LIST_SHARES, REVOKE_SHARE, UPDATE_SHARE
from gateway.upstream.uploads import FOLDERS
from gateway.upstream.wishes import STORAGE_CLASS, storage_class_of
from strongroom.enum_words import enum_word
from strongroom.errors import ShareNotFound
from strongroom.metadata.v1 import share_pb2 as pb
from strongroom.metadata.v1 import share_service_pb2 as service
from strongroom.metadata.v1.target_pb2 import FileTarget

SHARES: Final = "/api/v1/shares"
ONE: Final = SHARES + "/{id}"
MAX_PAGE: Final = 100
_FOLDER_NAMES: Final = {number: name for name, number in FOLDERS.items()}
_SCOPES: Final[Mapping[str, str]] = {"file_id": "file", "event_id": "event", "key_prefix": "prefix"}

routes = Routes("shares")


@routes.add("POST", SHARES)
async def create_share(call: Call) -> JsonReply[Share]:
    """Create a share of one thing. Only this answer contains its URL."""
    body = await read_json(call, ShareBody)
    request = service.CreateShareRequest(
        scope=_scope(body),
        title=body.title,
        password=body.password,
        expires_in_seconds=body.expires_in,
        max_uses=body.max_uses,
        request_id=idempotency_key(call),
        user_id=call.user_id(body.user_id),
    )
    if body.expires_at is not None:
        request.expire_time.FromDatetime(body.expires_at)
    made = await call.ask(CREATE_SHARE, request)
    answer = shown(made.share)
    answer["url"] = absolute(call, made.url) if made.url else None
    return json_reply(answer, 201, secret=True)


@routes.add("GET", SHARES)
async def list_shares(call: Call) -> JsonReply[ShareList]:
    """A page of the caller's shares."""
    fields.only(call, "active", "limit", "page_token")
    active = fields.choice(
        {"active": call.query("active") or "false"}, "active", {"true": True, "false": False}
    )
    request = service.ListSharesRequest(
        page_size=fields.integer(call, "limit", default=MAX_PAGE, minimum=1, maximum=MAX_PAGE, clamp=True),
        page_token=fields.page_token(call, "page_token"),
        active_only=active,
        user_id=call.user_id(),
    )
    poll = Poll(call)
    if (same := await poll.unchanged()) is not None:
        return same
    found = await call.ask(LIST_SHARES, request)
    page: ShareList = {
        "shares": [shown(share) for share in found.shares],
        "next_page_token": found.next_page_token or None,
    }
    return poll.reply(page, found.revision)


@routes.add("GET", ONE)
async def get_share(call: Call) -> JsonReply[Share]:
    """One of the caller's shares."""
    request = service.GetShareRequest(share_id=_share_id(call), user_id=call.user_id())
    return json_reply(shown((await call.ask(GET_SHARE, request)).share))


@routes.add("PATCH", ONE)
async def update_share(call: Call) -> JsonReply[Share]:
    """Change title, end, uses or password."""
    share_id = _share_id(call)
    body = await read_json(call, ShareEditBody)
    request = service.UpdateShareRequest(
        share_id=share_id,
        title=body.title,
        password=body.password,
        expires_in_seconds=body.expires_in,
        max_uses=body.max_uses,
        user_id=call.user_id(body.user_id),
    )
    if body.expires_at is not None:
        request.ClearField("expires_in_seconds")
        request.expire_time.FromDatetime(body.expires_at)
    return json_reply(shown((await call.ask(UPDATE_SHARE, request)).share))


@routes.add("DELETE", ONE)
async def revoke_share(call: Call) -> JsonReply[Share]:
    """Revoke the share for good."""
    request = service.RevokeShareRequest(share_id=_share_id(call), user_id=call.user_id())
    return json_reply(shown((await call.ask(REVOKE_SHARE, request)).share))


def _share_id(exchange: Exchange) -> str:
    try:
        return str(UUID(exchange.path["id"]))
    except ValueError:
        raise ShareNotFound("There is no such share.") from None


def _scope(body: ShareBody) -> pb.ShareScope:
    if body.file_id is not None:
        return pb.ShareScope(file_id=body.file_id)
    if body.event_id is not None:
        return pb.ShareScope(event_id=body.event_id)
    if body.prefix is not None:
        return pb.ShareScope(key_prefix=body.prefix)
    if body.project is not None:
        return pb.ShareScope(project=pb.SharedVersion(slug=body.project, version=body.version))
    return pb.ShareScope(drop=_drop(body.drop or DropBody()))


def _drop(body: DropBody) -> pb.Drop:
    rules = pb.Drop(
        max_files=body.max_files,
        max_bytes=body.max_bytes,
        max_file_bytes=body.max_file_bytes or 0,
        content_types=body.content_types,
        retention=body.wish(),
        storage_class=storage_class_of({STORAGE_CLASS: body.storage_class}),
    )
    if body.path is not None:
        rules.path = body.path
    elif body.event_id is not None:
        rules.event_id = body.event_id
    else:
        folder = FOLDERS[body.folder or "uploads"]
        rules.folder.CopyFrom(FileTarget(folder=folder, class_id=body.class_id or ""))
    return rules


def shown(share: pb.Share) -> Share:
    """A share as JSON for its owner."""
    scope = share.scope
    kind = scope.WhichOneof("scope") or ""
    answer: Share = {
        "id": share.id,
        "scope": _SCOPES.get(kind, kind),  # type: ignore[typeddict-item]  # the protos' names are these
        "file_id": scope.file_id or None,
        "event_id": scope.event_id or None,
        "prefix": scope.key_prefix or None,
        "project": scope.project.slug or None,
        "version": scope.project.version or None,
        "drop": _drop_rules(share) if kind == "drop" else None,
        "title": share.title,
        "has_password": share.has_password,
        "expires_at": _moment(share, "expire_time"),
        "max_uses": share.max_uses,
        "uses": share.uses,
        "state": enum_word(pb.ShareState.DESCRIPTOR, share.state),  # type: ignore[typeddict-item]
        "created_at": rfc3339(share.create_time),
        "updated_at": rfc3339(share.update_time),
        "last_used_at": _moment(share, "last_use_time"),
        "revoked_at": _moment(share, "revoke_time"),
    }
    return answer


def _drop_rules(share: pb.Share) -> DropRules:
    rules = share.scope.drop
    return {
        "path": rules.path or None,
        "event_id": rules.event_id or None,
        "folder": _FOLDER_NAMES.get(rules.folder.folder) if rules.HasField("folder") else None,
        "class_id": rules.folder.class_id or None,
        "max_files": rules.max_files,
        "max_bytes": rules.max_bytes,
        "max_file_bytes": rules.max_file_bytes,
        "content_types": list(rules.content_types),
        "retention": show_wish(rules.retention) if rules.HasField("retention") else None,
        "storage_class": rules.storage_class or None,
        "files": share.dropped_files,
        "bytes": share.dropped_bytes,
    }


def _moment(share: pb.Share, name: str) -> str | None:
    moment: Timestamp = getattr(share, name)
    return rfc3339(moment) if share.HasField(name) else None  # type: ignore[arg-type]  # one of its own names
