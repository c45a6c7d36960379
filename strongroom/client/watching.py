"""``client.watch()``: events of the caller's files as they happen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any

import grpc

from strongroom import errors
from strongroom.client.arguments import several
from strongroom.client.connection import Connection, typed
from strongroom.client.family_values import Notification
from strongroom.client.retries import Deadline
from strongroom.metadata.v1 import notification_service_pb2 as pb


async def watch(connection: Connection, user_id: str, resume_token: str) -> AsyncGenerator[Notification]:
    """Yield events after ``resume_token``. A broken connection is resumed where it broke.

    :raises StrongroomError: with status OUT_OF_RANGE if the token is older than the service's retention of
    events.
    """
    request = pb.WatchRequest(resume_token=resume_token, user_id=user_id)
    async with aclosing(_events(connection, connection.notifications.Watch, request)) as events:
        async for event in events:
            yield event


async def watch_all(connection: Connection, request: pb.WatchAllRequest) -> AsyncGenerator[Notification]:
    """Like ``watch``, for all users; needs the admin role."""
    async with aclosing(_events(connection, connection.notifications.WatchAll, request)) as events:
        async for event in events:
            yield event


async def _events(
    connection: Connection, method: Any, request: pb.WatchRequest | pb.WatchAllRequest
) -> AsyncGenerator[Notification]:
    attempts = connection.attempts(Deadline(None))
    heard = bool(request.resume_token)
    while True:
        metadata = await connection.metadata()
        call = method(request, metadata=metadata)
        failure: errors.StrongroomError = errors.ServiceUnavailable("the service ended the watch")
        try:
            async for message in call:
                attempts.progressed()
                if message.HasField("event"):
                    request.resume_token, heard = message.event.id, True
                    yield Notification.from_proto(message.event)
                elif not heard:  # the current position, so that events are not missed while it is unreachable
                    request.resume_token = message.resume_token
        except grpc.aio.AioRpcError as error:
            failure = typed(error, metadata)
        finally:
            call.cancel()
        if isinstance(failure, errors.OffsetOutOfRange) and request.resume_token and not heard:
            request.resume_token = ""  # no event has come for longer than events are kept
        else:
            await attempts.pause(failure)


def event_types(names: Iterable[str]) -> list[pb.EventType.ValueType]:
    """Return event types by name, written with ``-`` or ``_``. Raises InvalidField."""
    items = pb.EventType.items()
    known = {name.removeprefix("EVENT_TYPE_").lower(): number for name, number in items if number}
    wanted = [name.lower().replace("-", "_") for name in dict.fromkeys(several("types", names))]
    if unknown := [name for name in wanted if name not in known]:
        raise errors.InvalidField(
            f"{unknown[0]} is not an event type; the types are {', '.join(sorted(known))}.",
            field="types",
            rule="in",
        )
    return [known[name] for name in wanted]
