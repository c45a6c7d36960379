"""A server with keys from an issuer's URL, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from strongroom.errors import ServiceUnavailable, TokenInvalid, from_rpc_error
from strongroom.storage.v1.upload_pb2 import GetUploadRequest
from tests.integration.servicekit.conftest import Serving
from tests.integration.servicekit.echo import Echo, failure
from tests.unit.servicekit.forge import token

KEY = ec.generate_private_key(ec.SECP256R1())
ONE = GetUploadRequest(upload_id="u")


@contextlib.contextmanager
def issuer(status: int = 200) -> Iterator[str]:
    """The URL of an issuer that has one key, ``one``."""
    document = json.dumps({"keys": [{**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one"}]})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(document.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is given
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/keys"
        server.shutdown()
        thread.join()


def bearer(kid: str, key: Any = KEY) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token({'kid': kid, 'alg': 'ES256'}, key, 'ES256')}"),)


async def test_tokens_of_an_issuer(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with issuer() as url:
        async with serving(Echo(), jwt_secret=None, jwks_url=url) as stub:
            assert (await stub.unary(ONE, metadata=bearer("one"))).persisted_size == 1
            for wrong in (bearer("two"), bearer("one", ec.generate_private_key(ec.SECP256R1()))):
                assert type(from_rpc_error(await failure(stub.unary(ONE, metadata=wrong)))) is TokenInvalid


async def test_an_issuer_that_fails(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with issuer(500) as url:
        async with serving(Echo(), jwt_secret=None, jwks_url=url) as stub:
            failed = from_rpc_error(await failure(stub.unary(ONE, metadata=bearer("one"))))
    assert type(failed) is ServiceUnavailable
    assert failed.retry_after
    assert url not in failed.message
