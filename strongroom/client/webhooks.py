"""Webhooks: events sent to a URL; ``AsyncClient.webhooks`` (docs/webhooks.md)."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import uuid4

from strongroom import errors
from strongroom.client.arguments import several
from strongroom.client.connection import Connection
from strongroom.client.family_values import Notification
from strongroom.client.files import moment_of
from strongroom.client.watching import event_types
from strongroom.enum_words import enum_word, event_name
from strongroom.metadata.v1 import webhook_pb2 as pb
from strongroom.metadata.v1 import webhook_service_pb2 as service

Span: TypeAlias = timedelta | int
"""A time span, or its seconds."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. ``state``: ``active``, ``paused``, ``disabled`` (``cause`` says why). ``types`` and
    ``families`` empty: all. ``cursor``: the last event for which deliveries were created. ``secrets``: number
    of secrets that sign.

    ``secret``: only in the results of ``create`` and ``rotate_secret``.
    """

    id: str
    url: str
    description: str
    types: tuple[str, ...]
    families: tuple[str, ...]
    state: str
    cause: str
    cursor: str
    pending: int
    dead: int
    delivered: int
    failing_since: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_failure: str
    lost_from: datetime | None
    lost_until: datetime | None
    secrets: int
    created_at: datetime | None
    updated_at: datetime | None
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery of one event. ``id``: the header webhook-id. ``state``: ``pending``, ``delivered``,
    ``dead``. ``status``: HTTP status of the last response; 0: none.
    """

    id: str
    webhook_id: str
    user_id: str
    event: Notification
    state: str
    tries: int
    next_try_at: datetime | None
    status: int
    failure: str
    ended_at: datetime | None


class Webhooks:
    """Creates, lists, edits, tests and replays webhooks, for the caller or the user it acts for.

    Every method raises ``WebhookNotFound`` if it does not exist, or is somebody else's.
    """

    def __init__(self, connection: Connection, user_id: str = "", *, all_users: bool = False) -> None:
        self._connection = connection
        self._user_id = "" if all_users else user_id
        self._all_users = all_users

    def of_all_users(self) -> Webhooks:
        """The installation's webhooks, which get the events of all users; needs the admin role."""
        return Webhooks(self._connection, all_users=True)

    async def create(
        self,
        url: str,
        *,
        description: str = "",
        types: Sequence[str] = (),
        families: Sequence[str] = (),
        request_id: str | None = None,
    ) -> Webhook:
        """Create a webhook; its ``secret`` verifies what it sends.

        :param types: ``file_ready``, …; none: all but ``upload_progress``.
        :param request_id: idempotency key: a repeat with the same one returns the same; default: a new one.
        :raises InvalidField: the URL is not allowed. :raises WebhookLimitReached: there are too many.
        """
        request = service.CreateWebhookRequest(
            url=url,
            description=description,
            filter=_filter(types, families),
            request_id=uuid4().hex if request_id is None else request_id,
            user_id=self._user_id,
            all_users=self._all_users,
        )
        made = await self._connection.unary(self._connection.webhooks.CreateWebhook, request, safe=True)
        return to_webhook(made.webhook, made.secret)

    async def get(self, webhook_id: str) -> Webhook:
        """Return one webhook."""
        request = service.GetWebhookRequest(
            webhook_id=webhook_id, user_id=self._user_id, all_users=self._all_users
        )
        found = await self._connection.unary(self._connection.webhooks.GetWebhook, request)
        return to_webhook(found.webhook)

    async def list(self) -> AsyncGenerator[Webhook]:
        """Yield all of them, newest first, fetched page by page."""
        request = service.ListWebhooksRequest(user_id=self._user_id, all_users=self._all_users)
        async for page in self._connection.pages(self._connection.webhooks.ListWebhooks, request):
            for webhook in page.webhooks:
                yield to_webhook(webhook)

    async def update(
        self,
        webhook_id: str,
        *,
        url: str | None = None,
        description: str | None = None,
        types: Sequence[str] | None = None,
        families: Sequence[str] | None = None,
        paused: bool | None = None,
    ) -> Webhook:
        """Edit a webhook and return it; None: unchanged.

        :param types: set together with ``families``: they are one filter.
        :param paused: False reactivates it, also if it was disabled.
        """
        request = service.UpdateWebhookRequest(
            webhook_id=webhook_id,
            url=url,
            description=description,
            paused=paused,
            user_id=self._user_id,
            all_users=self._all_users,
        )
        if types is not None or families is not None:
            request.filter.CopyFrom(_filter(types or (), families or ()))
        found = await self._connection.unary(self._connection.webhooks.UpdateWebhook, request, safe=True)
        return to_webhook(found.webhook)

    async def delete(self, webhook_id: str) -> None:
        """Remove it with its deliveries."""
        request = service.DeleteWebhookRequest(
            webhook_id=webhook_id, user_id=self._user_id, all_users=self._all_users
        )
        await self._connection.unary(self._connection.webhooks.DeleteWebhook, request)

    async def rotate_secret(self, webhook_id: str, *, overlap: Span = 86_400) -> Webhook:
        """Create a new ``secret``; old ones also sign for ``overlap``."""
        request = service.RotateWebhookSecretRequest(
            webhook_id=webhook_id,
            overlap_seconds=math.ceil(overlap.total_seconds()) if isinstance(overlap, timedelta) else overlap,
            user_id=self._user_id,
            all_users=self._all_users,
        )
        made = await self._connection.unary(self._connection.webhooks.RotateWebhookSecret, request)
        return to_webhook(made.webhook, made.secret)

    async def test(self, webhook_id: str) -> Delivery:
        """Send a ``webhook_ping``; ``deliveries`` shows its outcome."""
        request = service.TestWebhookRequest(
            webhook_id=webhook_id, user_id=self._user_id, all_users=self._all_users
        )
        made = await self._connection.unary(self._connection.webhooks.TestWebhook, request)
        return to_delivery(made.delivery)

    async def deliveries(self, webhook_id: str, *, state: str = "") -> AsyncGenerator[Delivery]:
        """Yield deliveries, newest event first, fetched page by page. ``state``: ``pending``, ``delivered``,
        ``dead``.
        """
        request = service.ListDeliveriesRequest(
            webhook_id=webhook_id,
            state=_state(state),
            user_id=self._user_id,
            all_users=self._all_users,
        )
        async for page in self._connection.pages(self._connection.webhooks.ListDeliveries, request):
            for delivery in page.deliveries:
                yield to_delivery(delivery)

    async def replay(self, webhook_id: str, *, delivery_id: str = "", after: str = "") -> int:
        """Resend one delivery, all events ``after`` one, or else all dead letters. Returns how many will be
        sent.

        :raises OffsetOutOfRange: events after that one are no longer kept.
        """
        request = service.ReplayDeliveriesRequest(
            webhook_id=webhook_id, user_id=self._user_id, all_users=self._all_users
        )
        if delivery_id:
            request.delivery_id = delivery_id
        elif after:
            request.after = after
        else:
            request.dead = True
        found = await self._connection.unary(self._connection.webhooks.ReplayDeliveries, request)
        return found.replayed


def to_webhook(webhook: pb.Webhook, secret: str = "") -> Webhook:
    """From the protobuf."""
    return Webhook(
        id=webhook.id,
        url=webhook.url,
        description=webhook.description,
        types=tuple(event_name(one) for one in webhook.filter.types),
        families=tuple(webhook.filter.families),
        state=enum_word(pb.WebhookState.DESCRIPTOR, webhook.state),
        cause=webhook.cause,
        cursor=webhook.cursor,
        pending=webhook.pending,
        dead=webhook.dead,
        delivered=webhook.delivered,
        failing_since=moment_of(webhook.failing_since_time),
        last_success_at=moment_of(webhook.last_success_time),
        last_failure_at=moment_of(webhook.last_failure_time),
        last_failure=webhook.last_failure,
        lost_from=moment_of(webhook.lost_from_time),
        lost_until=moment_of(webhook.lost_until_time),
        secrets=webhook.secrets,
        created_at=moment_of(webhook.create_time),
        updated_at=moment_of(webhook.update_time),
        secret=secret,
    )


def to_delivery(delivery: pb.WebhookDelivery) -> Delivery:
    """From the protobuf."""
    return Delivery(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        user_id=delivery.user_id,
        event=Notification.from_proto(delivery.event),
        state=enum_word(pb.DeliveryState.DESCRIPTOR, delivery.state),
        tries=delivery.tries,
        next_try_at=moment_of(delivery.next_try_time),
        status=delivery.status,
        failure=delivery.failure,
        ended_at=moment_of(delivery.end_time),
    )


def _filter(types: Sequence[str], families: Sequence[str]) -> pb.EventFilter:
    return pb.EventFilter(
        types=event_types(types), families=list(dict.fromkeys(several("families", families)))
    )


def _state(state: str) -> pb.DeliveryState.ValueType:
    try:
        return pb.DeliveryState.Value(f"DELIVERY_STATE_{(state or 'unspecified').upper()}")
    except ValueError:
        raise errors.InvalidField(
            "state must be pending, delivered or dead.", field="state", rule="in"
        ) from None
