"""The servicer context of a call without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Final, Never

import grpc
from grpc import aio

from servicekit.inprocess.exchange import Exchange, Outcome, Pairs, pairs_of
from servicekit.inprocess.pipe import END

PEER: Final = "inprocess:"


class CallContext(aio.ServicerContext[Any, Any]):
    """See ``grpc.aio.ServicerContext``."""

    __slots__ = (
        "_code",
        "_details",
        "_exchange",
        "_max_send",
        "_trailers",
        "callbacks",
        "handler",
        "takes_chunks",
    )

    def __init__(self, exchange: Exchange, max_send: int) -> None:
        self._exchange = exchange
        self._max_send = max_send
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Pairs = ()
        self.handler: grpc.RpcMethodHandler[Any, Any] | None = None
        self.takes_chunks = False
        self.callbacks: list[Callable[[Any], None]] = []

    # --- messages ----------------------------------------------------------------------------------------

    async def read(self) -> Any:
        """The next request message, or ``aio.EOF``."""
        raw = await self._exchange.requests.take()
        if raw is END:
            return aio.EOF
        if type(raw) is not bytes and not self.takes_chunks:
            raw = raw.encode()
        deserialize = self.handler.request_deserializer if self.handler is not None else None
        return raw if deserialize is None else deserialize(raw)

    async def requests(self) -> AsyncIterator[Any]:
        """All request messages."""
        while (message := await self.read()) is not aio.EOF:
            yield message

    async def write(self, message: Any) -> None:
        """Send a response; waits while the caller takes no more.

        :raises aio.InternalError: the call is over.
        """
        if not self.hand_over(message):
            await self.until_taken()

    def hand_over(self, message: Any) -> bool:
        """Send a response without waiting. Returns False if no other may be sent before ``until_taken``."""
        exchange = self._exchange
        if exchange.outcome is not None:
            raise aio.InternalError("the call is over")
        serialize = self.handler.response_serializer if self.handler is not None else None
        raw = message if serialize is None else serialize(message)
        exchange.begin_responses()
        if not self.fits(len(raw)):
            raise aio.InternalError("the message is too large")
        exchange.responses.push(raw, len(raw))
        return not exchange.responses.full

    async def until_taken(self) -> None:
        """Wait until the caller takes more.

        :raises aio.InternalError: the call is over.
        """
        if not await self._exchange.responses.drained():
            raise aio.InternalError("the call is over")

    def fits(self, size: int) -> bool:
        """Whether a response of ``size`` bytes may be sent; if not, the call is over."""
        if size <= self._max_send:
            return True
        self._exchange.end(too_large("SERVER: Sent", size, self._max_send))
        return False

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        """Send the initial metadata before the first response. Raises UsageError if it was sent already."""
        if self._exchange.initial is not None:
            raise aio.UsageError("Send initial metadata failed: already sent")
        self._exchange.begin_responses(pairs_of(initial_metadata))

    # --- the end -----------------------------------------------------------------------------------------

    async def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> Never:
        """End the call with a status; raises AbortError."""
        if code is grpc.StatusCode.OK:
            raise aio.UsageError("abort takes a status that is not OK")
        self._code, self._details = code, details
        self._trailers = pairs_of(trailing_metadata) or self._trailers
        self._exchange.end(self.outcome())
        raise aio.AbortError("Locally aborted.")

    async def abort_with_status(self, status: grpc.Status) -> Never:
        """Like ``abort``."""
        await self.abort(status.code, status.details, status.trailing_metadata)

    def outcome(self) -> Outcome:
        """How the call ends if nothing else happens."""
        if self._code is None and not (self._details or self._trailers):
            return _FINE
        return Outcome(self._code or grpc.StatusCode.OK, self._details, self._trailers)

    @property
    def fails(self) -> bool:
        """Whether the servicer has set another status than OK."""
        return self._code is not None and self._code is not grpc.StatusCode.OK

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status for when the servicer returns."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Set the status text."""
        self._details = details

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        """Set the metadata sent with the status."""
        self._trailers = pairs_of(trailing_metadata)

    def code(self) -> Any:
        """The status set so far."""
        return self._code if self._code is not None else 0

    def details(self) -> str:
        """The status text set so far."""
        return self._details

    def trailing_metadata(self) -> Any:
        """The metadata set so far."""
        return self._trailers

    # --- the caller --------------------------------------------------------------------------------------

    def invocation_metadata(self) -> Any:
        """Pairs, as sent by the caller."""
        return self._exchange.metadata

    def peer(self) -> str:
        """No address: the caller is in this process."""
        return PEER

    def peer_identities(self) -> Iterable[bytes] | None:
        """None: there is no certificate."""
        return None

    def peer_identity_key(self) -> str | None:
        """None: there is no certificate."""
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Says that no transport needed securing."""
        return {"transport_security_type": [b"inprocess"]}

    def time_remaining(self) -> Any:
        """Seconds until the caller's deadline; None without one."""
        return self._exchange.time_remaining()

    def cancelled(self) -> bool:
        """Whether the caller left, or the call was cut off, before it was answered."""
        outcome = self._exchange.outcome
        return self._exchange.over and outcome is not None and outcome.code in _CUT

    def done(self) -> bool:
        """Whether the call has its status."""
        return self._exchange.outcome is not None

    def add_done_callback(self, callback: Any) -> None:
        """Call ``callback`` with this context when the servicer has ended."""
        self.callbacks.append(callback)

    def set_compression(self, compression: grpc.Compression) -> None:
        """Nothing is compressed."""

    def disable_next_message_compression(self) -> None:
        """Nothing is compressed."""


_FINE: Final = Outcome(grpc.StatusCode.OK)
_CUT: Final = (grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


def too_large(what: str, size: int, most: int) -> Outcome:
    """The end of a call with a message of more than ``most`` bytes."""
    return Outcome(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{what} message larger than max ({size} vs. {most})")
