"""Turns exceptions of handlers into problems, or closes the connection if it is too late for one."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.http.leaving import Draining, cut_off
from gateway.http.middleware.access import BROKEN, COUNTED, GONE
from gateway.http.problems import ClientGone, Truncated, problem_for, problem_for_bug
from gateway.http.reply import Reply
from servicekit.context import current, current_request_id, note_message
from servicekit.telemetry.logs import Level
from strongroom.errors import DeadlineExceeded, ObjectArchived, Overloaded, StrongroomError

log = structlog.get_logger("gateway.errors")


class Problems:
    """Catches all exceptions. A response that has begun can only be broken off; the client sees that by its
    length.
    """

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False
        level: Level = "error"

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            if self._draining.begun and message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        task = self._draining.entered()
        try:
            await self._app(scope, receive, watched)
            return
        except asyncio.CancelledError:
            if not self._draining.is_cut:
                raise
            task.uncancel()
            reply = _explained(cut_off())
        except ClientGone:
            scope[GONE] = True
            return
        except Truncated as error:
            _break_off(scope, str(error), _level_of_broken(error.__cause__))
            return
        except StrongroomError as error:
            scope[COUNTED] = _counted(error)
            level = _level_of_broken(error)
            reply = _explained(error)
        except Exception:
            log.exception("unexpected")
            reply = problem_for_bug(current_request_id())
        finally:
            self._draining.left(task)
        if started:
            request = current()
            _break_off(scope, (request is not None and request.message) or f"status {reply.status}", level)
            return
        await reply.send_to(scope, receive, watched)


#: Once a response has begun, these say that its reader has stopped reading.
_STALLED: Final = (Overloaded, DeadlineExceeded)


def _level_of_broken(error: BaseException | None) -> Level:
    """``warning`` if callers can cause it at will, as by deleting what they read."""
    ordinary = isinstance(error, StrongroomError) and error.http_status < 500
    return "warning" if ordinary or isinstance(error, _STALLED) else "error"


def _counted(error: StrongroomError) -> int | None:
    """The status to count for a 5xx that callers can cause at will: nobody is called out of bed for it. It
    means a limit (see ``as_tus``), or a file that its owner keeps in an archive class.
    """
    if isinstance(error, ObjectArchived):
        return 409
    return 429 if isinstance(error, Overloaded) and "limit" in error.metadata else None


def _break_off(scope: Scope, why: str, level: Level) -> None:
    scope[BROKEN] = level
    note_message(f"answer broken off: {why}")


def _explained(error: StrongroomError) -> Reply:
    """The problem for ``error``. For a server error the request's log line gets the details for operators."""
    request = current()
    if request is not None and error.http_status >= 500:
        transport = f" ({error.transport_details})" if error.transport_details else ""
        request.message = error.message + transport
    return problem_for(error, current_request_id())
