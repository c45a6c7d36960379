"""A client's spool: keeps operations that can't be sent, and sends them later, in order and once."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import grpc
from google.protobuf.message import Message

from strongroom import errors
from strongroom.client.connection import Connection
from strongroom.client.local_files import in_worker
from strongroom.client.retries import BRIEF, WAITING
from strongroom.client.spooling.disk import Entry, SpoolDisk
from strongroom.client.spooling.documents import ANSWERS, encoded, restored
from strongroom.client.spooling.operations import Operation
from strongroom.errors.base import REASONS
from strongroom.subjects import key_segment

#: Pauses between tries in the background, in seconds; doubled from the first to the last.
FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
#: The service remembers request ids for 24 h. An operation that may have been done longer ago is not sent
#: again.
ONCE_SECONDS: Final = 23 * 3600.0

#: Problems of the service's set-up, for which no request is to blame.
_SET_UP: Final = (
    errors.ObjectStoreDenied,
    errors.ObjectStoreNoCredentials,
    errors.ObjectStoreWrongRegion,
    errors.ObjectStoreFull,
    errors.ObjectStoreRefused,
    errors.BucketMissing,
    errors.BucketNotVersioned,
)
#: Problems of the caller's token, which a new one may solve.
_TOKEN: Final = (errors.TokenMissing, errors.TokenInvalid, errors.TokenExpired, errors.UserMismatch)
_UNDONE: Final = (
    *_SET_UP,
    *_TOKEN,
    errors.ObjectStoreUnavailable,
    errors.ObjectStoreThrottled,
    errors.Overloaded,
    errors.RateLimited,
)
_GONE: Final = (errors.FileNotFound, errors.ProjectNotFound)


class OutcomeUnknown(Exception):
    """It can't be determined any more whether an operation was carried out."""


def is_away(error: errors.StrongroomError) -> bool:
    """Whether the service, or what it depends on, can't be reached, so that a later try may succeed."""
    if isinstance(error, errors.SourceUrlFailed):
        return False
    away = error.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    return away or isinstance(error, (*_SET_UP, *WAITING, errors.RateLimited))


def is_undone(error: errors.StrongroomError) -> bool:
    """Whether it is certain that the attempt had no effect."""
    return isinstance(error, _UNDONE) or "Connection refused" in error.transport_details


@dataclass(frozen=True, slots=True)
class SpooledOperation:
    """An operation in the spool. ``code``, ``message``: why the service has refused it; empty while it
    waits.
    """

    id: str
    title: str
    created_at: datetime
    size: int
    code: str = ""
    message: str = ""

    @classmethod
    def of(cls, entry: Entry) -> SpooledOperation:
        """Return the value for an entry."""
        made = datetime.fromtimestamp(entry.document["created"], UTC)
        code, message = entry.reason.get("code", ""), entry.reason.get("message", "")
        return cls(entry.id, entry.document["title"], made, entry.size, code, message)


@dataclass(frozen=True, slots=True)
class Flushed:
    """The result of a try to send. ``error``: why operations still wait (also None while another process
    sends).
    """

    sent: int
    refused: tuple[SpooledOperation, ...]
    waiting: int
    error: errors.StrongroomError | None = None


class Spool:
    """The waiting operations of a connection's user. Belongs to the event loop of the connection."""

    def __init__(self, root: Path, max_bytes: int, connection: Connection) -> None:
        self.folder = root
        self._max_bytes = max_bytes
        self._connection = connection
        #: Number of operations that this client has added to the spool.
        self.kept = 0
        self._disks: dict[str, SpoolDisk] = {}
        self._flushing = asyncio.Lock()
        self._sender: asyncio.Task[None] | None = None
        self._pause = FIRST_PAUSE
        self._next_try = 0.0

    async def subject(self) -> str:
        """Return the `sub` of the token, unverified, which names the spool. Empty if it can't be read."""
        token = await self._connection.tokens.current()
        return subject_of(token) if token else ""

    async def disk(self) -> SpoolDisk:
        """Return the spool of the token's user. Raises OSError."""
        user = key_segment(await self.subject()) or "_"
        if user not in self._disks:
            self._disks[user] = await asyncio.to_thread(SpoolDisk, self.folder, user, self._max_bytes)
            self._send_later(self._disks[user])
        return self._disks[user]

    async def run(self, operation: Operation, user_id: str) -> tuple[Message | None, Entry | None]:
        """Carry out an operation or keep it. Return the service's answer, or the waiting entry.

        Raises StrongroomError if the service has refused it; then nothing is kept. Raises OSError if it could
        neither be sent nor kept.
        """
        disk, unknown = await self.disk(), False
        if operation.repeatable and await asyncio.to_thread(disk.is_empty):
            try:
                return await self._directly(operation), None
            except errors.StrongroomError as error:
                if not is_away(error):
                    raise
                unknown = not is_undone(error)
                self._back_off()
        entry = await self._keep(disk, operation, user_id, unknown=unknown)
        if time.monotonic() >= self._next_try:
            await self.flush()
            outcome = await asyncio.to_thread(_outcome, disk, entry)
            if outcome is not None:
                return outcome, None
        self._send_later(disk)
        self.kept += 1
        return None, entry

    async def flush(self, *, dead: bool = False) -> Flushed:
        """Send waiting operations until one can't be sent. ``dead``: also refused ones, after the others."""
        disk = await self.disk()
        async with self._flushing:
            if dead:
                for entry in await asyncio.to_thread(disk.entries, dead=True):
                    await asyncio.to_thread(disk.requeue, entry)
            with disk.sending() as mine:
                if not mine:
                    return Flushed(0, (), len(await asyncio.to_thread(disk.entries)))
                return await self._flush(disk)

    async def operations(self) -> Sequence[SpooledOperation]:
        """Return the waiting operations in order, followed by the refused ones."""
        disk = await self.disk()
        found = await asyncio.to_thread(lambda: [*disk.entries(), *disk.entries(dead=True)])
        return [SpooledOperation.of(entry) for entry in found]

    async def remove(self, id: str) -> SpooledOperation:  # noqa: A002
        """Remove an operation without sending it. Raises KeyError if there is none with that id."""
        disk = await self.disk()
        async with self._flushing:
            return await asyncio.to_thread(self._remove, disk, id)

    def _remove(self, disk: SpoolDisk, id: str) -> SpooledOperation:  # noqa: A002
        with disk.sending() as mine:
            if not mine:
                raise errors.RequestInProgress("the spool is being sent; wait a moment", retry_after=1.0)
            for entry in [*disk.entries(), *disk.entries(dead=True)]:
                if entry.id == id:
                    disk.remove(entry)
                    return SpooledOperation.of(entry)
        raise KeyError(id)

    async def close(self) -> None:
        """Stop sending. Waiting operations are kept."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.wait({self._sender})

    async def _keep(self, disk: SpoolDisk, operation: Operation, user_id: str, *, unknown: bool) -> Entry:
        id_ = str(uuid4())
        with disk.making(id_) as draft:
            kept = await operation.keep(draft)
            document = {
                "kind": operation.kind,
                "message": operation.request.DESCRIPTOR.name,
                "request": encoded(operation.request),
                "title": operation.title,
                "user_id": user_id,
                "created": time.time(),
                "attempted": time.time() if unknown else None,
                **kept,
            }
            return await in_worker(draft.commit, document)  # never removed while it is added

    async def _directly(self, operation: Operation) -> Message:
        brief = BRIEF.set(True)
        try:
            return await operation.direct(self._connection)
        finally:
            BRIEF.reset(brief)

    async def _flush(self, disk: SpoolDisk) -> Flushed:
        sent, refused = 0, list[SpooledOperation]()
        for entry in await asyncio.to_thread(disk.entries):
            if await asyncio.to_thread(disk.outcome_of, entry.id) is not None:
                await asyncio.to_thread(disk.remove, entry)  # a killed process had only this left to do
                continue
            try:
                response = await self._send(disk, entry)
            except (errors.StrongroomError, OutcomeUnknown, FileNotFoundError) as error:
                if isinstance(error, errors.StrongroomError) and _may_pass(error):
                    self._back_off()
                    waiting = len(await asyncio.to_thread(disk.entries))
                    return Flushed(sent, tuple(refused), waiting, error)
                reason = _reason(error)
                await asyncio.to_thread(disk.refused, entry, reason)
                refused.append(SpooledOperation.of(replace(entry, reason=reason)))
            else:
                await asyncio.to_thread(disk.done, entry, _kept(response))
                sent += 1
        self._pause, self._next_try = FIRST_PAUSE, 0.0
        await asyncio.to_thread(disk.forget_old)
        return Flushed(sent, tuple(refused), len(await asyncio.to_thread(disk.entries)))

    async def _send(self, disk: SpoolDisk, entry: Entry) -> Message:
        """Send an entry and return the service's answer. Raises StrongroomError, OutcomeUnknown."""
        operation = await asyncio.to_thread(restored, entry, disk)
        since = await asyncio.to_thread(disk.attempt_of, entry)
        if since is not None and operation.is_idempotent and time.time() - since > ONCE_SECONDS:
            raise OutcomeUnknown(
                "it may have been done over 23 hours ago, and the service no longer remembers; look whether"
                " it was, then remove it here, or send it with --dead"
            )
        await asyncio.to_thread(disk.note_attempt, entry, time.time())
        try:
            return await self._directly(operation)
        except _GONE:
            done = operation.done_before()
            if since is None or done is None:
                raise
            return done
        except errors.StrongroomError as error:
            if since is None and is_undone(error):
                await asyncio.to_thread(disk.note_attempt, entry, None)
            raise

    def _back_off(self) -> None:
        self._next_try = time.monotonic() + self._pause * random.uniform(0.5, 1.0)
        self._pause = min(LAST_PAUSE, self._pause * 2)

    def _send_later(self, disk: SpoolDisk) -> None:
        """Send in the background as long as operations wait and the client is open."""
        if self._sender is None or self._sender.done():
            self._sender = asyncio.get_running_loop().create_task(self._keep_sending(disk))

    async def _keep_sending(self, disk: SpoolDisk) -> None:
        while not await asyncio.to_thread(disk.is_empty):
            await asyncio.sleep(max(self._next_try - time.monotonic(), FIRST_PAUSE))
            with suppress(errors.StrongroomError, OSError, ValueError):  # the next call raises it
                await self.flush()


def subject_of(token: str) -> str:
    """Return the ``sub`` of a JWT, unverified."""
    import jwt  # noqa: PLC0415 - see tokens.development_token

    try:
        found = jwt.decode(token, options={"verify_signature": False}).get("sub")
    except jwt.InvalidTokenError:
        return ""
    return found if isinstance(found, str) else ""


def _may_pass(error: errors.StrongroomError) -> bool:
    return is_away(error) or isinstance(error, _TOKEN)


def _reason(error: errors.StrongroomError | OutcomeUnknown | FileNotFoundError) -> dict[str, Any]:
    if isinstance(error, errors.StrongroomError):
        return {"reason": error.reason, "code": error.reason_name, "message": error.message}
    code = "OUTCOME_UNKNOWN" if isinstance(error, OutcomeUnknown) else "LOCAL_FILE"
    return {"reason": 0, "code": code, "message": str(error)}


def _outcome(disk: SpoolDisk, entry: Entry) -> Message | None:
    """Return the service's answer, or None while the entry waits. Raises StrongroomError if it was
    refused.
    """
    outcome = disk.outcome_of(entry.id)
    if outcome is not None:
        answer = ANSWERS[outcome["message"]]()
        answer.ParseFromString(base64.b64decode(outcome["response"]))
        return answer
    for dead in disk.entries(dead=True):
        if dead.id == entry.id and dead.reason["reason"]:
            disk.remove(dead)
            raise REASONS[dead.reason["reason"]](dead.reason["message"])
    return None


def _kept(response: Message) -> Mapping[str, Any]:
    raw = base64.b64encode(response.SerializeToString()).decode()
    return {"message": response.DESCRIPTOR.name, "response": raw}
