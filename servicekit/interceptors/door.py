"""Caps and rates of gRPC servers: checked after authentication and before the servicer.

Calls between Strongroom's processes are not counted: services send the internal credential, the gateway its
proof that it has counted the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from google.protobuf.message import DecodeError

from servicekit.auth.authenticator import bearer
from servicekit.auth.credentials import GatewayCredential, refuse_internal
from servicekit.context import RequestContext
from servicekit.interceptors.caller import Credentials
from servicekit.interceptors.remote import is_ours
from servicekit.limits import CapSettings, Holds, Limiter
from servicekit.limits.addresses import client_key, peer_address
from servicekit.limits.limiter import ARCHIVES, EXPORTS, IMPORTS, PREVIEWS, TRANSFERS, WATCHES
from servicekit.method import Method, ServicerContext
from strongroom.errors import Overloaded, StrongroomError, TokenExpired, TokenMissing
from strongroom.storage.v1.batch_pb2 import BatchImportRequest

_STORAGE: Final = "/strongroom.storage.v1.StorageService/"
_BATCH: Final = _STORAGE + "BatchImport"
EXPORTING: Final = _STORAGE + "ExportUser"
_OPENING: Final = "/strongroom.storage.v1.GuestService/OpenShare"
_DROPPING: Final = "/strongroom.storage.v1.GuestService/DropFile"
#: What an RPC holds open while it runs. The others take a moment.
OPEN: Final[Mapping[str, str]] = {
    **{
        _STORAGE + name: TRANSFERS
        for name in (
            "Upload",
            "Download",
            "DownloadArchive",
            "ExportUser",
            "SaveProject",
            "SaveProjectArchive",
        )
    },
    "/strongroom.storage.v1.PreviewService/DownloadPreview": PREVIEWS,
    "/strongroom.storage.v1.LinkService/DownloadLink": PREVIEWS,
    **{
        f"/strongroom.storage.v1.GuestService/{name}": PREVIEWS
        for name in ("DownloadShared", "DownloadSharedArchive", "DropFile")
    },
    _STORAGE + "ImportFromUrl": IMPORTS,
    _BATCH: IMPORTS,
    "/strongroom.metadata.v1.NotificationService/Watch": WATCHES,
    "/strongroom.metadata.v1.NotificationService/WatchAll": WATCHES,
}
#: RPCs that return a ZIP, in addition to what they hold open: one costs as much as many files.
ZIPS: Final = frozenset(
    {
        _STORAGE + "DownloadArchive",
        _STORAGE + "ExportUser",
        "/strongroom.storage.v1.GuestService/DownloadSharedArchive",
    }
)
#: Bytes. Smaller answers are not counted: ``user_calls`` bounds them, and those of writes are small.
_SMALL_ANSWER: Final = 64 * 1024
#: RPCs that begin a resumable upload.
SESSIONS: Final = frozenset({_STORAGE + "CreateUpload", _STORAGE + "SignUpload"})


class Door:
    """The limits of one gRPC server. ``most_direct``: calls at once of all users and addresses together, so
    that Strongroom's own calls find room.
    """

    def __init__(self, limiter: Limiter, settings: CapSettings, most_direct: int) -> None:
        self._limiter = limiter
        self._most_direct = most_direct
        self._direct = 0
        secret = settings.gateway_secret
        self._gateway = GatewayCredential(secret.get_secret_value()) if secret is not None else None

    def admitted(self, credentials: Credentials) -> bool:
        """Whether the gateway has counted this call."""
        proof = credentials.gateway
        return proof is not None and self._gateway is not None and self._gateway.proves(proof)

    def arrival(self, credentials: Credentials) -> float | None:
        """When the gateway verified the caller's token, seconds since 1970, if it vouches for it: the token
        may have expired during the body, or this process's clock may differ.

        :raises TokenInvalid: ``authorization`` contains no token.
        """
        proof, authorization = credentials.gateway, credentials.authorization
        if proof is None or authorization is None or self._gateway is None:
            return None
        return self._gateway.arrival(proof, bearer(authorization))

    def doubt(self, error: StrongroomError, credentials: Credentials) -> None:
        """Handle a token that the gateway accepted and whose dates were refused here. If the two clocks
        differ, the dates cannot be judged, and the user is not told that the token is bad.

        :raises InternalTokenInvalid: the clocks differ.
        """
        by_dates = isinstance(error, TokenExpired) or error.metadata.get("claim") in {"exp", "iat", "nbf"}
        if not by_dates or credentials.gateway is None or self._gateway is None:
            return
        differ = self._gateway.clock_differs(credentials.gateway)
        if differ is not None:
            refuse_internal("clock", f"the gateway's clock and ours differ by {differ} s", differ)

    def passes(self, info: RequestContext, credentials: Credentials) -> bool:
        """Whether no limit applies: the gateway has counted the call, or a Strongroom process makes it."""
        info.by_gateway = self.admitted(credentials)
        return is_ours(info)

    async def enter(
        self,
        method: Method,
        info: RequestContext,
        context: ServicerContext,
        *,
        holds: Holds,
    ) -> str:
        """Count a call that doesn't pass against the limits, and add its places to ``holds``. Returns the
        name under which the call was counted.

        Its message may still be on its way, so a call that is refused has not waited for it.

        :raises RateLimited: a limit is reached. :raises Overloaded: the limit of all callers together is.
        """
        principal = info.principal
        if principal is None:  # a service without authentication
            user = f"address {_address(context)}"
            await self._limiter.unsigned_request(_address(context))
            if method.path == _OPENING:
                await self._limiter.share_opening(_address(context))
            elif method.path == _DROPPING:
                await self._limiter.share_drop(_address(context))
        else:
            user = principal.subject
            await self._limiter.request(user)
        if self._direct >= self._most_direct:
            raise Overloaded("Too many calls are in progress; try again.", retry_after=1.0)
        await self._occupy(user)
        if method.path in SESSIONS:
            holds.add(await self._limiter.session(user))
        kind = OPEN.get(method.path)
        if kind is not None:
            holds.add(await self._limiter.hold(kind, user))
        if method.path in ZIPS:
            holds.add(await self._limiter.hold(ARCHIVES, user))
        if method.path == EXPORTING:
            holds.add(await self._limiter.hold(EXPORTS, user))
        return user

    async def begin_imports(self, method: Method, user: str, request: Any) -> None:
        """Count the imports that a call begins. ``request``: its serialized message; ``user``: of ``enter``.

        :raises RateLimited: too many.
        """
        if OPEN.get(method.path) == IMPORTS:
            await self._limiter.imports(user, _imports_in(method, request))

    def gives(self, user: str, answer: Any) -> bool:
        """Count a serialized ``answer`` to ``user`` until it has been read: then the call's task ends. False:
        too many bytes wait to be read; drop it, and ``refuse_answer``.
        """
        task = asyncio.current_task()
        if task is None or not isinstance(answer, bytes) or len(answer) <= _SMALL_ANSWER:
            return True
        hold = self._limiter.answer(user, len(answer))
        if hold is None:
            return False
        task.add_done_callback(lambda _: hold.release())
        return True

    async def refuse_answer(self, user: str) -> NoReturn:
        """:raises RateLimited: always, perhaps after seconds."""
        await self._limiter.refuse_answer(user)

    async def probe(self, context: ServicerContext) -> None:
        """Count a call that needs no sign-in and no limit but this: its caller may leave it open.

        :raises RateLimited: too many of its address are open.
        """
        await self._occupy(f"address {_address(context)}")

    async def _occupy(self, key: str) -> None:
        """Take a place until the call's task has ended: gRPC still counts a call among those of the process
        while its answer waits for its reader.
        """
        hold = await self._limiter.call(key)
        task = asyncio.current_task()
        if task is None:
            return
        self._direct += 1

        def ended(_: asyncio.Task[Any]) -> None:
            self._direct -= 1
            if hold is not None:
                hold.release()

        task.add_done_callback(ended)

    def refused_behind(self, user: str) -> None:
        """The servicer has refused a call, counted for ``user``, by its own limit."""
        self._limiter.refused_behind(user)

    async def refuse(
        self, error: StrongroomError, credentials: Credentials, context: ServicerContext
    ) -> NoReturn:
        """A sign-in failed with ``error``, which is raised.

        :raises RateLimited: instead, if too many failed.
        """
        if not self.admitted(credentials):
            if isinstance(error, TokenMissing):
                await self._limiter.unsigned_request(_address(context))
            else:
                await self._limiter.failed_sign_in(_address(context))
        raise error


def _imports_in(method: Method, request: Any) -> int:
    """The number of imports that a call begins; an unreadable call is refused later."""
    if method.path != _BATCH:
        return 1
    try:
        return max(1, len(BatchImportRequest.FromString(request).items))
    except DecodeError:
        return 1


def _address(context: ServicerContext) -> str:
    return client_key(peer_address(context.peer() or ""))
