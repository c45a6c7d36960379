"""The images' health check: `healthcheck.py grpc://HOST:PORT | http://HOST:PORT/PATH`. Exits 0 if healthy.

With STRONGROOM_TLS_CA set (and STRONGROOM_TLS_CLIENT_CERT, STRONGROOM_TLS_CLIENT_KEY if the server requires
a client certificate) the gRPC check uses TLS; the server's certificate must then cover the host.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path

import grpc

_SECONDS = 4.0
_SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse(status=SERVING)


def _file(name: str) -> bytes | None:
    path = os.environ.get(name)
    return Path(path).read_bytes() if path else None


def _channel(address: str) -> grpc.Channel:
    options = [("grpc.enable_http_proxy", 0)]
    authority = _file("STRONGROOM_TLS_CA")
    if authority is None:
        return grpc.insecure_channel(address, options)
    key, chain = _file("STRONGROOM_TLS_CLIENT_KEY"), _file("STRONGROOM_TLS_CLIENT_CERT")
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority, key, chain), options)


def grpc_healthy(address: str) -> bool:
    """Whether grpc.health.v1 reports SERVING for the whole server."""
    with _channel(address) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check", bytes, bytes)
        try:
            return bool(check(b"", timeout=_SECONDS) == _SERVING)
        except grpc.RpcError as error:
            sys.stderr.write(f"{str(error).splitlines()[1].strip()}\n")
            return False


def http_healthy(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(url, timeout=_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return False


def main() -> int:
    """Run the check. Returns 0 if the server is healthy, else 1."""
    scheme, _, rest = sys.argv[1].partition("://")
    healthy = grpc_healthy(rest) if scheme == "grpc" else http_healthy(sys.argv[1])
    return 0 if healthy else 1


if __name__ == "__main__":
    sys.exit(main())
