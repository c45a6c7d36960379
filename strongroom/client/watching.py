"""``client.watch()``: what happens to the caller's files, as it happens."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import grpc

from strongroom import errors
from strongroom.client.connection import Connection, typed
from strongroom.client.family_values import Notification
from strongroom.client.retries import Deadline
from strongroom.metadata.v1 import notification_service_pb2


async def watch(connection: Connection, user_id: str, resume_token: str) -> AsyncGenerator[Notification]:
    """Events from the one after ``resume_token`` on; a connection that breaks is made again where it broke.

    :raises StrongroomError: with status OUT_OF_RANGE when the token is older than the service keeps events.
    """
    attempts = connection.attempts(Deadline(None))
    while True:
        metadata = await connection.metadata()
        request = notification_service_pb2.WatchRequest(resume_token=resume_token, user_id=user_id)
        call = connection.notifications.Watch(request, metadata=metadata)
        failure: errors.StrongroomError = errors.ServiceUnavailable("the service ended the watch")
        try:
            async for message in call:
                attempts.progressed()
                if message.HasField("event"):
                    resume_token = message.event.id
                    yield Notification.from_proto(message.event)
        except grpc.aio.AioRpcError as error:
            failure = typed(error, metadata)
        finally:
            call.cancel()
        await attempts.pause(failure)
