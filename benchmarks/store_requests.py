"""``python -m benchmarks.store_requests``: CPU of one small PUT to the store, by our client and by others.

The request is the one that storage_service sends for every file: 64 KiB with a checksum, signed, over a
kept-alive connection to the C sink. It is sent by one thread, so that no waiting between threads is measured.
Subjects take turns; each figure is the minimum of the rounds, in microseconds of user and system time. `by
the loop` and `by threads` are PutObject as services call it, 16 at once on an event loop (decision 0079).
"""

from __future__ import annotations

import asyncio
import http.client
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import urllib3
import uvloop
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from benchmarks import sinkserver
from benchmarks.parts.measured import micros
from storage_service.objectstore import checksums
from storage_service.objectstore.s3.client import Exchange, LightClient, LightRequest
from storage_service.objectstore.s3.credentials import StaticCredentials
from storage_service.objectstore.s3.http.connection import Timeouts
from storage_service.objectstore.s3.http.pool import ConnectionPool
from storage_service.objectstore.s3.http.sigv4 import UNSIGNED_PAYLOAD, SigV4
from storage_service.objectstore.s3.options import Endpoint, S3Options
from storage_service.objectstore.s3.store import open_s3_store
from storage_service.objectstore.values import ObjectAttributes

ROUNDS: Final = 7
REQUESTS: Final = 1500
BODY: Final = os.urandom(64 << 10)
REGION: Final = "us-east-1"
AT_ONCE: Final = 16


class Subjects:
    """The subjects. Each sends one signed PUT, or only signs it."""

    def __init__(self, port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        options = S3Options(
            bucket="bench", region=REGION, endpoint_url=url, access_key_id="k", secret_access_key="s"
        )
        self._endpoint = Endpoint.of(url, "bench", "path", custom=True)
        self._signer = SigV4(REGION)
        self._credentials = StaticCredentials(options)
        pool = ConnectionPool(self._endpoint, None, Timeouts(10, 10, 10), 1)
        self._light = LightClient(self._endpoint, pool, self._signer, self._credentials, "never")
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._pools = urllib3.PoolManager(retries=False)
        self._url = url
        crc32c = checksums.to_base64(checksums.extend(0, BODY))
        self._headers = {"content-type": "application/octet-stream", "x-amz-checksum-crc32c": crc32c}

    def ours(self) -> None:
        """PutObject as sent by our client, without the switch to its thread."""
        request = LightRequest(method="PUT", key="a", headers=self._headers, chunks=(BODY,), size=len(BODY))
        self._light.call(request, Exchange())

    def standard_library(self) -> None:
        """http.client, signed by us."""
        self._connection.request("PUT", "/bench/a", BODY, self.signed())
        self._connection.getresponse().read()

    def by_urllib3(self) -> None:
        """boto3's HTTP library, signed by us."""
        self._pools.request("PUT", f"{self._url}/bench/a", body=BODY, headers=self.signed())

    def signed(self) -> dict[str, str]:
        """Sign the request with our signer. Returns its headers."""
        headers = {"host": self._endpoint.host_header, **self._headers}
        return self._signer.sign(
            "PUT",
            "/bench/a",
            "",
            headers,
            payload_hash=UNSIGNED_PAYLOAD,
            credentials=self._credentials.current(),
            now=datetime.now(UTC),
        )

    def signed_by_botocore(self) -> None:
        """Sign the request with botocore's signer."""
        request = AWSRequest(method="PUT", url=f"{self._url}/bench/a", headers=self._headers)
        request.context["payload_signing_enabled"] = False
        S3SigV4Auth(BotocoreCredentials("k", "s"), "s3", REGION).add_auth(request)


async def _puts(port: int, *, threads: bool) -> float:
    """CPU µs of one PutObject. It is sent to threads by setting a hook for the middle of bodies, as
    failpoints do.
    """
    url = f"http://127.0.0.1:{port}"
    options = S3Options(
        bucket="bench", region=REGION, endpoint_url=url, access_key_id="k", secret_access_key="s"
    )
    store = open_s3_store(options, on_mid_body=(lambda _: None) if threads else None)
    crc32c = checksums.extend(0, BODY)

    async def put(times: int) -> None:
        for _ in range(times):
            await store.put("a", (BODY,), size=len(BODY), crc32c=crc32c, attrs=ObjectAttributes())

    await asyncio.gather(*(put(2) for _ in range(AT_ONCE)))
    began = time.process_time()
    await asyncio.gather(*(put(REQUESTS // AT_ONCE) for _ in range(AT_ONCE)))
    spent = time.process_time() - began
    await store.aclose()
    return spent / (REQUESTS // AT_ONCE * AT_ONCE) * 1e6


def puts(port: int, *, threads: bool) -> float:
    """CPU µs of one PutObject, on an event loop like the services'."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_puts(port, threads=threads))


def main() -> None:
    """Measure and print."""
    with sinkserver.running() as sink:
        subjects = Subjects(sink.port)
        calls: dict[str, Callable[[], float]] = {
            "request: this adapter": partial(micros, subjects.ours, REQUESTS),
            "request: http.client": partial(micros, subjects.standard_library, REQUESTS),
            "request: urllib3": partial(micros, subjects.by_urllib3, REQUESTS),
            "signing: this adapter": partial(micros, subjects.signed, REQUESTS),
            "signing: botocore": partial(micros, subjects.signed_by_botocore, REQUESTS),
            "PutObject: by the loop": partial(puts, sink.port, threads=False),
            "PutObject: by threads": partial(puts, sink.port, threads=True),
        }
        best = dict.fromkeys(calls, float("inf"))
        for _ in range(ROUNDS):
            for name, call in calls.items():
                best[name] = min(best[name], call())
    for name, figure in best.items():
        print(f"{name:24} {figure:6.0f} µs")


if __name__ == "__main__":
    main()
