"""Webhooks for their owners and, below ``/api/admin``, those of the installation (docs/webhooks.md)."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.families.webhooks import shapes
from gateway.families.webhooks.shapes import Delivery, DeliveryList, Replayed, Webhook, WebhookList
from gateway.http import fields
from gateway.http.exchange import idempotency_key
from gateway.http.json_body import read_json
from gateway.http.reply import JsonReply, Reply, json_reply, polled_reply
from gateway.http.shapes import rfc3339
from gateway.operations.routing import Routes
from gateway.upstream import rpcs
from gateway.upstream.call import Call
from strongroom.enum_words import enum_word, event_name
from strongroom.errors import WebhookNotFound
from strongroom.metadata.v1 import webhook_pb2 as pb
from strongroom.metadata.v1 import webhook_service_pb2 as service
from strongroom.metadata.v1.notification_service_pb2 import EventType

OWN: Final = "/api/webhooks"
OF_ALL: Final = "/api/admin/webhooks"
MAX_PAGE: Final = 100
_STATES: Final = {
    "": pb.DELIVERY_STATE_UNSPECIFIED,
    "pending": pb.DELIVERY_STATE_PENDING,
    "delivered": pb.DELIVERY_STATE_DELIVERED,
    "dead": pb.DELIVERY_STATE_DEAD,
}

Answer = TypeVar("Answer", bound=Reply)
Serve: TypeAlias = Callable[[Call, bool], Awaitable[Answer]]

routes = Routes("webhooks")


def _both(method: str, suffix: str = "") -> Callable[[Serve[Answer]], Serve[Answer]]:
    """Register two operations: one for the caller's webhooks, one for the installation's."""

    def register(serve: Serve[Answer]) -> Serve[Answer]:
        @functools.wraps(serve)
        async def own(call: Call, /) -> Answer:
            return await serve(call, False)

        @functools.wraps(serve)
        async def of_all(call: Call, /) -> Answer:
            return await serve(call, True)

        of_all.__name__ = f"{serve.__name__}_of_all"
        routes.add(method, OWN + suffix)(own)
        routes.add(method, OF_ALL + suffix)(of_all)
        return serve

    return register


@_both("POST")
async def create_webhook(call: Call, all_users: bool) -> JsonReply[Webhook]:
    """Create a webhook. Only this answer contains its secret."""
    body = await read_json(call, shapes.WebhookBody)
    request = service.CreateWebhookRequest(
        url=body.url,
        description=body.description,
        filter=_filter(body.types, body.families),
        request_id=idempotency_key(call),
        user_id=_whose(call, all_users, body.user_id),
        all_users=all_users,
    )
    made = await call.ask(rpcs.CREATE_WEBHOOK, request)
    return json_reply(shown(made.webhook, made.secret), 201, secret=True)


@_both("GET")
async def list_webhooks(call: Call, all_users: bool) -> JsonReply[WebhookList]:
    """A page of webhooks."""
    fields.only(call, "limit", "page_token")
    request = service.ListWebhooksRequest(
        page_size=fields.integer(call, "limit", default=MAX_PAGE, minimum=1, maximum=MAX_PAGE, clamp=True),
        page_token=fields.page_token(call, "page_token"),
        user_id=_whose(call, all_users),
        all_users=all_users,
    )
    found = await call.ask(rpcs.LIST_WEBHOOKS, request)
    page: WebhookList = {
        "webhooks": [shown(webhook) for webhook in found.webhooks],
        "next_page_token": found.next_page_token or None,
    }
    return polled_reply(page, call.header("if-none-match"))


@_both("GET", "/{id}")
async def get_webhook(call: Call, all_users: bool) -> JsonReply[Webhook]:
    """One webhook."""
    request = service.GetWebhookRequest(
        webhook_id=_id(call), user_id=_whose(call, all_users), all_users=all_users
    )
    return json_reply(shown((await call.ask(rpcs.GET_WEBHOOK, request)).webhook))


@_both("PATCH", "/{id}")
async def update_webhook(call: Call, all_users: bool) -> JsonReply[Webhook]:
    """Change URL, description or filter; pause or resume."""
    webhook_id = _id(call)
    body = await read_json(call, shapes.WebhookEditBody)
    request = service.UpdateWebhookRequest(
        webhook_id=webhook_id,
        url=body.url,
        description=body.description,
        paused=body.paused,
        user_id=_whose(call, all_users, body.user_id),
        all_users=all_users,
    )
    if body.types is not None and body.families is not None:
        request.filter.CopyFrom(_filter(body.types, body.families))
    return json_reply(shown((await call.ask(rpcs.UPDATE_WEBHOOK, request)).webhook))


@_both("DELETE", "/{id}")
async def delete_webhook(call: Call, all_users: bool) -> Reply:
    """Delete the webhook and its deliveries."""
    request = service.DeleteWebhookRequest(
        webhook_id=_id(call), user_id=_whose(call, all_users), all_users=all_users
    )
    await call.ask(rpcs.DELETE_WEBHOOK, request)
    return Reply(204)


@_both("POST", "/{id}/secret")
async def rotate_webhook_secret(call: Call, all_users: bool) -> JsonReply[Webhook]:
    """Create a new secret; the old ones also sign for a while."""
    webhook_id = _id(call)
    body = await read_json(call, shapes.RotationBody)
    request = service.RotateWebhookSecretRequest(
        webhook_id=webhook_id,
        overlap_seconds=body.overlap_seconds,
        user_id=_whose(call, all_users, body.user_id),
        all_users=all_users,
    )
    made = await call.ask(rpcs.ROTATE_WEBHOOK_SECRET, request)
    return json_reply(shown(made.webhook, made.secret), 201, secret=True)


@_both("POST", "/{id}/test")
async def test_webhook(call: Call, all_users: bool) -> JsonReply[Delivery]:
    """Send a test delivery."""
    request = service.TestWebhookRequest(
        webhook_id=_id(call), user_id=_whose(call, all_users), all_users=all_users
    )
    return json_reply(delivery_shown((await call.ask(rpcs.TEST_WEBHOOK, request)).delivery), 202)


@_both("GET", "/{id}/deliveries")
async def list_webhook_deliveries(call: Call, all_users: bool) -> JsonReply[DeliveryList]:
    """A page of deliveries."""
    fields.only(call, "state", "limit", "page_token")
    request = service.ListDeliveriesRequest(
        webhook_id=_id(call),
        state=fields.choice({"state": call.query("state") or ""}, "state", _STATES),
        page_size=fields.integer(call, "limit", default=MAX_PAGE, minimum=1, maximum=MAX_PAGE, clamp=True),
        page_token=fields.page_token(call, "page_token"),
        user_id=_whose(call, all_users),
        all_users=all_users,
    )
    found = await call.ask(rpcs.LIST_DELIVERIES, request)
    page: DeliveryList = {
        "deliveries": [delivery_shown(one) for one in found.deliveries],
        "next_page_token": found.next_page_token or None,
    }
    return json_reply(page)


@_both("POST", "/{id}/replay")
async def replay_webhook(call: Call, all_users: bool) -> JsonReply[Replayed]:
    """Send again: one delivery, all dead letters, or all events after one."""
    webhook_id = _id(call)
    body = await read_json(call, shapes.ReplayBody)
    request = service.ReplayDeliveriesRequest(
        webhook_id=webhook_id, user_id=_whose(call, all_users, body.user_id), all_users=all_users
    )
    if body.delivery_id is not None:
        request.delivery_id = body.delivery_id
    elif body.after is not None:
        request.after = body.after
    else:
        request.dead = True
    answer: Replayed = {"replayed": (await call.ask(rpcs.REPLAY_DELIVERIES, request)).replayed}
    return json_reply(answer, 202)


def _whose(call: Call, all_users: bool, named: str | None = None) -> str:
    """The user on whose behalf the call is; none for the installation's webhooks."""
    user_id = call.user_id(named)
    return "" if all_users else user_id


def _id(call: Call) -> str:
    try:
        return fields.canonical(call.path["id"])
    except ValueError:
        raise WebhookNotFound("There is no such webhook.") from None


def _filter(types: list[Any], families: list[Any]) -> pb.EventFilter:
    numbers = [EventType.Value(f"EVENT_TYPE_{name.upper()}") for name in dict.fromkeys(types)]
    return pb.EventFilter(types=numbers, families=list(dict.fromkeys(families)))


def shown(webhook: pb.Webhook, secret: str = "") -> Webhook:
    """A webhook as JSON for its owner; with its ``secret`` if it was just created."""
    answer: Webhook = {
        "id": webhook.id,
        "url": webhook.url,
        "description": webhook.description,
        "types": [event_name(number) for number in webhook.filter.types],
        "families": list(webhook.filter.families),
        "state": enum_word(pb.WebhookState.DESCRIPTOR, webhook.state),  # type: ignore[typeddict-item]
        "cause": webhook.cause or None,
        "cursor": webhook.cursor,
        "pending": webhook.pending,
        "dead": webhook.dead,
        "delivered": webhook.delivered,
        "failing_since": _moment(webhook, "failing_since_time"),
        "last_success_at": _moment(webhook, "last_success_time"),
        "last_failure_at": _moment(webhook, "last_failure_time"),
        "last_failure": webhook.last_failure or None,
        "lost_from": _moment(webhook, "lost_from_time"),
        "lost_until": _moment(webhook, "lost_until_time"),
        "secrets": webhook.secrets,
        "created_at": rfc3339(webhook.create_time),
        "updated_at": rfc3339(webhook.update_time),
    }
    if secret:
        answer["secret"] = secret
    return answer


def delivery_shown(one: pb.WebhookDelivery) -> Delivery:
    """A delivery with its event, as JSON."""
    event = one.event
    return {
        "id": one.id,
        "webhook_id": one.webhook_id,
        "user_id": one.user_id,
        "state": enum_word(pb.DeliveryState.DESCRIPTOR, one.state),  # type: ignore[typeddict-item]
        "tries": one.tries,
        "next_try_at": _moment(one, "next_try_time"),
        "status": one.status or None,
        "failure": one.failure or None,
        "ended_at": _moment(one, "end_time"),
        "event": {
            "id": event.id,
            "type": event_name(event.type),
            "subject_id": event.subject_id,
            "data": json.loads(event.payload_json or "null"),
            "created_at": rfc3339(event.create_time),
        },
    }


def _moment(message: Any, name: str) -> str | None:
    moment: Timestamp = getattr(message, name)
    return rfc3339(moment) if message.HasField(name) else None
