"""What the parts of the adapter share, and the two ways in which they call the store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from storage_service import store_errors as domain
from storage_service.objects import Doubtful
from storage_service.s3 import errors
from storage_service.s3.credentials import CredentialSource
from storage_service.s3.endpoint import Endpoint
from storage_service.s3.light import Exchange, LightClient, LightRequest
from storage_service.s3.offload import Offload
from storage_service.s3.options import S3Options
from storage_service.s3.replies import require
from storage_service.s3.retry import RetryPolicy
from storage_service.s3.sigv4 import SigV4
from storage_service.s3.wire import Head

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Context:
    """Clients and settings of one bucket. ``on_mid_body`` is told in the middle of each body that is sent."""

    settings: S3Options
    client: S3Client
    slow_client: S3Client
    light: LightClient
    offload: Offload
    retry: RetryPolicy
    credentials: CredentialSource
    signer: SigV4
    public_endpoint: Endpoint
    on_mid_body: Callable[[str], None] | None = None

    async def control(
        self,
        operation: str,
        call: Callable[[S3Client], T],
        *,
        slow: bool = False,
        option: str = "",
        needs: str = "",
        doubtful: Doubtful | None = None,
    ) -> T:
        """A botocore call with retries; ``needs`` is a member that its reply must have. Raises StoreError."""
        changes = errors.may_change(operation)
        client = self.slow_client if slow else self.client
        timeout = self.settings.slow_reply_timeout if slow else self.settings.reply_timeout

        def blocking() -> T:
            try:
                self.credentials.current()  # without any, botocore fails in its own ways
                reply = call(client)
                if needs:
                    require(reply, needs, operation, outcome_unknown=changes)
                return reply
            except Exception as error:
                raise errors.translate(error, operation, option=option, parsing=True) from error

        async def attempt() -> T:
            try:
                return await self.offload.control(blocking, timeout)
            except TimeoutError as error:
                raise domain.StoreTimeout(operation=operation, outcome_unknown=changes) from error

        return await self.retry.run(attempt, doubtful)

    async def parsed(
        self,
        operation: str,
        call: Callable[[S3Client], T],
        parse: Callable[[T], R],
        *,
        needs: str,
        slow: bool = False,
        option: str = "",
        doubtful: Doubtful | None = None,
    ) -> R:
        """As ``control``, with what ``parse`` makes of the reply; one that it can't read is as good as none,
        and asked for again. Raises StoreError.
        """

        def call_and_read(client: S3Client) -> R:
            reply = call(client)
            require(reply, needs, operation, outcome_unknown=errors.may_change(operation))
            return parse(reply)

        return await self.control(operation, call_and_read, slow=slow, option=option, doubtful=doubtful)

    async def send(
        self, operation: str, request: LightRequest, *, option: str = "", doubtful: Doubtful | None = None
    ) -> Head:
        """A light request that carries bytes, with retries. Raises StoreError."""
        return await self.retry.run(
            lambda: self.offload.write(lambda exchange: self._call(operation, request, exchange, option)),
            doubtful,
        )

    async def fetch(self, operation: str, request: LightRequest, parse: Callable[[Head], R]) -> R:
        """What ``parse`` makes of the answer to a light request that only asks, with retries. Raises
        StoreError.
        """
        return await self.retry.run(
            lambda: self.offload.read(lambda exchange: parse(self._call(operation, request, exchange, "")))
        )

    def _call(self, operation: str, request: LightRequest, exchange: Exchange, option: str) -> Head:
        try:
            return self.light.call(request, exchange)
        except Exception as error:
            raise errors.translate(error, operation, option=option) from error

    def mid_body(self, name: str) -> Callable[[], None] | None:
        """For LightRequest.mid_body: a call of the hook with the failpoint's name."""
        hook = self.on_mid_body
        return None if hook is None else lambda: hook(name)
